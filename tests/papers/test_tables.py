"""Test that a paper's folder is loaded completely, or refused with one line that names file, row and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.core.errors import InputError
from benchmark.papers.expressions import evaluate_expression
from benchmark.papers.tables import Number, Paper, Released, Source, Table, load_paper, load_papers, parse_number

PAPER = """\
schema = 1
id = "tiny"
title = "A tiny paper"
short = "Tiny"
authors = "A. Author"
year = 2020
reference = "arXiv"
text = "tiny.txt"
order = 1
[tables.table1]
title = "Two networks"
where = "Table 1"
dataset = "mpii"
split = "val"
input = "256x256"
[tables.table1.columns]
method = { header = "Method", metric = "text" }
params = { header = "Params", metric = "params", unit = "M", convention = "trainable" }
saving = { header = "Saving", metric = "ratio", unit = "×", expression = "table1[large, params] / table1[row, params]" }
[tables.table1.rows]
small = { model = "tiny/small" }
large = { none = "never published" }
"""
TABLE = "row_id,method,params,saving\nsmall,Ours,1.30M,2.0×\nlarge,Theirs,2.60M,\n"
CLAIMS = """\
[[claims]]
id = "half"
where = "Sec. 1"
description = "Half the parameters"
printed = "50"
unit = "%"
expression = "100 * table1[small, params] / table1[large, params]"
"""
EACH = [pytest.param(paper, id=paper.id) for paper in load_papers().values()]
EVERY = [pytest.param(p, t, id=f"{p.id}/{t.id}") for p in load_papers().values() for t in p.tables.values()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a paper's folder that loads."""
    path = tmp_path / "tiny"
    path.mkdir()
    (path / "paper.toml").write_text(PAPER, encoding="utf-8")
    (path / "table1.csv").write_text(TABLE, encoding="utf-8")
    (path / "claims.toml").write_text(CLAIMS, encoding="utf-8")
    return path


def test_a_whole_folder_is_read_as_printed(folder: Path) -> None:
    paper = load_paper(folder)
    cells = list(paper.tables["table1"].cells())
    assert [(cell.row.id, cell.column.name, cell.printed) for cell in cells] == [
        ("small", "params", "1.30M"),
        ("small", "saving", "2.0×"),
        ("large", "params", "2.60M"),
    ]
    assert cells[0].number == Number(1.3, 2, "M")
    assert (cells[0].dataset, cells[0].input, cells[0].name) == ("mpii", "256x256", "tiny/table1[small, params]")
    assert paper.claims[0].printed == "50"


