"""Test the site in a real browser, at the width of a desk and of a phone; ``make sitecheck`` installs what it needs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, path.name


def test_a_verdict_opens_and_closes_by_keyboard(site: Path, page: Any) -> None:
    open_page(page, site, PAPER)
    button, dialog = page.locator("#v-table2-efficientpose_a-params"), page.locator("#verdict")
    button.focus()
    page.keyboard.press("Enter")
    assert dialog.is_visible()
    assert "python -m benchmark.measure cost efficientpose_nas/A" in dialog.inner_text()
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert button.evaluate("button => button === document.activeElement")


def test_a_link_to_a_verdict_opens_it(site: Path, page: Any) -> None:
    open_page(page, site, PAPER, "#v-table2-efficientpose_a-params")
    assert page.locator("#verdict").is_visible()


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


def test_tables_are_filtered_by_verdict(site: Path, page: Any) -> None:
    open_page(page, site, PAPER)
    rows = page.locator("#t-table2 tbody tr:visible")
    before = rows.count()
    box = page.locator(".filter[data-for=t-table2] input").first
    box.press("Space")
    assert 0 < rows.count() < before
    box.press("Space")
    assert rows.count() == before


def test_all_values_are_searched_from_any_page(site: Path, page: Any) -> None:
    open_page(page, site, "index.html")
    page.locator("#q").fill("hourglass accuracy")
    page.locator("#q").press("Enter")
    page.wait_for_url("**/values.html?q=*")
    shown = page.locator("#values tbody tr:visible")
    assert 0 < shown.count() < 200
    assert all("hourglass" in text.lower() for text in shown.all_inner_texts())
    page.locator("[name=group]").select_option("undecided")
    assert page.locator("#count").inner_text().startswith(f"{shown.count()} of ")


def test_figures_are_enlarged_and_show_their_values(site: Path, page: Any) -> None:
    open_page(page, site, "index.html")
    page.locator(".enlarge").first.click()
    assert page.locator("#figure object").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#figure").is_visible()
    assert b"<title>EfficientPose-NAS: cost: agrees" in (site / "figures" / "verdicts.svg").read_bytes()


def test_the_colours_can_be_changed(site: Path, page: Any) -> None:
    open_page(page, site, "index.html")
    colour = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(colour)
    page.locator("#theme").press("Enter")
    assert page.evaluate(colour) != before


@pytest.mark.skipif("AXE" not in os.environ, reason="AXE does not name axe-core's axe.min.js")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(site: Path, page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    for name in ("index.html", PAPER, "values.html", "ablations.html", "claims.html", "recipes.html", "search.html"):
        open_page(page, site, name)
        page.add_script_tag(path=os.environ["AXE"])
        found = page.evaluate("axe.run({preload: false, runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice']})")
        assert not [f"{name}: {v['id']}: {v['nodes'][0]['html'][:200]}" for v in found["violations"]]
