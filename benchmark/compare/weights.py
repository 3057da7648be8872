"""A subject with its trained weights, ready to be evaluated."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import nn

from benchmark import backends
from benchmark.backends import Backend
from benchmark.errors import InputError
from benchmark.protocols import HEADS
from benchmark.subjects import Subject

PYTORCH = (".pth", ".pt")


def load(subject: Subject, weights: Path | None, *, joints: int, input_hw: tuple[int, int] | None, device: str) -> Backend:
    """A subject ready to be evaluated: one of this project's as ``benchmark.evaluate`` has it, any other as it was built.

    Raises:
        InputError: no weights for a network of this project, or they do not fit.
    """
    heads = {len(names): head for head, names in HEADS.items()}
    if joints not in heads:
        raise InputError(f"--joints {joints}: accuracy needs the joints of {', '.join(HEADS)}, which are {sorted(heads)}")
    if subject.model:
        if weights is None:
            raise InputError(f"{subject.name} has no trained weights of its own: give --weights, or MODEL@FILE after --against")
        return backends.load(subject.model, backends.locate(weights), head=heads[joints], input_hw=input_hw, device=device)
    assert input_hw is not None
    network = subject.build(joints, input_hw)
    if weights is not None:
        load_state(network, backends.locate(weights), subject.name)
    maps = backends.runner(network.to(device).eval(), subject.name, joints)
    return Backend(maps, HEADS[heads[joints]], input_hw, fingerprint(subject, network))


def load_state(network: nn.Module, path: Path, name: str) -> None:
    """Fill a user's network from a ``.safetensors`` file or a state dict that PyTorch saved.

    Raises:
        InputError: another kind of file, or it holds another network's weights.
    """
    if path.suffix.lower() not in PYTORCH:
        if path.suffix.lower() != backends.SAFETENSORS:
            raise InputError(f"{path}: weights of {name} are a {backends.SAFETENSORS} or {' or '.join(PYTORCH)} file")
        backends.load_safetensors(network, path, name)
        return
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)  # a pickle can run code: only tensors are let in
        found = next((found[key] for key in ("state_dict", "model") if key in found), found)
        network.load_state_dict({key.removeprefix("module."): value for key, value in found.items()})
    except Exception as problem:
        lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
        raise InputError(f"{path} does not fit {name}: {' '.join(lines[:2]) or type(problem).__name__}") from None


def fingerprint(subject: Subject, network: nn.Module) -> str:
    """What tells this network with these weights from any other, so that predictions kept on disk are its own."""
    digest = hashlib.sha256(subject.spec.encode())
    for source in (subject.onnx, subject.code):
        if source is not None:
            digest.update(source.read_bytes())
    for key, value in network.state_dict().items():
        digest.update(key.encode() + value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