def test_a_row_knows_the_source_of_its_numbers(folder: Path) -> None:
    text = PAPER.replace("order = 1", 'order = 1\n[sources.them]\nreference = "their code"\ninput = "64x64"')
    (folder / "paper.toml").write_text(text.replace('none = "never published"', 'model = "tiny/large", source = "them"'))
    rows = load_paper(folder).tables["table1"].rows
    assert rows["large"].source == Source(id="them", reference="their code", input="64x64")
    assert rows["small"].source is None


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "table1.csv",
            "row_id,method,params",
            "row_id,params,method",
            r"table1.csv:1: the header must be row_id,method,params",
        ),
        ("table1.csv", "large,Theirs", "small,Theirs", r"table1.csv:3: row 'small' is repeated"),
        ("table1.csv", "large,Theirs", "huge,Theirs", r"table1.csv:3: row 'huge' is not in paper.toml"),
        ("table1.csv", "large,Theirs,2.60M,\n", "", r"table1.csv: rows missing or out of order: large"),
        ("table1.csv", "2.60M,\n", "2.60M\n", r"table1.csv:3: 3 fields, 4 expected"),
        ("table1.csv", "1.30M", "1,30M", r"table1.csv:2: 5 fields, 4 expected"),
        ("table1.csv", "1.30M", "about 1.3", r"table1.csv:2, row small, column params: 'about 1.3' is not a printed number"),
        ("table1.csv", "1.30M", "1.30T", r"table1.csv:2, row small, column params: '1.30T' is not a printed number"),
        (
            "paper.toml",
            'model = "tiny/small"',
            'model = "tiny/small", none = "x"',
            r"table1, row small: give either model or none",
        ),
        ("paper.toml", 'model = "tiny/small"', 'input = "64x64"', r"table1, row small: give either model or none"),
        ("paper.toml", 'metric = "params"', 'metric = "weight"', r"table1, column params: unknown metric 'weight'"),
        ("paper.toml", "none =", "None =", r"table table1, row large: unknown field 'None'"),
        (
            "paper.toml",
            "params = {",
            "Params = {",
            r"table table1, column Params: name: String should match pattern .*, not 'Params'",
        ),
        ("paper.toml", 'where = "Table 1"\n', "", r"table table1: field 'where' is missing"),
        ("paper.toml", 'id = "tiny"', 'id = "huge"', r"paper.toml: id 'huge' is not the name of the folder"),
        ("paper.toml", "schema = 1", "schema = 2", r"paper.toml: schema must be 1, not 2"),
        ("paper.toml", "year = 2020", "year =", r"paper.toml: Invalid value"),
        ("claims.toml", 'printed = "50"', 'printed = "half"', r"claims.toml: claim half: 'half' is not a printed number"),
        ("claims.toml", CLAIMS, CLAIMS + CLAIMS, r"claims.toml: duplicate claim 'half'"),
        ("claims.toml", "description =", "descriptions =", r"claims.toml: claim half: field 'description' is missing"),
        ("claims.toml", "unit =", "units =", r"claims.toml: claim half: unknown field 'units'"),
        ("claims.toml", "[[claims]]", "[[claim]]", r"claims.toml: unknown field 'claim'"),
        ("claims.toml", "[[claims]]", "[claims]", r"claims.toml: claims: Input should be a valid list"),
        ("paper.toml", "year = 2020", "year = '2020'", r"paper.toml: year: Input should be a valid integer, not '2020'"),
        ("paper.toml", "schema = 1", "schema = true", r"paper.toml: schema must be 1, not True"),
        ("paper.toml", "schema = 1", "", r"paper.toml: schema must be 1, not None"),
        ("paper.toml", "order = 1\n", "", r"paper.toml: field 'order' is missing"),
        ("paper.toml", 'input = "256x256"', "pseudo = 1", r"table table1: pseudo: Input should be a valid boolean, not 1"),
        ("paper.toml", 'input = "256x256"', 'input = "256"', r"table table1: input: String should match pattern .*, not '256'"),
        ("paper.toml", 'input = "256x256"', 'printed = ""', r"table table1: unknown field 'printed'"),
        ("paper.toml", "[tables.table1.rows]", "[tables.table1.row]", r"table table1: rows: Input should be a valid dict"),
        ("paper.toml", 'unit = "M"', "threshold = true", r"table1, column params: threshold: Input should be a valid number"),
        ("paper.toml", 'unit = "M"', 'name = "x"', r"table table1, column params: unknown field 'name'"),
        ("paper.toml", 'model = "tiny/small"', "model = 3", r"table1, row small: model: Input should be a valid string, not 3"),
        (
            "paper.toml",
            'model = "tiny/small"',
            'model = "tiny/small", source = "them"',
            r"table1, row small: unknown source 'them'; known: none",
        ),
        ("paper.toml", "order = 1", "order = 1\n[sources.them]", r"paper.toml: source them: field 'reference' is missing"),
        (
            "paper.toml",
            "order = 1",
            'order = 1\n[sources.them]\nreference = "x"\nsize = 1',
            r"paper.toml: source them: unknown field 'size'",
        ),
        (
            "paper.toml",
            "order = 1",
            'order = 1\n[sources.them]\nreference = "x"\ndecimals = 0',
            r"paper.toml: source them: decimals are read off the printed numbers: say so in fitted",
        ),
        (
            "paper.toml",
            'model = "tiny/small"',
            'model = "tiny/small", allows = { params = "x" }',
            r"table table1, row small: allows names 'params', which prints no structure or setting",
        ),
        (
            "paper.toml",
            'model = "tiny/small"',
            'model = "tiny/small", allows = { depth = "x" }',
            r"table table1, row small: allows names 'depth', which prints no structure or setting",
        ),
        (
            "paper.toml",
            'model = "tiny/small"',
            'model = "tiny/small", repeats = { params = "table1[small, none]" }',
            r"table table1, row small: no printed value at 'params' or at table1\[small, none\]",
        ),
        (
            "paper.toml",
            'model = "tiny/small"',
            'model = "tiny/small", form = "outputs=all"',
            r"row small: unknown form 'outputs=all'; known: none",
        ),
        (
            "claims.toml",
            "unit =",
            'cell = "table1[small, none]"\nunit =',
            r"claim half: no printed value at table1\[small, none\]",
        ),
        ("paper.toml", "order = 1", "order = 1\n[conventions.trainable]", r"conventions.trainable: field 'reason' is missing"),
    ],
)
def test_a_malformed_file_is_refused_in_one_line(folder: Path, file: str, old: str, new: str, message: str) -> None:
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=message) as refusal:
        load_paper(folder)
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).startswith(str(folder / file))


