"""index.html in a real browser: alive, quiet, usable with a keyboard and on a phone, and deaf to hostile names."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import re
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from harness.contracts import ClaimRow, Failure, Origin, Results, StatedClaim, Verdict
from reports import plugins

if TYPE_CHECKING:
    from tests.reports.conftest import Bench, Searches

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

HOSTILE = "=1+1</script><script>hacked=1</script></title></style><img src=x onerror=hacked=2>\"'`\u2028${hacked=3}"
SVG = "{http://www.w3.org/2000/svg}"
SHARES = {("median-cut", 2): 0.4, ("median-cut", 4): 0.7, ("median-cut", 8): 0.85, ("original", None): 0.9}
SHARES |= {("colorcnn", level): 0.85 for level in (2, 4, 8)} | {("jpeg", 30): 0.6}
ROWS = len(SHARES) + 2
"""Of a task's table of cells."""


def whole_run(bench: Bench) -> Results:
    """Two classifiers, two seeds, four kinds of variant, failed and blocked cells."""
    flips = np.random.default_rng(0)
    cells = []
    for classifier, seed in itertools.product(("tinynet", "bignet"), (0, 1)):
        task = {"classifier": classifier, "seed": seed}
        for (variant, level), share in SHARES.items():
            frame = bench.frame((flips.random(120) < share).astype(int), colors=np.full(120, level or 999))
            frame["file_bytes"] = 60 + 30 * (level or 9)
            kind = {"level_kind": "quality"} if variant == "jpeg" else {}
            cells.append(bench.cell(frame, variant, level, **task, **kind))
        cells.append(bench.cell(None, "octree", 2, error="ValueError: no tree", **task))
        cells.append(bench.cell(None, "octree", 4, status="blocked", error="its job failed", **task))
    return bench.results(
        cells,
        failures=(Failure("apply octree", "ValueError: no tree", "Traceback", 4),),
        recipes=({"what": "quantizer", "name": "colorcnn", "params": {"width": 16}, "differs": ["Width 16."]},),
        environment={"python": "3.11"},
        claims=(StatedClaim("far", "Accuracies are met.", "Table 2", far_from_the_paper),),
    )


def hostile_run(bench: Bench, searches: type[Searches]) -> Results:
    """A hostile name wherever one can be given."""
    names = {"dataset": HOSTILE, "classifier": HOSTILE}
    frame = bench.frame([1, 0, 1]).assign(name=HOSTILE)
    cells = [
        bench.cell(frame, variant, level, params={HOSTILE: HOSTILE}, **names)
        for variant in (HOSTILE, "median-cut")
        for level in (2, 4)
    ]
    cells.append(bench.cell(None, "broken", 2, error=HOSTILE, **names))
    trials = [searches.trial(number, 0.1 * number, {HOSTILE: HOSTILE}, error=HOSTILE) for number in range(3)]
    space = {HOSTILE: {"choice": ["a", HOSTILE]}}
    search = searches.of(trials, dataset=HOSTILE, classifier=HOSTILE, variant=HOSTILE, space=space, start=space)
    return bench.results(
        cells,
        name=HOSTILE,
        classes={HOSTILE: (HOSTILE, "dog", "cow")},
        failures=(Failure(HOSTILE, HOSTILE, HOSTILE, 1),),
        recipes=({"what": HOSTILE, "name": HOSTILE, "params": {HOSTILE: HOSTILE}, "differs": [HOSTILE]},),
        environment={HOSTILE: HOSTILE},
        spec={"note": HOSTILE},
        searches=(search,),
    )


def far_from_the_paper(_: object) -> Verdict:
    """Says at length why it has no answer."""
    unsure = (np.nan, np.nan, np.nan)
    row = ClaimRow("toys x tinynet", "colorcnn", "not enough data", -0.1, "accuracy", *unsure, ("0" * 64,))
    return Verdict("not enough data", -0.1, rows=(row,), missing=("the recipe departs from the paper's " * 9,))


def claiming(p: float) -> Callable[[object], Verdict]:
    """A claim whose verdict has this p and says that it rests on a part of its own."""
    row = ClaimRow(f"part {p}", "colorcnn", "supported", 0.1, "accuracy", 0.05, 0.15, p, ("0" * 64,))
    return lambda _: Verdict("supported", 0.1, lo=0.05, hi=0.15, p=p, rows=(row,), missing=(f"only {p}",))


