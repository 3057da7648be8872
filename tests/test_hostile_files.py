"""Files that run code, name other files or unpack to more than they are: each is refused in one line, and nothing happens."""

from __future__ import annotations

import gzip
import io
import json
import marshal
import os
import pickle
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from scipy.io import savemat

from benchmark.core.errors import InputError
from benchmark.data.mpii import load_mpii
from benchmark.evaluation.inference import _read_cache
from benchmark.metrics.mpii_files import read_mpii_annotations
from benchmark.metrics.point_files import read_points
from benchmark.models.onnx import read_onnx
from benchmark.models.weights import read_tensors
from benchmark.papers.expressions import evaluate_expression
from benchmark.papers.tables import load_paper
from benchmark.pipeline.crop_cache import open_cache
from benchmark.training.checkpoint import read_progress

N = 3
POINTS = np.arange(N * 32.0).reshape(N, 16, 2)


def read_predictions(path: Path) -> np.ndarray:
    return read_points(path, N, "mpii")


def refusal(read: Callable[[Path], Any], path: Path) -> str:
    """Return the line with which a file is refused."""
    with pytest.raises(InputError) as problem:
        read(path)
    assert str(problem.value).isprintable()
    assert path.name in str(problem.value)
    return str(problem.value)


# --- files that run code -----------------------------------------------------------------------------------------------------


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[Path]:
    """Yield the path of a folder that code in a file would make; in the end, it is not there."""
    path = tmp_path / "code was run"
    pickle.loads(pickle.dumps(Payload(path)))
    path.rmdir()  # the payload works
    yield path
    assert not path.exists()


WEIGHT_EXPLOITS: dict[str, Callable[[Path, Payload], None]] = {
    "zip.pth": lambda path, payload: torch.save(payload, path),
    "beside-tensors.pth": lambda path, payload: torch.save({"state_dict": {"a": torch.zeros(1)}, "meta": payload}, path),
    "legacy.pth": lambda path, payload: torch.save({"a": payload}, path, _use_new_zipfile_serialization=False),
    "plain-pickle.pth": lambda path, payload: path.write_bytes(pickle.dumps(payload)) and None,
    "old-pickle.bin": lambda path, payload: path.write_bytes(pickle.dumps({"a": payload}, protocol=0)) and None,
    "module.ckpt": lambda path, payload: torch.save(torch.nn.Linear(1, 1), path),
    "script.pt": lambda path, payload: torch.jit.script(torch.nn.Linear(1, 1)).save(str(path)),
    "archive.pth.tar": lambda path, payload: _write_tar(path, pickle.dumps(payload)),
}


def _write_tar(path: Path, content: bytes) -> None:
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", WEIGHT_EXPLOITS)
def test_no_code_in_a_weight_file_runs(tmp_path: Path, marker: Path, name: str) -> None:
    WEIGHT_EXPLOITS[name](tmp_path / name, Payload(marker))
    refusal(read_tensors, tmp_path / name)


def test_no_code_in_a_checkpoint_runs(tmp_path: Path, marker: Path) -> None:
    torch.save({"version": 1, "progress": Payload(marker)}, tmp_path / "last.pt")
    refusal(read_progress, tmp_path / "last.pt")


@pytest.mark.parametrize("name", ["a.npy", "a.mat", "a.h5", "a.json", "a.npy.gz", "a.mat.zip"])
def test_no_code_in_a_file_of_predictions_runs(tmp_path: Path, marker: Path, name: str) -> None:
    content = pickle.dumps(Payload(marker))
    if name == "a.npy":
        file = io.BytesIO()
        np.save(file, np.array([Payload(marker)]), allow_pickle=True)
        content = file.getvalue()
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.mat", content)
    for read in (read_predictions, read_mpii_annotations):
        refusal(read, path)


def test_no_code_in_a_cache_runs(tmp_path: Path, marker: Path) -> None:
    np.savez(tmp_path / "chunk.npz", joints=np.array([Payload(marker)]), scores=np.zeros(1))
    assert _read_cache(tmp_path / "chunk.npz") is None
    folder = tmp_path / "crops"
    folder.mkdir()
    (folder / "cache.json").write_text("{}")
    np.save(folder / "index.npy", np.array([Payload(marker)]), allow_pickle=True)
    refusal(open_cache, folder)


