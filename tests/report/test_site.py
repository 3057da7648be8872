"""Test that the site opens from disk without a network, that its links resolve, and that no name becomes markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from benchmark.core.errors import InputError
from benchmark.papers.tables import Table
from benchmark.report.__main__ import main
from benchmark.report.build import gather_evidence
from benchmark.report.site import build as site
from benchmark.report.site.markdown import page_address, render_page

HOSTILE = """<img src=x onerror=alert(1)>"'</script>\n<script>alert(2)</script>"""
HEAVIEST = 1_500_000  # bytes of a page with its style and script


@pytest.fixture(scope="module")
def files(built_report) -> Iterator[dict[str, bytes]]:
    """Yield the files of the site; its figures are those of the report, which are not drawn again in this module."""
    figures = {name.removeprefix("figures/"): content for name, content in built_report.files.items() if "figures/" in name}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "report_figures", lambda evidence: figures)
        yield site.build_site()


class Elements(HTMLParser):
    """The elements of a page with their attributes, and those that are left open."""

    VOID = ("meta", "link", "input", "br", "img", "hr")

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def attributes(self, *names: str) -> list[str]:
        return [values[name] for _, values in self.found for name in names if name in values]


def pages(files: dict[str, bytes]) -> dict[str, Elements]:
    return {name: Elements(content) for name, content in files.items() if name.endswith(".html")}


def test_every_element_is_closed_and_every_id_is_unique(files: dict[str, bytes]) -> None:
    for name, page in pages(files).items():
        assert not page.open, name
        ids = page.attributes("id")
        assert len(ids) == len(set(ids)), name


def test_every_link_leads_somewhere_on_the_site(files: dict[str, bytes]) -> None:
    found = pages(files)
    ids = {name: set(page.attributes("id")) for name, page in found.items()}
    for name, page in found.items():
        for link in page.attributes("href", "src", "data", "data-figure", "action"):
            if link.startswith(("https://", "data:")):
                continue
            address, _, anchor = unquote(link).partition("#")
            address = address.partition("?")[0]
            assert not address or address in files, f"{name}: {link}"
            if anchor:
                target = address or name
                assert anchor in ids[target], f"{name}: {link}"


def test_every_part_that_a_figure_refers_to_is_its_own(files: dict[str, bytes]) -> None:
    for name, page in pages(files).items():
        ids = set(page.attributes("id"))
        references = re.findall(r'(?:xlink:href="|url\()#([^")]+)', files[name].decode())
        assert set(references) <= ids, name
        figures = [v for v in page.attributes("id") if v.startswith("figure-")]
        assert bool(figures) == bool(references), name


def test_no_page_is_heavy(files: dict[str, bytes]) -> None:
    shared = sum(len(content) for name, content in files.items() if name.endswith((".css", ".js")))
    assert max(len(content) + shared for name, content in files.items() if name.endswith(".html")) < HEAVIEST


def test_the_site_is_the_same_each_time(files: dict[str, bytes]) -> None:
    assert site.build_site() == files


def test_nothing_is_loaded_from_elsewhere(files: dict[str, bytes]) -> None:
    for name, page in pages(files).items():
        loaded = [
            v for tag, values in page.found if tag != "a" for k, v in values.items() if k in ("src", "href", "data", "action")
        ]
        assert not [address for address in loaded if ":" in address.replace("data:,", "")], name
    for name, content in files.items():
        if name.endswith((".css", ".js")):
            assert b"//" not in re.sub(rb"^ *//.*| // .*", b"", content, flags=re.MULTILINE), name


def test_every_verdict_stands_on_the_page_of_all_values_and_opens_on_its_papers(files: dict[str, bytes]) -> None:
    verdicts = gather_evidence().verdicts
    for verdict in verdicts:
        anchor = site.verdict_anchor(verdict)
        assert f'"{verdict.paper}.html#{anchor}"'.encode() in files["values.html"]
        page = files[f"{verdict.paper}.html"]
        assert f'"{anchor}":'.encode() in page
        assert f'id="{anchor}"'.encode() in page


HOSTILE_LINE = HOSTILE.replace("\n", " ")
HOSTILE_PAGE = f"""\
# {HOSTILE_LINE}

## {HOSTILE_LINE}

| {HOSTILE_LINE} |
|---|
| {HOSTILE_LINE} |

![{HOSTILE_LINE}](figures/drawn.svg)

{HOSTILE}

"""