def written(results: Results, folder: Path) -> Path:
    plugins.Tables().write(results, folder)
    plugins.Gallery().write(results, folder)
    return plugins.Html().write(results, folder)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, benches: type[Bench]) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    return written(whole_run(benches(folder / "store")), folder / "report")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium, Debian's package, is not installed")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium)
        yield launched
        launched.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page. At the end, whatever was done: nothing was fetched, nothing complained of, no dialog came up."""
    heard: list[str] = []
    contexts = []

    def visit(path: Path, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)
        own = (path.as_uri(), "data:", "blob:")
        page.on("request", lambda request: request.url.startswith(own) or heard.append(request.url))
        page.on("console", lambda message: message.type in ("error", "warning") and heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("dialog", lambda dialog: heard.append(dialog.message))
        page.goto(path.as_uri())
        page.heard = heard
        return page

    yield visit
    for context in contexts:
        context.close()
    assert heard == []


def cells_of(page: Any) -> Any:
    """The first task's table of cells."""
    return page.locator("table.cells").first


def column(table: Any, number: int) -> list[str]:
    """What stands in a column of the rows that are shown, without what is small."""
    return table.locator("tbody tr").evaluate_all(
        """(rows, n) => rows.filter((row) => row.offsetParent).map((row) => {
          const cell = row.cells[n];
          return cell ? (cell.querySelector("b") ?? cell).innerText.trim() : "";
        })""",
        number,
    )


def saved(page: Any, control: Any) -> bytes:
    with page.expect_download() as download:
        control.click()
    return Path(download.value.path()).read_bytes()


def shown(page: Any, variant: str) -> int:
    """How many parts of figures, rows of tables and rows of pictures of a variant take any room on the page."""
    return page.locator("[data-variant]").evaluate_all(
        """(all, variant) => all.filter((one) => one.dataset.variant === variant && !one.closest(".legend, h4") &&
             one.getClientRects().length).length""",
        variant,
    )


def test_what_got_into_the_page_is_not_run(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report)
    ran, color = page.evaluate(
        """async () => {
          const refused = window.refused = new Set();
          document.addEventListener("securitypolicyviolation", (event) => refused.add(event.effectiveDirective));
          const script = document.createElement("script");
          script.textContent = "window.ran = 1";
          const style = document.createElement("style");
          style.textContent = "body { color: red }";
          document.head.append(script, style);
          document.body.insertAdjacentHTML("beforeend", "<b style='color: red' onclick='ran = 2'>x</b>");
          document.body.lastChild.click();
          document.body.insertAdjacentHTML("beforeend", "<img src='https://example.org/x.png'><base href='/'>");
          await fetch("https://example.org/").catch(() => 0);
          return [window.ran ?? 0, getComputedStyle(document.body).color];
        }"""
    )
    kinds = ["base-uri", "connect-src", "img-src", "script-src-attr", "script-src-elem", "style-src-attr"]
    kinds.append("style-src-elem")
    page.wait_for_function(f"window.refused.size === {len(kinds)}")
    assert sorted(page.evaluate("[...window.refused]")) == kinds
    assert ran == 0
    assert color != "rgb(255, 0, 0)"
    assert all("Content Security Policy" in said or "example.org" in said for said in page.heard)
    page.heard.clear()


def test_columns_are_sorted_and_what_is_missing_comes_last(opened: Callable[..., Any], report: Path) -> None:
    table = cells_of(opened(report))
    before = table.inner_text()
    button = table.get_by_role("button", name="accuracy")
    header = table.locator("th[aria-sort]")
    button.click()
    assert header.get_attribute("aria-sort") == "ascending"
    found = column(table, 2)
    assert len(found) == ROWS
    numbers = [float(text.split()[0]) for text in found[:-2]]
    assert numbers == sorted(numbers)
    assert all("no tree" in text or "its job failed" in text for text in found[-2:])
    assert all(column(table, 0)), "each row says whose it is"
    button.press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    assert [float(text.split()[0]) for text in column(table, 2)[:-2]] == sorted(numbers, reverse=True)
    assert "no tree" in " ".join(column(table, 2)[-2:])
    button.press("Space")
    assert header.count() == 0
    assert table.inner_text() == before
    table.get_by_role("button", name="level").click()
    assert column(table, 1) == ["2 colors"] * 3 + ["4 colors"] * 3 + ["8 colors"] * 2 + ["quality 30", "–"]


def test_small_p_values_are_sorted_as_numbers(opened: Callable[..., Any], report: Path) -> None:
    table = opened(report).locator("table.tests").first
    table.evaluate(
        """(table) => [...table.tBodies[0].rows].forEach((row, i) => {
             row.cells[4].textContent = ["0.012", "2.5·10⁻⁸", "not tested", "< 10⁻¹⁵", "0.0011"][i] ?? "0.5";
           })"""
    )
    table.get_by_role("button", name="p Holm").click()
    told = [text for text in column(table, 4) if text != "0.5"]
    assert told == [text for text in ("< 10⁻¹⁵", "2.5·10⁻⁸", "0.0011", "0.012", "not tested") if text in told]
    assert len(told) > 2


