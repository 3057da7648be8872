"""Metric names with a threshold do not become e-mail links on any page, and links on the pages lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from benchmark.report.build import README, REPORTS
from benchmark.report.markdown import heading_anchor, without_address_links

ROOT = REPORTS.parent
# What GitHub's specification of autolinks and Gitea's take for an address; and a name of a user.
ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^{|}~-]+@[\w-]+(\.[\w-]+)+|(?<!\w)@\w")
HAND_WRITTEN = [
    path
    for path in sorted(ROOT.rglob("*.md"))
    if not {".venv", "reports", "out", "node_modules"} & set(path.relative_to(ROOT).parts)
    and not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
]


def addresses_in_text(page: str) -> list[str]:
    """Return the addresses in running text, which is where hosts make links of them: not in code, HTML, or links."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(page):
        depth = 0
        for child in token.children or ():
            depth += {"link_open": 1, "link_close": -1}.get(child.type, 0)
            if child.type == "text" and depth == 0:
                found += [match[0] for match in ADDRESS.finditer(child.content)]
    return found


def test_no_page_of_the_report_has_a_metric_that_looks_like_an_address(built_report) -> None:
    found = {name: addresses for name, page in built_report.pages.items() if (addresses := addresses_in_text(page))}
    assert found == {}
    with_metrics = {name for name, page in built_report.pages.items() if re.search(r"`pckh?@0\.\d", page, re.IGNORECASE)}
    assert {"README.md", README, "decoding.md", "ablations.md"} <= with_metrics  # so the lines above saw some


@pytest.mark.parametrize("path", HAND_WRITTEN, ids=lambda path: path.name)
def test_no_hand_written_page_has_one(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert addresses_in_text(text) == []
    assert without_address_links(text) == text


def test_hand_written_pages_are_found() -> None:
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"} <= {path.name for path in HAND_WRITTEN}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("PCKh@0.5.", "`PCKh@0.5`."),
        ("PCKh@0.5 and @0.1, mean@0.1", "`PCKh@0.5` and `@0.1`, `mean@0.1`"),
        ("**PCKh@0.5** *pck@0.2 (longer torso)*", "**`PCKh@0.5`** *`pck@0.2` (longer torso)*"),
        ("## PCKh@0.5 of all", "## `PCKh@0.5` of all"),
        ("| a | PCKh@0.5<br>*hrnet* |", "| a | `PCKh@0.5`<br>*hrnet* |"),
        ("[PCKh@0.5](a@0.5.md#b)", "[`PCKh@0.5`](a@0.5.md#b)"),
        ("<details><summary>PCKh@0.5</summary>\n\nPCKh@0.5\n\n</details>", None),
        ("me@example.org", "`me@example.org`"),
    ],
)
def test_a_metric_in_text_becomes_code(written: str, expected: str | None) -> None:
    expected = expected or "<details><summary>PCKh@0.5</summary>\n\n`PCKh@0.5`\n\n</details>"
    assert addresses_in_text(written) or "](" in written
    assert without_address_links(written) == expected
    assert without_address_links(expected) == expected
    assert addresses_in_text(expected) == []


@pytest.mark.parametrize(
    "text",
    [
        "`PCKh@0.5` and ``a `PCKh@0.5` b``",
        "```csv\nmodel,PCKh@0.5\n```",
        "~~~\nPCKh@0.5\n~~~",
        '<a id="pck@0.2"></a>',
        "![PCKh@0.5 against GFLOPs](figures/a@0.5.svg)",
        "https://example.org/a@0.5",
        "<https://example.org/a@0.5>",
        "PCKh@50, 5 @ 0.5, a@b",
    ],
)
def test_what_is_no_running_text_stays(text: str) -> None:
    assert without_address_links(text) == text


def test_tables_as_csv_stay_as_they_are(built_report) -> None:
    assert b"`pck@" not in built_report.files["verdicts.csv"]
    assert b"pckh@0.5 (hrnet)" in built_report.files["verdicts.csv"]


# --- links -------------------------------------------------------------------------------------------------------------------


def anchors(page: str) -> set[str]:
    """Return the anchors of a page: those of its headings as code hosts make them, and explicit ones."""
    headings = re.findall(r"^#{1,6} (.+)$", page, re.MULTILINE)
    return {heading_anchor(heading) for heading in headings} | set(re.findall(r'<a id="([^"]+)"', page))


def test_every_link_between_pages_leads_to_a_page_and_an_anchor(built_report) -> None:
    files = {(REPORTS / name).resolve() for name in built_report.files}
    anchors_of = {(REPORTS / name).resolve(): anchors(page) for name, page in built_report.pages.items()}
    broken = []
    for name, page in built_report.pages.items():
        for target in set(re.findall(r"\]\(([^()\s]+)\)", page)):
            file, _, anchor = target.partition("#")
            path = ((REPORTS / name).parent / file if file else REPORTS / name).resolve()
            leads_nowhere = path not in files and not path.exists()
            if not target.startswith("http") and (leads_nowhere or (anchor and anchor not in anchors_of.get(path, {anchor}))):
                broken.append(f"{name}: {target}")
    assert broken == []