@pytest.mark.parametrize("weights", [True, False])
def test_code_in_a_keras_model_is_not_looked_at(tmp_path: Path, marker: Path, weights: bool) -> None:
    code = marshal.dumps(compile(f"import os; os.mkdir({str(marker)!r})", "lambda", "exec"))
    layer = {"class_name": "Lambda", "config": {"function": [code.hex(), None, None], "function_type": "lambda"}}
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": [layer]}})
        group = file.create_group("model_weights")
        if weights:
            group["conv/conv/kernel:0"] = np.ones((2, 2))
    if weights:
        assert read_tensors(tmp_path / "net.h5")["conv/kernel"].tolist() == [[1, 1], [1, 1]]
    else:
        assert "no named tensors" in refusal(read_tensors, tmp_path / "net.h5")


@pytest.mark.parametrize("code", ["__import__('os').mkdir(MARKER)", "open(MARKER, 'w')", "(lambda: 1)()", "table1.__class__"])
def test_no_code_in_a_table_runs(tmp_path: Path, marker: Path, code: str) -> None:
    folder = tmp_path / "paper"
    folder.mkdir()
    (folder / "paper.toml").write_text(
        'schema = 1\nid = "paper"\ntitle = "T"\nshort = "T"\nauthors = "A"\nyear = 2020\nreference = "R"\ntext = "t.txt"\n'
        'order = 1\n[tables.table1]\ntitle = "T"\nwhere = "Table 1"\n[tables.table1.columns]\n'
        'params = { header = "P", metric = "params", unit = "M", convention = "trainable" }\n'
        '[tables.table1.rows]\nsmall = { none = "no" }\n'
    )
    (folder / "table1.csv").write_text("row_id,params\nsmall,1.0\n")
    expression = code.replace("MARKER", repr(str(marker)))
    fields = {"id": "a", "where": "W", "description": "D", "printed": "1", "expression": expression}
    (folder / "claims.toml").write_text(
        "[[claims]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in fields.items())
    )
    paper = load_paper(folder)
    with pytest.raises(InputError, match=r"not allowed in an expression|a cell is table") as problem:
        evaluate_expression(paper.claims[0].expression, paper, {"paper": paper})
    assert str(problem.value).isprintable()
    (folder / "table1.csv").write_text("row_id,params\nsmall,\"=cmd|' /C calc'!A0\"\n")
    with pytest.raises(InputError, match="is not a printed number"):
        load_paper(folder)


def _onnx_model(location: str, kind: str) -> Any:
    """Return a model of one weight, whose content is in another file."""
    onnx = pytest.importorskip("onnx")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    weight = onnx.TensorProto(name="w", data_type=floats, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value=location)
    output = helper.make_tensor_value_info("y", floats, [1])
    nodes, weights = [helper.make_node("Identity", ["w"], ["y"])], [weight]
    if kind != "weight":
        nodes, weights = [helper.make_node("Constant", [], ["y"], value=weight)], []
    if kind == "branch":
        branch = helper.make_graph(nodes, "branch", [], [output])
        nodes = [helper.make_node("If", ["condition"], ["z"], then_branch=branch, else_branch=branch)]
    image = helper.make_tensor_value_info("x", floats, [1, 3, 8, 8])
    return helper.make_model(helper.make_graph(nodes, "graph", [image], [output], weights))


@pytest.mark.parametrize("kind", ["weight", "constant", "branch"])
@pytest.mark.parametrize("location", ["/etc/passwd", "../secret", "deep/../../secret", "..\\secret"])
def test_an_exported_network_takes_no_weights_from_outside_its_folder(tmp_path: Path, kind: str, location: str) -> None:
    (tmp_path / "net.onnx").write_bytes(_onnx_model(location, kind).SerializeToString())
    assert "not in the model's folder" in refusal(read_onnx, tmp_path / "net.onnx")


# --- files that name other files ---------------------------------------------------------------------------------------------