def test_rows_are_filtered(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report)
    table, tools = cells_of(page), page.locator("#cells .tools").first
    field = tools.get_by_role("searchbox", name="Filter rows")
    field.fill("JPEG 30")
    assert column(table, 0) == ["jpeg"]
    assert tools.locator("output").inner_text() == f"1 of {ROWS} rows"
    table.get_by_role("button", name="accuracy").click()
    assert column(table, 0) == ["jpeg"]
    field.fill("")
    assert len(column(table, 0)) == ROWS
    assert tools.locator("output").inner_text() == ""


def test_a_variant_is_hidden_everywhere_and_comes_back(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report)
    assert not page.locator(".left-out").is_visible()
    there = {variant: shown(page, variant) for variant in ("jpeg", "colorcnn")}
    hide = page.get_by_role("button", name="Hide jpeg").first
    assert hide.get_attribute("aria-pressed") == "false"
    hide.click()
    assert hide.get_attribute("aria-pressed") == "true"
    assert [other.get_attribute("aria-pressed") for other in page.get_by_role("button", name="Hide jpeg").all()] == [
        "true"
    ] * 2
    assert shown(page, "jpeg") == 0
    assert "jpeg" not in column(cells_of(page), 0)
    assert shown(page, "colorcnn") == there["colorcnn"]
    assert page.locator(".left-out [role=status]").inner_text().strip() == "Hidden: jpeg."
    page.get_by_role("button", name="Show all").click()
    assert shown(page, "jpeg") == there["jpeg"] > 5
    assert not page.locator(".left-out").is_visible()


def test_a_variant_is_highlighted_everywhere(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report)
    light = page.get_by_role("button", name="Highlight colorcnn").last
    light.click()
    assert light.get_attribute("aria-pressed") == "true"
    for what in ("svg g", "svg .point"):
        dimmed = page.locator(f"{what}[data-variant]").evaluate_all(
            "(all) => all.map((one) => [one.dataset.variant, getComputedStyle(one).opacity < 0.5])"
        )
        assert {variant for variant, is_dimmed in dimmed if not is_dimmed} == {"colorcnn"}
        assert {variant for variant, is_dimmed in dimmed if is_dimmed} == {"jpeg", "median-cut", "original"}
    rows = cells_of(page).locator("tbody tr").evaluate_all("(rows) => rows.map((row) => row.className)")
    assert sorted(rows) == ["is-dimmed"] * (ROWS - 3) + ["is-lit"] * 3
    light.click()
    assert page.locator(".is-lit, .is-dimmed").count() == 0


def test_points_say_their_numbers(opened: Callable[..., Any], report: Path) -> None:
    cells = pd.read_csv(report.with_name("cells.csv"))
    here = cells[(cells["classifier"] == "bignet") & (cells["variant"] == "colorcnn") & (cells["level"] == 4)]
    page = opened(report)
    tip = page.locator(".tip")
    point = page.locator("figure").first.locator('.point[aria-label^="colorcnn, 4 colors"]').first
    point.hover()
    lines = tip.inner_text().replace("\u202f", " ").split("\n")
    assert lines[0] == "colorcnn, 4 colors"
    assert re.fullmatch(rf"{100 * here['accuracy'].mean():.1f} % \[\d+\.\d, \d+\.\d\]", lines[1])
    assert lines[2] == "4.0 colors per image"
    assert lines[3].startswith(f"bits per pixel: {here['bpp_file'].mean():.3f} file, ")
    page.mouse.move(2, 2)
    assert not tip.is_visible()
    point.focus()
    assert tip.is_visible()
    page.keyboard.press("ArrowRight")
    assert tip.inner_text().startswith("colorcnn, 8 colors")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert tip.inner_text().startswith("median-cut, 8 colors"), "round about to the last"
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    reached = page.locator("figure svg").evaluate_all(
        "(all) => all.map((svg) => svg.querySelectorAll('.point[tabindex=\"0\"]').length)"
    )
    assert set(reached) <= {0, 1}, "chips have none"
    assert sum(reached) == 2 * (1 + 3)


def test_a_figure_is_saved_with_its_text_and_with_outlines(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report)
    for against in ("the number of colors", "bits per pixel of the file"):
        title, texts = f"Accuracy against {against}, toys × bignet", {}
        for name, outlined in (("Save SVG", False), ("Save SVG, text as outlines", True)):
            content = saved(page, page.get_by_role("button", name=f"{name}: {title}", exact=True)).decode()
            root = ElementTree.fromstring(content)
            assert root.findtext(f"{SVG}title") == title
            assert "var(" not in content
            texts[outlined] = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
        assert {"colorcnn", "median-cut", "accuracy, %"} <= set(texts[False])
        assert texts[True] == []


