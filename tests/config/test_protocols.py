"""Protocols are data: each names what exists, differs from all others of its package, and is read without torch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict

import pytest

from benchmark.config.packages import declarations, default_protocol, find_protocol, package_of
from benchmark.config.pipeline import CROP_RULES
from benchmark.config.protocols import PROTOCOLS, WHOLE_IMAGE, joint_mapping
from benchmark.core.errors import InputError
from benchmark.core.keypoints import COCO_JOINTS, LSP_JOINTS, MPII_JOINTS
from benchmark.models.registry import entries
from benchmark.pipeline.decode import DECODERS

GROUPS = [PROTOCOLS, *(package.protocols for package in declarations().values())]
ALL = {name: protocol for group in GROUPS for name, protocol in group.items()}


@pytest.mark.parametrize("name", ALL)
def test_a_protocol_names_what_exists_and_says_what_it_is(name: str) -> None:
    protocol = ALL[name]
    assert protocol.crop in (*CROP_RULES, WHOLE_IMAGE)
    assert protocol.decoding in DECODERS
    assert protocol.description
    assert all(scale > 0 for scale in protocol.scales)


def test_no_two_protocols_of_a_package_are_the_same() -> None:
    for group in GROUPS:
        contents = [str(asdict(protocol) | {"description": ""}) for protocol in group.values()]
        assert len(set(contents)) == len(contents)


def test_the_default_is_the_packages_own_or_that_of_the_dataset() -> None:
    with_protocols = next(model for model in entries() if package_of(model).protocols)
    without = next(model for model in entries() if not package_of(model).protocols)
    assert default_protocol(with_protocols, "lsp") == next(iter(package_of(with_protocols).protocols))
    assert default_protocol(without, "mpii") == "hrnet"
    assert default_protocol(without, "synthetic-coco") == "hrnet-annotated"
    assert default_protocol(without, "coco", detected=True) == "hrnet"


def test_an_unknown_protocol_is_named_with_those_that_exist() -> None:
    with pytest.raises(InputError, match=r"no protocol 'hrnt' for \S+; known: .*hrnet"):
        find_protocol(next(iter(entries())), "hrnt")


def test_mpii_answers_for_lsp_with_its_upper_neck() -> None:
    mapping = joint_mapping(MPII_JOINTS, LSP_JOINTS)
    assert [MPII_JOINTS[joint] for joint in mapping] == [name.replace("neck", "upper_neck") for name in LSP_JOINTS]
    reordered = tuple(reversed(MPII_JOINTS))
    assert [reordered[joint] for joint in joint_mapping(reordered, MPII_JOINTS)] == list(MPII_JOINTS)


def test_coco_has_no_head_top_to_answer_with() -> None:
    with pytest.raises(InputError, match="the network has no joint"):
        joint_mapping(COCO_JOINTS, LSP_JOINTS)


def test_listing_protocols_needs_no_torch() -> None:
    code = "import sys; from benchmark.config.packages import known_protocols; from benchmark.models.registry import entries; "
    code += "[known_protocols(m) for m in entries()]"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'torch' not in sys.modules"], check=True)
