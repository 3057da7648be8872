"""One reader takes every kind of weight file that people publish, executes none, and names what is wrong in one line."""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from benchmark.core.errors import InputError
from benchmark.models.layouts import OWN, Layout, read_manifest, write_manifest
from benchmark.models.weights import load_weights, locate_weights, match_tensors, read_tensors


class Net(nn.Module):
    """Two convolutions with a batch norm between them; the second is inside a submodule called ``module``."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))
        self.module = nn.Sequential(OrderedDict(head=nn.Conv2d(4, 2, 1)))


class Dangerous:
    """An object that runs a command when a pickle of it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch executed",)


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    net = Net()
    for value in net.state_dict().values():
        if value.is_floating_point():
            value.normal_()
    return net


def assert_loads(net: Net, path: Path, layouts: tuple[Layout, ...] = ()) -> None:
    """Check that a file gives a fresh network all values of ``net``."""
    other = Net()
    load_weights(other, path, "my/net", layouts)
    for name, value in net.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(other.state_dict()[name], value), name


def refusal(path: Path, net: nn.Module | None = None) -> str:
    """Return the one line with which a file is refused."""
    with pytest.raises(InputError) as refused:
        load_weights(net or Net(), path, "my/net")
    message = str(refused.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message.removeprefix(f"{path} ")


# --- kinds of files, wrappers and prefixes -------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".pth", ".pth.tar", ".pt", ".ckpt", ".bin"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_file_of_pytorchs_is_read_whatever_its_suffix(net: Net, tmp_path: Path, suffix: str, zipped: bool) -> None:
    path = tmp_path / f"weights{suffix}"
    torch.save(net.state_dict(), path, _use_new_zipfile_serialization=zipped)
    assert_loads(net, path)


def test_safetensors_are_read(net: Net, tmp_path: Path) -> None:
    save_file(net.state_dict(), tmp_path / "weights.safetensors")
    assert_loads(net, tmp_path / "weights.safetensors")


@pytest.mark.parametrize(
    "array", [b"model_weights/conv/conv/kernel:0", b"net/conv/net/conv/kernel:0"], ids=["model", "slashes"]
)
def test_keras_arrays_are_read_by_layer_and_name(tmp_path: Path, array: bytes) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file[array.decode()] = np.ones((3, 3, 1, 2), np.float32)
    (name,) = read_tensors(tmp_path / "weights.h5")
    assert name == ("conv/kernel" if b"model_weights" in array else "net/conv/kernel")


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state_dict", "network"])
@pytest.mark.parametrize("prefix", ["", "module.", "model.", "_orig_mod.", "module._orig_mod.", "model.module."])
def test_wrappers_and_prefixes_are_taken_off(net: Net, tmp_path: Path, wrapper: str, prefix: str) -> None:
    path = tmp_path / "checkpoint.pth"
    state = {f"{prefix}{name}": value for name, value in net.state_dict().items()}
    torch.save({"epoch": 3, wrapper: state, "optimizer": {"state": {}}}, path)
    assert_loads(net, path)


def test_hrnets_checkpoint_names_its_model_in_text(net: Net, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    state = {f"module.{name}": value for name, value in net.state_dict().items()}
    torch.save({"epoch": 210, "model": "pose_hrnet", "state_dict": state, "perf": np.float64(0.903)}, path)
    assert_loads(net, path)


def test_a_network_all_of_whose_tensors_are_in_a_submodule_called_module_keeps_its_names(tmp_path: Path) -> None:
    inner = nn.Sequential(OrderedDict(module=nn.Sequential(OrderedDict(module=nn.Conv2d(1, 1, 1)))))
    for prefix in ("", "module."):  # the second as DataParallel saves it
        torch.save({prefix + name: value for name, value in inner.state_dict().items()}, tmp_path / "a.pth")
        other = nn.Sequential(OrderedDict(module=nn.Sequential(OrderedDict(module=nn.Conv2d(1, 1, 1)))))
        load_weights(other, tmp_path / "a.pth", "my/net")
        assert torch.equal(other.module.module.weight, inner.module.module.weight)


def test_batch_counters_may_be_missing_or_in_excess(net: Net, tmp_path: Path) -> None:
    state = {name: value for name, value in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    torch.save(state | {"other.num_batches_tracked": torch.tensor(1)}, tmp_path / "old.pth")
    assert_loads(net, tmp_path / "old.pth")


@pytest.mark.parametrize("scalar", [np.float64(0.5), np.float32(0.5), np.int64(3), np.bool_(True)])
def test_numbers_of_numpys_are_taken(net: Net, tmp_path: Path, scalar: Any) -> None:
    torch.save({"state_dict": net.state_dict(), "best": scalar}, tmp_path / "a.pth")
    assert_loads(net, tmp_path / "a.pth")


def test_arrays_of_numpys_beside_the_weights_are_taken(net: Net, tmp_path: Path) -> None:
    meta = {"epoch": 210, "dataset_meta": {"sigmas": np.full(17, 0.1), "colors": np.zeros((17, 3), np.uint8)}}
    path = tmp_path / "mmpose.pth"
    torch.save({"state_dict": net.state_dict(), "meta": meta}, path)
    assert_loads(net, path)
    torch.save({"state_dict": net.state_dict(), "meta": meta}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    assert b"numpy._core.multiarray" in content
    path.write_bytes(content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))  # its name before version 2
    assert_loads(net, path)


# --- what is refused, each in a line of its own ----------------------------------------------------------------------------


def test_a_pickle_is_never_executed_and_what_it_would_run_is_named(
    net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.pth"
    torch.save({"state_dict": net.state_dict(), "extra": Dangerous()}, path)
    assert re.match(r"holds (posix|nt)\.system, which only running the file's code could restore", refusal(path))
    torch.save(net, path)
    assert refusal(path).startswith(f"holds {Net.__module__}.Net, which")
    torch.save({"state_dict": net.state_dict(), "array": np.array([Dangerous()])}, path)
    assert re.match(r"holds (posix|nt)\.system", refusal(path))
    assert not (tmp_path / "executed").exists()


def broken_files(folder: Path, net: Net) -> dict[str, Path]:
    """Write one file for each way in which a download goes wrong."""
    whole = folder / "whole.pth"
    torch.save(net.state_dict(), whole)
    legacy = folder / "legacy.pth"
    torch.save(net.state_dict(), legacy, _use_new_zipfile_serialization=False)
    save_file(net.state_dict(), folder / "whole.safetensors")
    contents = {
        "empty": b"",
        "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 174123456\n",
        "page": b"\n<!DOCTYPE html><html><body>Sign in</body></html>",
        "zip": whole.read_bytes()[:-200],
        "pickle": legacy.read_bytes()[:-20],
        "safetensors": (folder / "whole.safetensors").read_bytes()[:-8],
        "text": b"these are not the weights you are looking for",
    }
    paths = {}
    for name, content in contents.items():
        paths[name] = folder / f"{name}.pth"
        paths[name].write_bytes(content)
    return paths


def test_downloads_that_went_wrong_are_told_apart(net: Net, tmp_path: Path) -> None:
    messages = {name: refusal(path) for name, path in broken_files(tmp_path, net).items()}
    assert messages["empty"] == "is empty"
    assert messages["lfs"].startswith("is a pointer of Git LFS; the weights, 174,123,456 bytes, are at its source")
    assert messages["page"].startswith("is a web page, saved in place of the weights")
    for kind in ("zip", "pickle", "safetensors"):
        assert re.match(r"is truncated: its end, at [\d,]+ bytes, is missing", messages[kind]), kind
    assert messages["text"].startswith("is not a weight file")


def test_a_truncated_keras_file_is_told(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["conv/conv/kernel:0"] = np.ones((3, 3, 64, 64), np.float32)
    path = tmp_path / "cut.h5"
    path.write_bytes((tmp_path / "a.h5").read_bytes()[:-1000])
    assert refusal(path).startswith("is truncated")


def test_a_file_without_named_tensors_says_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"epoch": 3}, path)
    assert refusal(path) == "has no named tensors: its epoch is int"
    torch.save([torch.zeros(1)], path)
    assert refusal(path) == "has no named tensors: it holds list"


def test_what_differs_is_counted_and_the_first_of_each_kind_named(net: Net, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    state = net.state_dict()
    state["extra.weight"] = torch.zeros(1)
    state["module.head.weight"] = torch.zeros(3, 4, 1, 1)
    del state["stem.1.bias"]
    torch.save(state, path)
    assert refusal(path) == (
        "does not fit my/net: tensors missing 1 (stem.1.bias), unexpected 1 (extra.weight), of another shape 1 "
        "(module.head.weight is [3, 4, 1, 1] in the file, [2, 4, 1, 1] in the network); nearest layout: our own (this project)"
    )


def test_another_networks_weights_are_called_that(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(nn.Linear(3, 3).state_dict(), path)
    assert refusal(path).startswith("does not fit my/net: another network's weights; tensors missing 7 (stem.0.weight)")


def test_a_refused_file_leaves_the_network_as_it_was(net: Net, tmp_path: Path) -> None:
    state = net.state_dict()
    del state["stem.1.bias"]
    torch.save(state, tmp_path / "a.pth")
    other = Net()
    before = {name: value.clone() for name, value in other.state_dict().items()}
    refusal(tmp_path / "a.pth", other)
    assert all(torch.equal(before[name], value) for name, value in other.state_dict().items())


def test_weights_that_are_nowhere_name_both_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"no weights at b\.pth, nor at "):
        locate_weights(Path("b.pth"))


# --- layouts -----------------------------------------------------------------------------------------------------------------

FOREIGN = Layout(
    name="foreign",
    source="example",
    models=("my/net",),
    rules=((r"^conv(\d)/kernel$", "stem.{1-1}.weight"), (r"^bn(\d)\.", "stem.{1}."), (r"^final\.", "module.head.")),
    axes={"/kernel$": (3, 2, 0, 1)},
    optional=(r"^unused\.",),
)


def test_a_layout_renames_transposes_and_leaves_out(net: Net, tmp_path: Path) -> None:
    state = net.state_dict()
    foreign = {"conv1/kernel": state["stem.0.weight"].permute(2, 3, 1, 0).contiguous(), "unused.weight": torch.zeros(1)}
    foreign |= {name.replace("stem.", "bn"): value for name, value in state.items() if name.startswith("stem.1.")}
    foreign |= {name.replace("module.head", "final"): value for name, value in state.items() if name.startswith("module.")}
    torch.save({f"module.{name}": value for name, value in foreign.items()}, tmp_path / "a.pth")
    assert_loads(net, tmp_path / "a.pth", (FOREIGN,))
    assert match_tensors(foreign, net, (OWN, FOREIGN)).layout is FOREIGN


@pytest.mark.parametrize(
    ("replacement", "expected"),
    [("{1}", "7"), ("{1-1}", "6"), ("{1+2}", "9"), ("{1*3-3}", "18"), ("{1//3}.{1%3}", "2.1"), ("{0}", "a7")],
)
def test_numbers_in_a_replacement_are_computed_from_left_to_right(replacement: str, expected: str) -> None:
    layout = Layout(name="a", source="b", models=(), rules=((r"a(\d)", replacement),))
    assert layout.rename("a7") == expected


def test_two_tensors_of_a_file_never_take_one_place(net: Net) -> None:
    layout = Layout(name="a", source="b", models=(), rules=((r"^copy\.", "stem.0."),))
    match = match_tensors(net.state_dict() | {"copy.weight": torch.zeros(4, 3, 3, 3)}, net, (layout,))
    assert match.unexpected == ("copy.weight",)


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    shapes = {"a.weight": (3, 2, 1, 1), "a.num_batches_tracked": ()}
    path = tmp_path / "manifests" / "a.txt.gz"
    write_manifest(path, shapes)
    content = path.read_bytes()
    assert read_manifest(path) == shapes
    write_manifest(path, shapes)
    assert path.read_bytes() == content


# --- files that are not what they seem ----------------------------------------------------------------------------------------


def saved(path: Path, **options: Any) -> Path:
    torch.save(nn.Linear(200, 200).state_dict(), path, **options)
    return path


def test_a_damaged_file_of_pytorchs_is_refused_by_its_checksum(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pth")
    content = bytearray(path.read_bytes())
    content[20_000:20_400] = b"\x00" * 400
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"net\.pth is damaged: the checksum of .* is wrong"):
        read_tensors(path)


@pytest.mark.parametrize("protocol", [4, 5])
def test_another_pickle_protocol_is_one_line(tmp_path: Path, protocol: int, recwarn: pytest.WarningsRecorder) -> None:
    with pytest.raises(InputError, match="has a pickle protocol that is not read here"):
        read_tensors(saved(tmp_path / "net.pth", pickle_protocol=protocol))
    assert not recwarn.list


def test_a_file_is_recognised_by_its_content_whatever_its_suffix(tmp_path: Path) -> None:
    assert set(read_tensors(saved(tmp_path / "net.safetensors"))) == {"weight", "bias"}


@pytest.mark.parametrize(
    "spoil",
    [lambda t: t.to_sparse(), lambda t: t.to("meta"), lambda t: t.to(torch.complex64)],
    ids=["sparse", "meta", "complex"],
)
def test_tensors_that_hold_no_plain_numbers_are_refused_by_name(tmp_path: Path, spoil: Any) -> None:
    network = nn.Linear(3, 3)
    state = network.state_dict()
    torch.save({**state, "weight": spoil(state["weight"])}, tmp_path / "net.pth")
    with pytest.raises(InputError, match="weight is no plain tensor of numbers"):
        load_weights(network, tmp_path / "net.pth", "mine")


def test_a_safetensors_file_is_read_whatever_the_length_of_its_header(tmp_path: Path) -> None:
    """Check header lengths whose first byte is every one that occurs; 0x80 is also how a pickle begins."""
    firsts = set()
    for length in range(300):
        path = tmp_path / "weights.safetensors"
        save_file({"a": torch.ones(2)}, path, {"note": "n" * length})
        firsts.add(path.read_bytes()[0])
        assert torch.equal(read_tensors(path)["a"], torch.ones(2))
    assert 0x80 in firsts