def test_tables_are_saved(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report)
    for name in ("cells.csv", "significance.csv", "bits.csv"):
        link = page.locator(f'a[download="{name}"]')
        assert saved(page, link) == report.with_name(name).read_bytes()
    tools = page.locator("#cells .tools").first
    tools.get_by_role("searchbox").fill("colors")
    page.get_by_role("button", name="Hide median-cut").first.click()
    cells_of(page).get_by_role("button", name="accuracy").click()
    text = saved(page, tools.get_by_role("button", name="Save CSV")).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["variant"] for row in rows] == column(cells_of(page), 0)
    assert [row["variant"] for row in rows].count("colorcnn") == 3
    assert {row["variant"] for row in rows} == {"colorcnn", "octree"}
    assert re.fullmatch(r"\d+\.\d %", rows[0]["accuracy"])
    assert re.fullmatch(r"\[\d+\.\d, \d+\.\d\]", rows[0]["accuracy: 95 % interval"])
    assert re.fullmatch(r"-?\d+\.\d", rows[0]["less original: points"]), "numbers are plain"
    assert re.fullmatch(r"\d\.\d{3}", rows[0]["bits per pixel file"])


def test_columns_of_a_saved_table_are_told_apart_and_have_units(opened: Callable[..., Any], report: Path) -> None:
    heads: dict[str | None, list[str]] = {}
    count = opened(report).get_by_role("button", name="Save CSV", include_hidden=True).count()
    for place in range(count):
        if place % 8 == 0:  # Chromium lets a page save ten files in a row
            page = opened(report)
            page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        control = page.get_by_role("button", name="Save CSV").nth(place)
        heads[control.get_attribute("aria-label")], *rows = csv.reader(io.StringIO(saved(page, control).decode()))
        assert all(len(row) == len(rows[0]) for row in rows)
    for name, head in heads.items():
        assert len(set(head)) == len(head), name
        assert all(head), name
    told = set().union(*heads.values())
    assert {"p: Holm", "p: unadjusted", "difference: points", "difference: 95 % interval"} <= told
    assert {"its probability: colorcnn", "its probability: median-cut"} <= told
    assert {"colorcnn recognized", "colorcnn less untouched: points", "colors: per image", "remarks"} <= told


def test_what_small_letters_are_is_said_by_the_table(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report)
    page.locator("table.pairs").first.evaluate("(table) => { table.dataset.aside = 'p'; }")
    text = saved(page, page.locator("#pairs").get_by_role("button", name="Save CSV").first).decode()
    first = next(csv.reader(io.StringIO(text)))
    assert "colorcnn: p" in first


def test_what_a_claim_rests_on_stays_with_it(opened: Callable[..., Any], bench: Bench, tmp_path: Path) -> None:
    ps = (0.3, 0.01, 0.2, 0.04, 0.1)
    claims = tuple(StatedClaim(f"c{p}", f"Claim with {p}.", "Table 2", claiming(p)) for p in ps)
    page = opened(written(bench.results([bench.plain("median-cut", 2, 0.5)], claims=claims), tmp_path / "report"))
    table, tools = page.locator("table.claims"), page.locator("#claims .tools")
    said = table.locator(":scope > tbody > tr:not(.rests)")

    def in_order() -> list[tuple[float, float]]:
        """p in each claim, and in what stands below it, of those that are shown."""
        rows = table.locator(":scope > tbody > tr:visible").all_text_contents()
        found = [float(re.findall(r"0\.\d+", row)[0]) for row in rows]
        return list(zip(found[::2], found[1::2], strict=True))

    assert said.count() == len(ps)
    for expected in (sorted(ps), sorted(ps, reverse=True), list(ps)):
        table.get_by_role("button", name="p", exact=True).click()
        assert in_order() == [(p, p) for p in expected]
    tools.get_by_role("searchbox").fill("part 0.04")
    assert in_order() == [(0.04, 0.04)]
    assert tools.locator("output").inner_text() == "1 of 5 rows"
    tools.get_by_role("searchbox").fill("")
    rows = list(csv.DictReader(io.StringIO(saved(page, tools.get_by_role("button", name="Save CSV")).decode())))
    assert [(float(row["p"]), row["remarks"]) for row in rows] == [(p, f"only {p}.") for p in ps]


def test_remarks_on_bits_leave_no_empty_rows_on_a_phone(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report, viewport={"width": 420, "height": 800})
    table = page.locator("table.trade-offs").first
    remarks = table.locator(".rests p")
    assert remarks.count() > 1
    seen = table.locator("xpath=..").bounding_box()
    for remark in remarks.all():
        box = remark.bounding_box()
        assert seen["x"] <= box["x"]
        assert box["x"] + box["width"] <= seen["x"] + seen["width"]
    page.get_by_role("button", name="Hide colorcnn").first.click()
    assert table.locator("tr.rests:visible").count() == remarks.count() - 1