def name_hostilely(table: Table) -> Table:
    """Return the table with hostile words wherever its file has words."""
    columns = {name: replace(column, header=HOSTILE, convention=HOSTILE) for name, column in table.columns.items()}
    printed = {place: text if table.columns[place[1]].kind else HOSTILE for place, text in table.printed.items()}
    return replace(table, where=HOSTILE, title=HOSTILE, columns=columns, printed=printed)


def test_names_from_files_never_become_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = gather_evidence()
    records = {
        i: replace(r, command=HOSTILE, commit=HOSTILE, environment={HOSTILE: HOSTILE}) for i, r in evidence.records.items()
    }
    papers = {
        paper.id: replace(
            paper,
            short=HOSTILE,
            title=HOSTILE,
            claims=[replace(claim, description=HOSTILE, where=HOSTILE) for claim in paper.claims],
            tables={t.id: name_hostilely(t) for t in paper.tables.values()},
        )
        for paper in evidence.papers.values()
    }
    verdicts = [replace(v, printed=HOSTILE, ours=HOSTILE, cause=HOSTILE, internal_cause=HOSTILE) for v in evidence.verdicts]
    names = {f"{paper.id}.md": list(paper.tables) for paper in papers.values()} | {"README.md": []}
    monkeypatch.setattr(site, "gather_evidence", lambda: replace(evidence, papers=papers, records=records, verdicts=verdicts))
    monkeypatch.setattr(site, "find_all", lambda _: [])
    monkeypatch.setattr(site, "report_figures", lambda _: {"drawn.svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>'})
    monkeypatch.setattr(
        site,
        "report_pages",
        lambda *_: {name: HOSTILE_PAGE + "".join(f"<!-- table: {t} -->\n\n" for t in tables) for name, tables in names.items()},
    )
    found = pages(site.build_site())
    assert len(found) == len(papers) + 2
    for name, page in found.items():
        assert not page.open, name
        scripts = [values for tag, values in page.found if tag == "script"]
        assert [s.get("src", s.get("type")) for s in scripts] in (
            ["theme.js", "site.js", "application/json"],
            ["theme.js", "site.js"],
        ), name
        assert not [tag for tag, values in page.found if tag == "img" or any(key.startswith("on") for key in values)], name


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("a <b>bold</b> word", "<p>a &lt;b&gt;bold&lt;/b&gt; word</p>"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("two<br>lines", "<p>two<br>lines</p>"),
        ('<a id="r-12"></a>named', '<p><a id="r-12"></a>named</p>'),
        ('<a id="x" onclick="y">', html.escape('<a id="x" onclick="y">')),
        (
            "<details><summary>More `x`</summary>\n\ntext\n\n</details>",
            "<details><summary>More <code>x</code></summary><p>text</p>\n</details>",
        ),
        ("<!-- a comment -->", ""),
        ("[name](javascript:alert(1))", "<p>[name](javascript:alert(1))</p>"),
    ],
)
def test_of_markup_only_what_the_report_writes_is_let_through(text: str, markup: str) -> None:
    assert render_page(text, {}, {}).lead.strip() == markup


def test_headings_have_the_anchors_that_the_pages_link() -> None:
    page = render_page("# Table 1: the rows\n\n## One `x`\n\n## One x\n", {}, {})
    assert page.title == "Table 1: the rows"
    assert [heading.id for heading in page.headings] == ["table-1-the-rows", "one-x", "one-x-1"]


def test_links_between_pages_are_followed_on_the_site() -> None:
    assert page_address("models.md#a") == "models.html#a"
    assert page_address("README.md") == "index.html"
    assert page_address("https://example.org/x.md") == "https://example.org/x.md"
    assert page_address("#here") == "#here"


def test_the_command_writes_the_site_and_refuses_what_it_cannot_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmark.report.site.build.build_site", lambda: {"index.html": b"page"})
    main(html=True, out=tmp_path / "site")
    assert (tmp_path / "site" / "index.html").read_bytes() == b"page"
    assert capsys.readouterr().out == f"wrote 1 files to {tmp_path / 'site'}: open {tmp_path / 'site' / 'index.html'}\n"
    with pytest.raises(InputError, match="--html writes the whole site: leave out --paper and --check"):
        main(html=True, check=True)