def _point_elsewhere(file: h5py.File, name: str, trick: str, secret: Path) -> None:
    """Make a member of an HDF5 file whose content is in the file ``secret``."""
    shape = (N, 16, 2)
    if trick == "external link":
        file[name] = h5py.ExternalLink(str(secret), "secret")
    elif trick == "soft link":
        file["elsewhere"] = h5py.ExternalLink(str(secret), "/")
        file[name] = h5py.SoftLink("/elsewhere/secret")
    elif trick == "external storage":
        file.create_dataset(name, shape, "f8", external=[(str(secret), 0, N * 32 * 8)])
    else:
        layout = h5py.VirtualLayout(shape, "f8")
        layout[:] = h5py.VirtualSource(str(secret), "secret", shape)
        file.create_virtual_dataset(name, layout)


READERS: dict[str, tuple[str, str, Callable[[Path], Any]]] = {
    "predictions": ("mine.h5", "preds", read_predictions),
    "MATLAB 7.3": ("mine.mat", "preds", read_predictions),
    "annotations": ("valid.h5", "part", read_mpii_annotations),
    "people": ("valid.h5", "imgname", lambda path: load_mpii(path.parent, "val")),
    "weights": ("net.h5", "model_weights", read_tensors),
}


@pytest.mark.parametrize("trick", ["external link", "soft link", "external storage", "virtual"])
@pytest.mark.parametrize("reader", READERS)
def test_no_other_file_is_read_through_hdf5(tmp_path: Path, reader: str, trick: str) -> None:
    with h5py.File(tmp_path / "secret", "w") as file:
        file["secret"] = POINTS
    name, key, read = READERS[reader]
    with h5py.File(tmp_path / name, "w") as file:
        file["normalize"] = np.ones(N)
        if reader == "weights" and "link" not in trick:
            key = "model_weights/conv/conv/kernel:0"
        _point_elsewhere(file, key, trick, tmp_path / "secret")
    assert "link" in (line := refusal(read, tmp_path / name)) or "content from other files" in line


