"""Architecture files are read, checked and written, and errors name the file, the key and the line."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import pytest

from benchmark.core.errors import InputError
from reproductions.autopose.architectures import (
    EXAMPLE,
    OPERATIONS,
    SCALES,
    format_architecture,
    parse_architecture,
    read_architecture,
    with_branches,
)

TEXT = format_architecture(read_architecture(EXAMPLE))


def test_reading_an_architecture_does_not_import_torch():
    code = (
        "import sys, reproductions.autopose; from reproductions.autopose import architectures as a; "
        "a.read_architecture(a.EXAMPLE)"
    )
    subprocess.run([sys.executable, "-c", code + "; assert 'torch' not in sys.modules"], check=True)


def test_the_example_calls_itself_a_reconstruction():
    example = read_architecture(EXAMPLE)
    assert example.evidence == "reconstruction"
    assert "not published" in example.note
    assert "NOT the published architecture" in EXAMPLE.read_text(encoding="utf-8")


def test_the_example_runs_coarse_branches_early_the_finest_late_and_each_equally_often():
    stages = read_architecture(EXAMPLE).stages
    assert len({sum(stage[branch] for stage in stages) for branch in range(4)}) == 1
    assert [stage[0] for stage in stages] == sorted(stage[0] for stage in stages)
    assert [stage[3] for stage in stages] == sorted((stage[3] for stage in stages), reverse=True)
    assert sum(stages[0]) == max(map(sum, stages))


def test_the_example_uses_every_operation_and_at_most_two_inputs_a_node():
    example = read_architecture(EXAMPLE)
    assert {op for node in (*example.individual, *example.aggregation) for op in node.values()} == set(OPERATIONS)
    assert max(map(len, example.individual)) == 2


def test_what_is_written_is_read_back(tmp_path):
    architecture = replace(
        read_architecture(EXAMPLE),
        name="a-1",
        evidence="searched",
        note='"quoted" \\ back-slashed, 姿勢 🙂',
        aggregation=({scale: "skip" for scale in SCALES}, {scale: "conv_1x1" for scale in SCALES} | {"node1": "conv_5x5"}),
    )
    (tmp_path / "a.toml").write_text(format_architecture(architecture), encoding="utf-8")
    assert read_architecture(tmp_path / "a.toml") == architecture


def test_an_invalid_architecture_is_not_written():
    with pytest.raises(InputError, match=r"stages\[1\]"):
        format_architecture(replace(read_architecture(EXAMPLE), stages=((0, 0, 0, 1), (0, 1), (1, 1, 1, 1))))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema = 1", "schema = 2", r"a\.toml: schema: must be 1"),
        ("schema = 1", "schema = ", r"a\.toml: .*line 1"),
        ('name = "example"', 'name = ""', r"a\.toml: name: "),
        ('name = "example"', 'name = "example"\nname = "b"', r"a\.toml: .*line 3"),
        ("reconstruction", "published", r"a\.toml: evidence: .*'searched', not 'published'"),
        ("channels", "chanels", r"a\.toml: top level: 'chanels' is not a known key"),
        ("[32, 64, 128, 256]", "[32, 64, 128]", r"a\.toml: channels: "),
        ("[32, 64, 128, 256]", "[32, 64, 128, -1]", r"a\.toml: channels\[3\]: .*equal to 4, not -1"),
        ("[0, 1, 1, 1]", "[0, 1, 1, 2]", r"a\.toml: stages\[0\]\[3\]: .*0 or 1, not 2"),
        ("[0, 1, 1, 1]", "[0, 1, 1, true]", r"a\.toml: stages\[0\]\[3\]: must be a whole number, not True"),
        ("[0, 1, 1, 1]", "[0, 1, 1]", r"a\.toml: stages\[0\]: "),
        ("  [1, 1, 0, 0],\n", "", r"a\.toml: stages: "),
        (
            '{ input = "conv_3x3" }',
            '{ input = "conv_7x7" }',
            r"a\.toml: individual\[0\]\.input: .*'skip', not 'conv_7x7'",
        ),
        ('{ input = "conv_3x3" }', "{ }", r"a\.toml: individual\[0\]: "),
        ('{ input = "conv_3x3" }', '{ "1/4" = "conv_3x3" }', r"a\.toml: individual\[0\]: .*1/4"),
        ('{ input = "conv_3x3" }', '{ node1 = "skip" }', r"a\.toml: individual\[0\]: node1 cannot take node1"),
        ("node2 = ", "node4 = ", r"a\.toml: individual\[2\]: node3 cannot take node4"),
        ('"1/32" = "conv_1x1"', '"1/64" = "conv_1x1"', r"a\.toml: aggregation\[0\]: "),
        (', "1/32" = "conv_1x1"', "", r"a\.toml: aggregation\[0\]: '1/32' is missing"),
    ],
)
def test_a_mistake_is_refused_with_its_file_its_key_and_its_line(tmp_path, old, new, message):
    assert old in TEXT
    (tmp_path / "a.toml").write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        read_architecture(tmp_path / "a.toml")
    assert "\n" not in str(caught.value)
    if old == "channels":
        return  # a key that is missing has no line
    line = TEXT[: TEXT.index("stages = " if old.endswith("\n") else old)].count("\n") + 1 + new.count("\n")
    assert f"at line {line}" in str(caught.value)


@pytest.mark.parametrize(("key", "line"), [("stages", " (at line 2)"), ('"stages"', "")])
def test_lists_may_be_written_in_other_ways(key, line):
    stages = "stages = [\n" + TEXT.split("stages = [\n")[1].split("\n]")[0] + "\n]"
    with pytest.raises(InputError, match=r"stages\[2\]: needs at least 4 entries, not \[1\]" + re.escape(line) + "$"):
        parse_architecture(
            f"schema = 1\n{key} = [[0, 1, 1, 1], [1, 1, 0, 0], [1]]\n" + TEXT.replace(stages, "").replace("schema = 1", "")
        )


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        read_architecture(tmp_path / "nowhere.toml")


def test_whole_numbers_written_with_a_point_are_whole():
    assert parse_architecture(TEXT.replace("[32, 64, 128, 256]", "[32.0, 64, 128, 256]")) == read_architecture(EXAMPLE)


def test_single_runs_at_most_one_branch_a_stage_and_all_runs_four():
    example = read_architecture(EXAMPLE)
    assert with_branches(example, "searched") == example
    assert [sum(stage) for stage in with_branches(example, "all").stages] == [4, 4, 4]
    assert with_branches(example, "single").stages == ((0, 1, 0, 0), (1, 0, 0, 0), (1, 0, 0, 0))
    off = replace(example, stages=((0, 0, 0, 0),) * 3)
    assert with_branches(off, "single") == off
    with pytest.raises(InputError, match="'none'"):
        with_branches(example, "none")


def test_the_schema_and_the_code_name_the_same_operations_and_scales():
    assert OPERATIONS == ("conv_1x1", "conv_3x3", "conv_5x5", "avg_pool_3x3", "max_pool_3x3", "skip")
    assert SCALES == ("1/4", "1/8", "1/16", "1/32")
    example = read_architecture(EXAMPLE)
    for operation in OPERATIONS:
        complete = replace(example, aggregation=(dict.fromkeys(SCALES, operation),))
        assert parse_architecture(format_architecture(complete)) == complete
    for scale in SCALES:
        with pytest.raises(InputError, match=f"'{scale}' is missing"):
            format_architecture(replace(example, aggregation=({other: "skip" for other in SCALES if other != scale},)))
