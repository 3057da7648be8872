"""One network has one id, however its switches are typed."""

from __future__ import annotations

import pytest

from benchmark.core.errors import InputError
from benchmark.models.registry import entries, find_entry, single_switch_variants

TWO_SWITCHES = "efficientpose_nas/A+sic=off+tconv=mbv2"


def test_switches_in_any_order_name_one_network() -> None:
    typed = find_entry("efficientpose_nas/A+tconv=mbv2+sic=off")
    assert typed.id == find_entry(TWO_SWITCHES).id == TWO_SWITCHES
    assert typed.kwargs == find_entry(TWO_SWITCHES).kwargs


def test_a_switch_set_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"efficientpose_nas/A\+sic=off\+sic=on sets the switch sic twice"):
        find_entry("efficientpose_nas/A+sic=off+sic=on")


def test_variants_come_under_their_ids() -> None:
    for model in [*entries(), TWO_SWITCHES]:
        for variant in single_switch_variants(model):
            assert find_entry(variant).id == variant