def test_a_search_s_legend_acts_on_its_own_figures(
    opened: Callable[..., Any], searches: type[Searches], benches: type[Bench], tmp_path: Path
) -> None:
    space = {"gamma": {"loguniform": [0.01, 100.0]}}
    found = (searches.of(searches.drawn(12), space=space), searches.of(searches.drawn(12), space=space, level=2))
    page = opened(written(benches(tmp_path / "store").results([], searches=found), tmp_path / "report"))
    first, second = page.locator("#search0"), page.locator("#search1")
    trials = 'svg [data-variant="stopped"]:not(.is-hidden)'
    there = second.locator(trials).count()
    first.get_by_role("button", name="Hide stopped").click()
    assert first.locator(trials).count() == 0
    assert second.locator(trials).count() == there > 2


def test_the_bits_are_switched_with_the_keyboard(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report)
    switch = page.locator(".switch").first
    drawn = switch.locator(".drawn")
    assert [one.is_visible() for one in drawn.all()] == [True, False, False]
    switch.locator("input").first.focus()
    page.keyboard.press("ArrowRight")
    assert [one.is_visible() for one in drawn.all()] == [False, True, False]
    assert "payload" in drawn.nth(1).locator("svg").first.get_attribute("aria-label")


def test_all_is_reached_with_the_tab_key_and_shows_that_it_is(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report)
    met = []
    for _ in range(400):
        page.keyboard.press("Tab")
        met.append(
            page.evaluate(
                """() => {
                  const one = document.activeElement, style = getComputedStyle(one);
                  const mark = one.matches(".switch > input") ? getComputedStyle(one.nextElementSibling) : style;
                  const seen = mark.outlineStyle !== "none" || (one.matches(".point") && style.stroke !== "none");
                  return [one.className.baseVal ?? one.className, one.tagName, seen];
                }"""
            )
        )
        if met[-1][1] == "BODY":
            break
    assert met[-1][1] == "BODY", "and back to the beginning"
    assert [one for one in met[:-1] if not one[2]] == []
    kinds = {(name.split(" ")[0], tag) for name, tag, _ in met}
    assert {
        ("light", "BUTTON"),
        ("hide", "BUTTON"),
        ("point", "circle"),
        ("sort", "BUTTON"),
        ("scroll", "DIV"),
    } <= kinds
    assert {("", "INPUT"), ("", "SUMMARY"), ("", "A")} <= kinds


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened: Callable[..., Any], report: Path, scheme: str) -> None:
    page = opened(report, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(21, 24, 28)") == (scheme == "dark")
    page.get_by_role("button", name="Hide jpeg").first.click()
    found = axe.Axe().run(page).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert [(v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in serious] == []


def test_what_is_printed_says_what_was_hidden_and_has_no_controls(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report)
    page.get_by_role("button", name="Hide jpeg").first.click()
    page.emulate_media(media="print")
    assert shown(page, "jpeg") == 0
    assert page.get_by_text("Hidden: jpeg.").is_visible()
    assert page.locator(".tools:visible, .hide:visible, .left-out button:visible, nav:visible").count() == 0
    assert cells_of(page).get_by_text("accuracy").first.is_visible()
    box = page.locator(".left-out").bounding_box()
    assert box["y"] < page.locator("#figures").bounding_box()["y"], "before everything it holds for"


def test_what_is_closed_is_printed_open_and_closed_again(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report)
    closed = page.locator("details:not([open])")
    before = closed.evaluate_all("(all) => all.map((one) => one.innerHTML)")
    page.evaluate(
        """addEventListener("beforeprint", () => {
             window.kept = [...document.querySelectorAll("details:not([open])")].map((one) => "folded" in one.dataset);
             window.cells = document.querySelector(".claims .rests details code").getClientRects().length;
           })"""
    )
    page.pdf()
    kept = page.evaluate("window.kept")
    assert all(kept)
    assert 0 < len(kept) < len(before)
    assert page.evaluate("window.cells") == 1
    assert closed.evaluate_all("(all) => all.map((one) => one.innerHTML)") == before


def pictured(bench: Bench) -> Results:
    """Seven variants at three levels, with all that can be shown of them."""
    maps = {name: np.eye(16, dtype=np.uint8) * 255 for name in ("cam", "activation", "train-time")}
    return bench.results(bench.seen(bench.plain(name, level, 0.7), maps) for name in "abcdefg" for level in (2, 4, 8))


def test_pictures_of_three_levels_fill_the_width(opened: Callable[..., Any], bench: Bench, tmp_path: Path) -> None:
    page = opened(written(pictured(bench), tmp_path / "report"))
    rows = page.locator("#gallery .rows").first
    right = rows.bounding_box()["x"] + rows.bounding_box()["width"]
    ends = rows.locator(".tile > img").evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().right)")
    assert max(ends) > right - 8
    assert len({round(end) for end in ends}) == 3 * 3, "three variants side by side"


def test_on_a_phone_all_images_but_the_first_are_folded(
    opened: Callable[..., Any], bench: Bench, tmp_path: Path
) -> None:
    path = written(pictured(bench), tmp_path / "report")
    strips = "#gallery .strip:visible"
    for width, seen in ((1200, 2), (420, 1)):
        page = opened(path, viewport={"width": width, "height": 800})
        assert page.locator(strips).count() == seen
        assert page.locator("#gallery .further > summary:visible").count() == 2 - seen
        page.emulate_media(media="print")
        page.wait_for_function(
            "[...document.querySelectorAll('#gallery .strip')].every((one) => one.getClientRects().length)"
        )
        assert page.locator("#gallery .further > summary:visible").count() == 0
    assert opened(path, viewport={"width": 420, "height": 800}, java_script_enabled=False).locator(strips).count() == 2


def test_what_is_printed_is_not_made_smaller(opened: Callable[..., Any], bench: Bench, tmp_path: Path) -> None:
    page = opened(written(pictured(bench), tmp_path / "report"))
    packed = re.findall(rb"stream\r?\n(.*?)endstream", page.pdf(format="A4", prefer_css_page_size=True), re.DOTALL)
    scales = set()
    for stream in packed:
        with contextlib.suppress(zlib.error):
            scales |= set(re.findall(rb"^([\d.]+) 0 0 \1 \S+ \S+ cm$", zlib.decompress(stream), re.MULTILINE))
    assert max(map(float, scales)) == 300 / 96, "a page that is too wide is printed smaller as a whole"


def test_body_cells_stand_under_their_heads(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    starts = page.locator("table").evaluate_all(
        """(tables) => tables.filter((one) => !one.querySelector(":scope > tbody th"))
             .map((table) => [table.tHead.rows[0], table.tBodies[0].rows[0]])
             .map((rows) => rows.map((row) => getComputedStyle(row.cells[0]).paddingLeft))"""
    )
    assert starts
    assert all(head == body for head, body in starts)


def test_pictures_of_a_single_level_take_one_line(
    opened: Callable[..., Any], benches: type[Bench], tmp_path: Path
) -> None:
    bench = benches(tmp_path / "store")
    maps = {name: np.eye(16, dtype=np.uint8) * 255 for name in ("cam", "activation", "train-time")}
    cells = [bench.seen(bench.plain(name, 2, 0.7), maps) for name in ("a", "b", "c", "d")]
    page = opened(written(bench.results(cells), tmp_path / "report").with_name("gallery.html"))
    tops = "(all) => all.map((one) => Math.round(one.getBoundingClientRect().top))"
    rows = page.locator(".strip").first.locator(".row")
    for width, beside in ((1200, 3), (420, 1)):
        page.set_viewport_size({"width": width, "height": 800})
        assert len(set(rows.first.locator("img").evaluate_all(tops))) == 1
        assert rows.first.locator("img").count() == 4
        assert rows.evaluate_all(tops).count(rows.evaluate_all(tops)[0]) == beside
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_why_a_claim_is_open_is_read_on_a_phone_without_scrolling(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report, viewport={"width": 420, "height": 800})
    region = page.locator("#claims .scroll")
    assert region.evaluate("(one) => one.scrollWidth > one.clientWidth")
    for scrolled in (0, 100):
        region.evaluate("(one, left) => { one.scrollLeft = left; }", scrolled)
        said, seen = page.locator(".claims .rests p").bounding_box(), region.bounding_box()
        assert seen["x"] <= said["x"]
        assert said["x"] + said["width"] <= seen["x"] + seen["width"]


def test_a_phone_does_not_scroll_sideways(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report, viewport={"width": 420, "height": 800}, has_touch=True)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.get_by_role("button", name="Hide jpeg").first.tap()
    page.locator("figure .point:visible").first.focus()
    assert page.locator(".tip").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    assert page.locator("table.cells").first.evaluate("(table) => table.scrollWidth > table.parentNode.clientWidth")


def test_columns_out_of_sight_are_counted(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report, viewport={"width": 420, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    region = page.locator("#cells .scroll").first
    said = region.locator("xpath=preceding-sibling::*[1]")
    heads = region.locator("thead th:not([colspan])")
    unseen = 0
    for left in (0, 200, 10_000):
        region.evaluate("(one, left) => { one.scrollLeft = left; }", left)
        edge = region.bounding_box()["x"] + region.bounding_box()["width"]
        boxes = [head.bounding_box() for head in heads.all()]
        padding = 0.6 * 16 * 0.9 * 0.86
        unseen = sum(box["x"] + box["width"] - padding > edge + 1 for box in boxes)
        words = f"{unseen} more columns to the right" if unseen else ""
        page.wait_for_function("([one, words]) => one.textContent === words", arg=[said.element_handle(), words])
        if left == 0:
            assert unseen > 3
            before = region.bounding_box()["y"] - said.bounding_box()["y"]
    assert unseen == 0
    assert region.bounding_box()["y"] - said.bounding_box()["y"] == before, "the table stays where it is"
    page.set_viewport_size({"width": 1600, "height": 800})
    page.wait_for_function("document.querySelectorAll('.beyond:not([hidden])').length === 0")
    assert opened(report, java_script_enabled=False).locator(".beyond").count() == 0


def test_columns_out_of_sight_are_told_of_without_a_script(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report, viewport={"width": 420, "height": 800}, java_script_enabled=False)
    if not page.evaluate("CSS.supports('container-type', 'scroll-state')"):
        pytest.skip("this browser does not tell a style sheet what can be scrolled")
    region = page.locator("#cells .scroll").first
    told = "(one) => getComputedStyle(one, '::after').display"
    assert region.evaluate(told) == "block"
    region.evaluate("(one) => { one.scrollLeft = 10000; }")
    page.wait_for_timeout(300)
    assert region.evaluate(told) == "none"


def test_long_names_are_whole_on_a_phone_and_on_paper(
    opened: Callable[..., Any], benches: type[Bench], tmp_path: Path
) -> None:
    bench = benches(tmp_path / "store")
    shares = {"median-cut": 0.7, "median-cut dither=floyd-steinberg-clipped": 0.4, "original": 0.9}
    cells = [bench.plain(name, None if name == "original" else 2, share) for name, share in shares.items()]
    page = opened(written(bench.results(cells), tmp_path / "report"), viewport={"width": 420, "height": 800})
    names = page.locator(".bar .name")
    assert names.count() == 3
    assert names.evaluate_all("(all) => all.filter((one) => one.scrollWidth > one.clientWidth).length") == 0
    page.set_viewport_size({"width": 690, "height": 1000})
    page.emulate_media(media="print")
    tables = page.locator("#classes table")
    assert tables.count() > 1
    beyond = "(all) => all.filter((one) => one.scrollWidth > one.closest('.pair > div').clientWidth).length"
    assert tables.evaluate_all(beyond) == 0


def test_without_script_nothing_is_offered_that_does_nothing(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report, java_script_enabled=False)
    assert page.locator("button").count() == 0
    assert page.locator("input:not([type=radio])").count() == 0
    assert saved(page, page.locator('a[download="cells.csv"]')) == report.with_name("cells.csv").read_bytes()
    assert page.locator("figure .point title").first.text_content().startswith("colorcnn, 2 colors")


def test_the_gallery_needs_no_script(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report.with_name("gallery.html"))
    assert page.locator("script, button").count() == 0
    assert page.locator(".palette span").first.evaluate("(one) => getComputedStyle(one).backgroundColor") not in (
        "rgba(0, 0, 0, 0)",
        "",
    )


def test_hostile_names_stay_names(
    opened: Callable[..., Any], searches: type[Searches], benches: type[Bench], tmp_path: Path
) -> None:
    path = written(hostile_run(benches(tmp_path / "store"), searches), tmp_path / "report")
    for file in (path, path.with_name("gallery.html")):
        page = opened(file)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert page.evaluate("'hacked' in window") is False
        assert page.locator("script").count() == (1 if file == path else 0)
        assert page.locator("img:not([src^='data:image/png;base64,'])").count() == 0
    page = opened(path)
    hide = page.get_by_role("button", name=f"Hide {HOSTILE}").first
    hide.click()
    assert shown(page, HOSTILE) == 0
    assert HOSTILE.replace("\u2028", "") in page.locator(".left-out").text_content().replace("\u2028", "")
    hide.click()
    page.locator("figure .point").first.focus()
    assert "</script>" in page.locator(".tip").inner_text()
    text = saved(page, page.locator("#cells .tools").first.get_by_role("button", name="Save CSV")).decode()
    names = [row[0] for row in csv.reader(io.StringIO(text))]
    assert f"'{HOSTILE}".replace("\u2028", " ") in [name.replace("\u2028", " ") for name in names]
    svg = saved(page, page.locator(".drawn").first.get_by_role("button", name="Save SVG:")).decode()
    assert not list(ElementTree.fromstring(svg).iter(f"{SVG}script"))
    assert page.evaluate("'hacked' in window") is False
    for name in ("cells.csv", "significance.csv", "bits.csv"):
        with path.with_name(name).open(encoding="utf-8", newline="") as file:
            assert not [cell for row in csv.reader(file) for cell in row if re.match(r"[=@\t\r]|[+-](?!\d)", cell)]
    assert f"'{HOSTILE}" in set(pd.read_csv(path.with_name("cells.csv"))["dataset"])


def test_a_bar_that_joins_variants_stays_while_two_are_shown(
    opened: Callable[..., Any], bench: Bench, tmp_path: Path
) -> None:
    cells = [
        bench.plain(variant, 2, 0.5 + 0.02 * number, classifier=classifier)
        for classifier in ("tinynet", "bignet")
        for number, variant in enumerate(("median-cut", "octree", "wu"))
    ]
    page = opened(written(bench.results(cells), tmp_path))
    bar = page.locator("#leaderboard [data-joins]").first
    members = json.loads(bar.get_attribute("data-joins"))
    assert len(members) > 2

    def stays() -> bool:
        """A level stroke has no height, so that it never counts as visible."""
        return bool(bar.evaluate("(bar) => getComputedStyle(bar).display !== 'none'"))

    for left, variant in zip(range(len(members), 1, -1), members, strict=False):
        assert stays(), f"{left} are shown"
        page.get_by_role("button", name=f"Hide {variant}", exact=True).first.click()
    assert not stays()
    page.get_by_role("button", name="Show all").click()
    assert stays()


def test_eleven_variants_with_long_names_fit_a_matrix_on_a_wide_screen(
    opened: Callable[..., Any], bench: Bench, tmp_path: Path
) -> None:
    names = [f"colorcnn gamma={number} xi=0 backbone=dncnn" for number in range(11)]
    path = written(bench.results(bench.plain(name, 2, 0.3 + 0.05 * n) for n, name in enumerate(names)), tmp_path)
    page = opened(path)
    assert page.locator("#pairs .scroll").evaluate("(box) => box.scrollWidth <= box.clientWidth")
    heads = page.locator("table.pairs thead th:nth-child(n + 3)")
    assert sorted(heads.all_inner_texts()) == sorted(names), "whole names, in one line each as text"
    narrow = opened(path, viewport={"width": 420, "height": 900})
    width = narrow.locator("#pairs .scroll").bounding_box()["width"]
    boxes = [head.bounding_box() for head in narrow.locator("table.pairs thead th:nth-child(n + 3)").all()]
    left = narrow.locator("#pairs .scroll").bounding_box()["x"]
    assert sum(box["x"] + box["width"] <= left + width for box in boxes) >= 2


@pytest.fixture
def index(tmp_path: Path, bench: Bench) -> Path:
    """Of two runs whose folders, and one of whose variants, have long names."""
    long = "median-cut dither=floyd-steinberg-clipped space=lab"
    shares = [(long, 0.5), ("wu", 0.7), ("octree", 0.6), ("kmeans", 0.8)]
    cells = [bench.plain(name, level, share + level / 100) for name, share in shares for level in (2, 4)]
    run = bench.results(cells)
    names = ("a-run-of-a-long-afternoon-with-seeds-1-to-9", "another-run-with-the-same-cells")
    origins = tuple(Origin(name, tmp_path / name, "2026-03-01T12:30:00", run) for name in names)
    return plugins.Index().write(bench.results(cells, origins=origins), tmp_path)


def test_the_index_is_sorted_and_filtered(opened: Callable[..., Any], index: Path) -> None:
    page = opened(index)
    board = page.locator("table.board")
    board.locator("thead button", has_text="accuracy").click()
    assert column(board, 2) == ["52.0\u202f%", "54.0\u202f%", "62.0\u202f%", "64.0\u202f%"] + [
        f"{share}.0\u202f%" for share in (72, 74, 82, 84)
    ]
    page.get_by_label("Filter rows").last.fill("wu")
    assert column(board, 1) == ["wu", "wu"]
    assert column(board, 0) == ["2 colors", "4 colors"]
    assert page.locator("table.runs thead button").count() == 5


def test_the_index_shows_accuracies_on_a_phone(opened: Callable[..., Any], index: Path) -> None:
    page = opened(index, viewport={"width": 420, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    for cell in page.locator("table.board tbody td.n b").all():
        box = cell.bounding_box()
        assert box["x"] + box["width"] <= 420
    lines = page.locator("table.board tbody tr").evaluate_all(
        "rows => rows.map((row) => row.offsetHeight / parseFloat(getComputedStyle(row).fontSize))"
    )
    assert max(lines) < 8, "a long name alone takes several lines"
    assert sorted(lines)[len(lines) // 2] <= 5
