"""Protocols are data: each names things that exist, differs from its neighbours in what it says, and needs no torch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict

import pytest

from benchmark import models, protocols
from benchmark.crops import CROP_RULES
from benchmark.decode import METHODS
from benchmark.errors import InputError
from benchmark.joints import COCO_JOINTS, LSP_JOINTS, MPII_JOINTS

ALL = {
    name: protocol
    for module in [protocols, *models.packages().values()]
    for name, protocol in getattr(module, "PROTOCOLS", {}).items()
}


@pytest.mark.parametrize("name", ALL)
def test_a_protocol_names_what_exists_and_says_what_it_is(name: str) -> None:
    protocol = ALL[name]
    assert protocol.crop in (*CROP_RULES, protocols.PICTURE)
    assert protocol.decoding in METHODS
    assert protocol.says
    assert all(scale > 0 for scale in protocol.scales)


def test_no_two_protocols_of_a_package_are_the_same() -> None:
    for module in [protocols, *models.packages().values()]:
        own = [str(asdict(p) | {"says": ""}) for p in getattr(module, "PROTOCOLS", {}).values()]
        assert len(set(own)) == len(own)


def test_the_default_is_the_packages_own_or_that_of_the_dataset() -> None:
    own = next(model for model in models.entries() if getattr(protocols.package(model), "PROTOCOLS", {}))
    other = next(model for model in models.entries() if not getattr(protocols.package(model), "PROTOCOLS", {}))
    assert protocols.default(own, "lsp") == next(iter(protocols.package(own).PROTOCOLS))
    assert protocols.default(other, "mpii") == "hrnet"
    assert protocols.default(other, "synthetic-coco") == "hrnet-annotated"
    assert protocols.default(other, "coco", detected=True) == "hrnet"


def test_an_unknown_protocol_is_named_with_those_that_exist() -> None:
    with pytest.raises(InputError, match=r"no protocol 'hrnt' for \S+; known: .*hrnet"):
        protocols.find(next(iter(models.entries())), "hrnt")


def test_mpii_answers_for_lsp_with_its_upper_neck() -> None:
    found = protocols.answering(MPII_JOINTS, LSP_JOINTS)
    assert [MPII_JOINTS[joint] for joint in found] == [name.replace("neck", "upper_neck") for name in LSP_JOINTS]
    reordered = tuple(reversed(MPII_JOINTS))
    assert [reordered[joint] for joint in protocols.answering(reordered, MPII_JOINTS)] == list(MPII_JOINTS)


def test_coco_has_no_head_top_to_answer_with() -> None:
    with pytest.raises(InputError, match="the network has no joint"):
        protocols.answering(COCO_JOINTS, LSP_JOINTS)


def test_listing_protocols_needs_no_torch() -> None:
    code = "import sys; from benchmark import models, protocols; [protocols.known(m) for m in models.entries()]"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'torch' not in sys.modules"], check=True)