def test_a_link_within_weights_is_left_out(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret", "w") as file:
        file["secret"] = POINTS
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file["conv/conv/kernel:0"] = np.ones(2)
        file["conv/conv/bias:0"] = h5py.ExternalLink(str(tmp_path / "secret"), "secret")
    assert list(read_tensors(tmp_path / "net.h5")) == ["conv/kernel"]


# --- files that unpack to more than they are ---------------------------------------------------------------------------------

ZEROS = bytes(1 << 20)


def _gzip_of_zeros(path: Path) -> None:
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(300):
            file.write(ZEROS)


def _zip_of_zeros(path: Path, name: str, method: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as archive, archive.open(name, "w") as file:
        for _ in range(300):
            file.write(ZEROS)


def _npy(path: Path, header: str) -> None:
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(64))


def _hdf5(path: Path, *names: str, **options: Any) -> None:
    with h5py.File(path, "w") as file:
        for name in names:
            file.create_dataset(name, dtype="f8", **options)


def _mat(path: Path, *elements: bytes) -> None:
    path.write_bytes(b"MATLAB 5.0".ljust(124) + struct.pack("<HH", 0x0100, 0x4D49) + b"".join(elements))


def _mat_array(kind: int, dims: tuple[int, ...], rest: bytes = b"", byte_order: str = "<") -> bytes:
    """Return an array of a class and of dimensions that no bytes follow."""
    pack = f"{byte_order}%dI"
    body = struct.pack(pack % 4, 6, 8, kind, 0) + struct.pack(pack % 2, 5, 4 * len(dims)) + struct.pack(pack % len(dims), *dims)
    body += struct.pack(pack % 2, 1, 8) + b"preds\0\0\0" + rest
    return struct.pack(pack % 2, 14, len(body)) + body


FIELDS = struct.pack("<HHI", 5, 4, 1) + struct.pack("<II", 1, 1000) + b"f" * 1000  # a thousand names of one character
PACKED_ZEROS = zlib.compressobj(1)
PACKED = b"".join([*(PACKED_ZEROS.compress(ZEROS) for _ in range(300)), PACKED_ZEROS.flush()])
BOMBS: dict[str, tuple[Callable[[Path], Any], Callable[[Path], Any]]] = {
    "a.json.gz": (_gzip_of_zeros, read_predictions),
    "a.npy.zip": (lambda path: _zip_of_zeros(path, "a.npy"), read_predictions),
    "b.npy.zip": (lambda path: _zip_of_zeros(path, "a.npy", zipfile.ZIP_BZIP2), read_predictions),
    "net.pth": (lambda path: _zip_of_zeros(path, "archive/data/0"), read_tensors),
    "shape.npy": (
        lambda path: _npy(path, "{'descr': '<f8', 'fortran_order': False, 'shape': (4000000000, 16, 2)}\n"),
        read_predictions,
    ),
    "item.npy": (
        lambda path: _npy(path, "{'descr': '|V9000000000', 'fortran_order': False, 'shape': (9,)}\n"),
        read_predictions,
    ),
    "negative.npy": (
        lambda path: _npy(path, "{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -8)}\n"),
        read_predictions,
    ),
    "late.h5": (lambda path: _hdf5(path, "preds", shape=(10**8, 16, 2)), read_predictions),
    "chunks.h5": (
        lambda path: _hdf5(path, "preds", shape=(10**9, 16, 2), chunks=(9, 16, 2), compression="gzip"),
        read_predictions,
    ),
    "chunk.h5": (
        lambda path: _hdf5(path, "preds", shape=(N, 16, 2), maxshape=(None, 16, 2), chunks=(10**7, 16, 2)),
        read_predictions,
    ),
    "many.h5": (lambda path: _hdf5(path, *map(str, range(20)), shape=(10**7,), chunks=(9,)), read_predictions),
    "late.mat": (lambda path: _hdf5(path, "preds", shape=(10**8, 16, 2)), read_predictions),
    "weights.h5": (lambda path: _hdf5(path, "a/a/kernel:0", shape=(10**9,)), read_tensors),
    "many-weights.h5": (
        lambda path: _hdf5(path, *(f"{n}/{n}/w:0" for n in range(20)), shape=(10**7,), chunks=(9,)),
        read_tensors,
    ),
    "packed.mat": (lambda path: _mat(path, struct.pack("<II", 15, len(PACKED)) + PACKED), read_predictions),
    "cells.mat": (lambda path: _mat(path, _mat_array(1, (10**5, 10**5))), read_predictions),
    "text.mat": (lambda path: _mat(path, _mat_array(4, (1, 2 * 10**9), struct.pack("<II", 16, 0))), read_predictions),
    "structs.mat": (lambda path: _mat(path, _mat_array(2, (1, 900), FIELDS)), read_predictions),
    "nested.mat": (lambda path: _mat(path, _mat_array(1, (1, 1), _mat_array(1, (1, 10**9)))), read_predictions),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_is_out_of_proportion_is_refused_before_memory_is_taken(tmp_path: Path, name: str) -> None:
    write, read = BOMBS[name]
    write(tmp_path / name)
    assert (tmp_path / name).stat().st_size < 4 << 20
    tracemalloc.start()
    try:
        refusal(read, tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < 700 << 20
    finally:
        tracemalloc.stop()


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "mine.h5", "w") as file:
        file["preds"] = POINTS
        file.create_dataset("huge", (4 * 10**9,), "f8")
        file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
    assert np.array_equal(read_predictions(tmp_path / "mine.h5"), POINTS)
    savemat(tmp_path / "mine.mat", {"preds": POINTS, "other": np.zeros(9)}, do_compression=True)
    assert np.array_equal(read_predictions(tmp_path / "mine.mat"), POINTS)


@pytest.mark.parametrize("compressed", [True, False])
def test_structs_cells_and_text_in_proportion_are_read(tmp_path: Path, compressed: bool) -> None:
    others = {"s": {"a": [1, 2], "b": "text"}, "c": np.array(["x", 1, [1, 2]], dtype=object), "t": "words"}
    savemat(tmp_path / "mine.mat", {**others, "points": POINTS}, do_compression=compressed)
    assert np.array_equal(read_predictions(tmp_path / "mine.mat"), POINTS)
