"""Test the site in a real browser, at the width of a desk and of a phone; ``make sitecheck`` installs what it needs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from benchmark.report.build import write_files
from benchmark.report.site.build import build_site

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
PAPER = "efficientpose_nas.html"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_files(build_site(), folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=SIZES)
def page(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Open a page of one of the two widths; an error on its console fails the test."""
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height})
    page, errors = context.new_page(), list[str]()
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda sent: errors.append(sent.url) if not sent.url.startswith(("file:", "data:")) else None)
    yield page
    context.close()
    assert not errors


def open_page(page: Any, site: Path, name: str, rest: str = "") -> None:
    page.goto((site / name).as_uri() + rest)


def test_no_page_is_wider_than_the_screen(site: Path, page: Any) -> None:
    for path in sorted(site.glob("*.html")):
        open_page(page, site, path.name)
        page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, path.name


def test_the_keyboard_reaches_everything_and_shows_where_it_is(site: Path, page: Any) -> None:
    open_page(page, site, PAPER)
    controls = page.evaluate(
        """() => {
            const shown = [...document.querySelectorAll("a[href], button, input, summary")].filter(e => e.checkVisibility());
            shown.forEach((element, number) => element.dataset.number = number);
            return shown.length;
        }"""
    )
    reached, unmarked = set[str](), set[str]()
    focused = """() => {
        const element = document.activeElement, marked = element.closest("label") ?? element;
        return [element.dataset.number ?? "", getComputedStyle(marked).outlineStyle, element.outerHTML.slice(0, 80)];
    }"""
    for _ in range(controls + 100):  # scrolling tables are reached, too
        page.keyboard.press("Tab")
        number, outline, element = page.evaluate(focused)
        reached.add(number)
        if outline == "none" and not element.startswith("<body"):
            unmarked.add(element)
    assert len(reached - {""}) == controls > 300
    assert not unmarked


def test_a_verdict_opens_and_closes_by_keyboard(site: Path, page: Any) -> None:
    open_page(page, site, PAPER)
    button, dialog = page.locator("#v-table2-efficientpose_a-params"), page.locator("#verdict")
    button.focus()
    page.keyboard.press("Enter")
    assert dialog.is_visible()
    text = dialog.inner_text()
    for shown in (
        "Table 2 · EfficientPose-A · Params",
        "python -m benchmark.measure cost efficientpose_nas/A",
        "reproduced: our measurement agrees",
        "author code",
        "environment",
        "commit",
    ):
        assert shown in text
    assert page.url.endswith("#v-table2-efficientpose_a-params")
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert button.evaluate("button => button === document.activeElement")
    assert "#" not in page.url


def test_a_verdict_shows_the_rivals_of_its_reason(site: Path, page: Any) -> None:
    open_page(page, site, PAPER)
    page.locator("#v-table2-efficientpose_c-gflops").click()
    assert "rivals: " in page.locator("#verdict").inner_text()
    page.locator("#verdict [aria-label=Close]").click()
    assert not page.locator("#verdict").is_visible()


def test_a_link_to_a_verdict_opens_it(site: Path, page: Any) -> None:
    open_page(page, site, PAPER, "#v-table2-efficientpose_a-params")
    assert page.locator("#verdict").is_visible()
    assert page.locator("#v-table2-efficientpose_a-params").is_visible()


def test_a_link_into_a_folded_part_opens_it(site: Path, page: Any) -> None:
    open_page(page, site, PAPER)
    record = page.locator("details [id^=r-], td [id^=r-]").first.get_attribute("id")
    open_page(page, site, PAPER, f"#{record}")
    assert page.locator(f"#{record}").evaluate("anchor => anchor.closest('tr').checkVisibility()")


def test_tables_are_sorted_by_value_in_both_directions(site: Path, page: Any) -> None:
    open_page(page, site, PAPER)
    button = page.locator("#t-table2 th button").nth(1)
    values = "table => [...table.tBodies[0].rows].map(row => row.cells[1].dataset.value).filter(Boolean).map(parseFloat)"
    button.press("Enter")
    ascending = page.locator("#t-table2").evaluate(values)
    assert len(ascending) > 10
    assert ascending == sorted(ascending)
    assert page.locator("#t-table2 th").nth(1).get_attribute("aria-sort") == "ascending"
    button.press("Enter")
    assert page.locator("#t-table2").evaluate(values) == ascending[::-1]
    assert page.locator("#t-table2 th").nth(1).get_attribute("aria-sort") == "descending"


