"""People: columns of one length, and the selection of rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.core.errors import InputError
from benchmark.core.files import data_root
from benchmark.data import dataset_folder, load_people
from benchmark.data.people import People


def people(n: int = 4, **changes) -> People:
    columns = {
        "dataset": "mpii",
        "split": "val",
        "images": tuple(Path(f"{row}.jpg") for row in range(n)),
        "image_ids": np.arange(n),
        "ids": np.arange(n) + 100,
        "joints": np.arange(n * 4.0).reshape(n, 2, 2),
        "visible": np.ones((n, 2), np.uint8),
        "centers": np.zeros((n, 2)),
        "sizes": np.ones((n, 2)),
        "areas": np.arange(n) * 1.0,
    }
    return People(**columns | changes)


@pytest.mark.parametrize("rows", [[2, 0], np.array([2, 0]), (2, 0)])
def test_select_takes_rows_of_every_column_in_the_given_order(rows):
    selected = people().select(rows)
    assert len(selected) == 2
    assert selected.ids.tolist() == [102, 100]
    assert [path.name for path in selected.images] == ["2.jpg", "0.jpg"]
    assert selected.areas.tolist() == [2.0, 0.0]
    assert selected.scores is None
    assert selected.joints[:, 0, 0].tolist() == [8.0, 0.0]


def test_select_takes_a_mask_and_may_leave_nobody():
    assert people().select(np.array([False, True, False, True])).ids.tolist() == [101, 103]
    assert len(people().select([])) == 0


@pytest.mark.parametrize(("name", "shape"), [("joints", (4, 2, 3)), ("visible", (4, 3)), ("centers", (4,)), ("ids", (5,))])
def test_a_column_of_another_length_is_refused_by_name(name, shape):
    with pytest.raises(InputError, match=f"mpii val: {name} is"):
        people(**{name: np.zeros(shape)})


def test_present_keeps_those_whose_photograph_is_on_disk(tmp_path):
    (tmp_path / "b.jpg").touch()
    images = tuple(tmp_path / name for name in ("a.jpg", "b.jpg", "c.jpg", "b.jpg"))
    assert people(images=images).present().ids.tolist() == [101, 103]


def test_the_data_root_is_what_the_environment_names(monkeypatch, tmp_path):
    monkeypatch.setenv("POSE_DATA", str(tmp_path))
    assert data_root() == tmp_path
    monkeypatch.delenv("POSE_DATA")
    assert data_root() == Path.home() / ".cache" / "pose-benchmark"


def test_a_dataset_s_folder_lies_below_the_root_or_is_what_was_given(tmp_path):
    (tmp_path / "mpii").mkdir()
    assert dataset_folder("mpii", tmp_path) == tmp_path / "mpii"
    assert dataset_folder("mpii", tmp_path / "mpii") == tmp_path / "mpii"
    assert dataset_folder("coco", tmp_path / "nowhere") == tmp_path / "nowhere" / "coco"


def test_unknown_datasets_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"no dataset 'mpi'; known: mpii, coco, lsp, lspet"):
        load_people("mpi", "val", tmp_path)