def test_a_missing_table_is_refused(folder: Path) -> None:
    (folder / "table1.csv").unlink()
    with pytest.raises(InputError, match=r"table1\.csv: missing"):
        load_paper(folder)


@pytest.mark.parametrize(
    ("printed", "number"),
    [
        ("34.0M", Number(34.0, 1, "M")),
        ("88.100", Number(88.1, 3)),
        ("56×", Number(56.0, 0, "×")),
        ("160.36G", Number(160.36, 2, "G")),
        ("58%", Number(58.0, 0, "%")),
        ("-0.25", Number(-0.25, 2)),
        ("−0.25", Number(-0.25, 2)),
    ],
)
def test_a_printed_number_keeps_its_decimals(printed: str, number: Number) -> None:
    assert parse_number(printed) == number


@pytest.mark.parametrize("printed", ["", "-", "1e3", ".5", "5.", "1.2.3", "86.63↑0.29", "3×3", "nan"])
def test_what_is_no_number_is_refused(printed: str) -> None:
    with pytest.raises(InputError, match="is not a printed number"):
        parse_number(printed)


def test_papers_stand_in_their_order_and_nowhere_twice() -> None:
    orders = [paper.order for paper in load_papers().values()]
    assert orders == sorted(set(orders))


@pytest.mark.parametrize(("paper", "table"), EVERY)
def test_restored_cells_exist(paper: Paper, table: Table) -> None:
    restored = {(row.id, column) for row in table.rows.values() for column in row.restored}
    assert restored <= set(table.printed)


@pytest.mark.parametrize(("paper", "table"), EVERY)
def test_cost_and_accuracy_name_how_they_are_counted(paper: Paper, table: Table) -> None:
    for column in table.columns.values():
        if column.metric in ("params", "flops", "pckh"):
            assert column.convention, f"{column.name} has no convention"
        assert column.metric != "pckh" or column.threshold in (0.1, 0.5)
        if column.kind in ("cost", "accuracy"):
            unsized = [row.id for row in table.rows.values() if row.model and not (row.input or table.input)]
            assert not unsized, f"no input size for {', '.join(unsized)}"


@pytest.mark.parametrize(("paper", "table"), EVERY)
def test_derived_columns_follow_from_other_cells(paper: Paper, table: Table) -> None:
    for cell in table.cells():
        if cell.column.expression:
            result = evaluate_expression(cell.column.expression, paper, load_papers(), row=cell.row.id)
            assert isinstance(result.value, float)
            assert result.cells


@pytest.mark.parametrize("paper", EACH)
def test_claims_can_be_worked_out_from_printed_cells(paper: Paper) -> None:
    for claim in paper.claims:
        result = evaluate_expression(claim.expression, paper, load_papers())
        assert result.cells, f"{claim.id} reads no cell"
        assert isinstance(result.value, bool) == (claim.printed == "true"), f"{claim.id} compares, or does not"


def test_the_authors_released_settings_are_read_and_must_belong_to_a_printed_setting(folder: Path) -> None:
    text = (folder / "paper.toml").read_text(encoding="utf-8")
    (folder / "paper.toml").write_text(
        text.replace("[tables.table1.rows]", 'epochs = { header = "Epochs", metric = "setting" }\n[tables.table1.rows]')
    )
    lines = (folder / "table1.csv").read_text(encoding="utf-8").splitlines()
    (folder / "table1.csv").write_text("\n".join([lines[0] + ",epochs", *(f"{line},210" for line in lines[1:])]) + "\n")
    row = lines[1].split(",")[0]
    where = 'repository = "them at 1234567"\n'
    setting = f'[table1.{row}]\nepochs = {{ value = "140", source = "train.yaml" }}\n'
    (folder / "release.toml").write_text(where + setting)
    released = Released(value="140", source="train.yaml", repository="them at 1234567")
    assert load_paper(folder).tables["table1"].released == {(row, "epochs"): released}
    for text, message in (
        (f'{where}[table1.{row}]\nparams = {{ value = "1", source = "x" }}\n', "table1 prints no setting at"),
        (where + '[table9.x]\nepochs = { value = "1", source = "x" }\n', "table 'table9' is not in paper.toml"),
        (f"{where}[table1.{row}]\nepochs = {{ value = 140 }}\n", rf"release.toml: table1\[{row}, epochs\]"),
        (setting, rf"release.toml: table1\[{row}, epochs\]: repository"),
    ):
        (folder / "release.toml").write_text(text)
        with pytest.raises(InputError, match=message):
            load_paper(folder)