def test_tables_are_filtered_by_verdict_and_kind(site: Path, page: Any) -> None:
    open_page(page, site, PAPER)
    rows, cells = page.locator(".printed tbody tr:visible"), page.locator("[data-group]:not(.dim):visible")
    before = rows.count()
    page.locator(".filter [value=differs]").press("Space")
    differing = cells.count()
    assert 0 < differing < before
    assert set(cells.evaluate_all("cells => cells.map(cell => cell.dataset.group)")) == {"differs"}
    page.locator(".filter [value=cost]").press("Space")
    assert 0 < cells.count() < differing
    assert set(cells.evaluate_all("cells => cells.map(cell => cell.dataset.kind)")) == {"cost"}
    assert page.locator(".filter output").inner_text().startswith(f"{cells.count()} values in ")
    assert not page.locator("#t-table1").is_visible()  # architecture alone
    page.get_by_role("button", name="Show all").press("Enter")
    page.wait_for_function("!document.querySelector('.dim')")
    assert rows.count() == before


def test_the_header_of_a_long_table_stays_in_view(site: Path, page: Any) -> None:
    open_page(page, site, "values.html")
    page.locator("#values tbody tr").last.evaluate("row => row.scrollIntoView({block: 'end'})")
    top = "element => element.getBoundingClientRect().top"
    header = page.locator("#values th").first.evaluate(top)
    assert 0 <= header < 844
    assert page.locator("#values").evaluate(top) < -1000


def test_all_values_are_searched_from_any_page(site: Path, page: Any) -> None:
    open_page(page, site, "index.html")
    page.keyboard.press("/")
    page.keyboard.type("hourglass accuracy")
    page.keyboard.press("Enter")
    page.wait_for_url("**/values.html?q=*")
    shown = page.locator("#values tbody tr:visible")
    assert 0 < shown.count() < 200
    assert all("hourglass" in text.lower() for text in shown.all_inner_texts())
    page.locator("[name=group]").select_option("undecided")
    assert page.locator("#count").inner_text().startswith(f"{shown.count()} of ")


@pytest.mark.parametrize("query", ["efficientpose_nas/A", "table2 hrnet_w32 gflops", "Ranking on equal terms"])
def test_ids_and_pages_are_found(site: Path, page: Any, query: str) -> None:
    open_page(page, site, "values.html", "?" + urlencode({"q": query}))
    assert page.locator("#values tbody tr:visible, #headings li:visible").count() > 0
    open_page(page, site, "values.html", "?q=zzzzzz")
    assert page.locator("#count").inner_text().startswith("0 of ")


def test_figures_show_their_values_and_are_enlarged(site: Path, page: Any) -> None:
    open_page(page, site, "models.html")
    tip, drawing = page.locator("#tip"), page.locator("#figure-mpii .drawing")
    drawing.scroll_into_view_if_needed()
    point = drawing.locator("use[data-tip*='HRNet-W32']").first
    point.hover(force=True)
    assert tip.inner_text() == "HRNet-W32\nas printed: 9.5 G\nPCKh@0.5, MPII validation: 90.3"
    page.mouse.move(0, 0)
    assert not tip.is_visible()
    drawing.focus()
    page.keyboard.press("ArrowRight")
    first = tip.inner_text()
    page.keyboard.press("ArrowRight")
    assert first.count("\n") == 2
    assert tip.inner_text() != first
    page.locator("#figure-mpii .enlarge").click()
    enlarged = page.locator("#figure .drawing")
    width = enlarged.bounding_box()["width"]
    page.get_by_role("button", name="Larger").press("Enter")
    assert enlarged.bounding_box()["width"] > width
    page.keyboard.press("Escape")
    assert not page.locator("#figure").is_visible()
    assert drawing.is_visible()


def test_the_colours_can_be_changed(site: Path, page: Any) -> None:
    open_page(page, site, "index.html")
    colour = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(colour)
    page.locator("#theme").press("Enter")
    assert page.evaluate(colour) != before
    assert page.locator("#theme").get_attribute("aria-pressed") == "true"


def test_a_page_is_printed_on_white_without_controls(site: Path, page: Any) -> None:
    page.emulate_media(color_scheme="dark", media="print")
    open_page(page, site, PAPER)
    assert not page.locator(".top, .menu, .filter").filter(visible=True).count()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.evaluate(
        "[...document.querySelectorAll('main .scroll')].some(box => getComputedStyle(box).overflowX != 'visible')"
    )


@pytest.mark.skipif("AXE" not in os.environ, reason="AXE does not name axe-core's axe.min.js")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(site: Path, page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    long = {"heatmap_weighting.html", "efficientpose.html", "values.html"}  # take minutes, and are made like others
    opened = [(path.name, "") for path in sorted(site.glob("*.html")) if path.name not in long]
    for name, rest in [*opened, ("values.html", "?q=hourglass"), (PAPER, "#v-table2-efficientpose_c-gflops")]:
        open_page(page, site, name, rest)
        page.add_script_tag(path=os.environ["AXE"])
        found = page.evaluate("axe.run({preload: false, runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice']})")
        assert not [f"{name}: {v['id']}: {v['nodes'][0]['html'][:200]}" for v in found["violations"]]
