"""index.html: it stands alone, escapes what it is given, and says what the tables say."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from harness.contracts import Cell, Failure, Results, SearchResult
from reports import gallery_page, plugins
from reports.page import render

if TYPE_CHECKING:
    from tests.reports.conftest import Bench, Searches

VOID = {"meta", "img", "br", "link", "input", "hr"}
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>&{{ 7 * 7 }}$x^2$'


class Page(HTMLParser):
    """Reads a page and keeps what tests ask for; raises where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).replace("\u202f", " ").split())

    def all(self, tag: str, cls: str = "") -> list[dict[str, str]]:
        return [a for t, a in self.tags if t == tag and (not cls or cls in a.get("class", "").split())]


def assert_stands_alone(text: str) -> Page:
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base"}
        assert "style" not in attributes, "the policy forbids it"
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "srcset", "poster", "action"):
            assert attributes.get(name, "#").startswith(("data:", "#")), attributes
    assert all(url.startswith("#") for url in re.findall(r"url\(\s*['\"]?([^)]*)", text))
    assert "@import" not in text
    assert "://" not in text
    assert_its_policy_names_all_that_runs(text)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    links = [a["href"][1:] for _, a in page.tags if a.get("href", "").startswith("#")]
    assert set(links) <= set(ids)
    return page


def assert_its_policy_names_all_that_runs(text: str) -> None:
    """One script at most, and no script or style that the policy, as the first thing of the page, does not name."""
    policy = re.search(
        r'<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="(.*?)">', text
    )
    assert policy is not None
    named = dict(part.split(" ", 1) for part in policy[1].split("; "))
    fixed = {"default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}
    assert {name: named.pop(name) for name in fixed} == fixed
    for what, tag in (("style-src", "style"), ("script-src", "script")):
        found = re.findall(rf"<{tag}\b[^>]*>(.*?)</{tag}>", text, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in found]
        assert named.pop(what, "") == " ".join(f"'sha256-{digest}'" for digest in digests)
        assert len(found) <= {"style": 2, "script": 1}[tag]
    assert not named


@pytest.fixture
def full(bench: Bench, right: Callable[..., np.ndarray]) -> Results:
    """Two classifiers, two seeds, grouped images, four kinds of variant, one failed and one blocked cell."""
    groups = np.arange(120) // 2
    shares = {("median-cut", 2): 0.4, ("median-cut", 4): 0.7, ("median-cut", 8): 0.85}
    shares |= {("colorcnn", level): 0.85 for level in (2, 4, 8)} | {("jpeg", 30): 0.6, ("original", None): 0.9}
    cells: list[Cell] = []
    for classifier, seed in itertools.product(("tinynet", "bignet"), (0, 1)):
        task = {"classifier": classifier, "seed": seed}
        kinds = {"colorcnn": {"fitted_on": classifier}, "jpeg": {"level_kind": "quality"}}
        for (variant, level), share in shares.items():
            frame = bench.frame(right(120, share, len(cells)), groups, colors=np.full(120, level or 999))
            cells.append(bench.cell(frame, variant, level, **task, **kinds.get(variant, {})))
        cells.append(bench.cell(None, "octree", 2, error="ValueError: no tree", **task))
        cells.append(bench.cell(None, "octree", 4, status="blocked", error="its job failed", **task))
    return bench.results(
        cells,
        failures=(Failure("apply octree", "ValueError: no tree", "Traceback (most recent call last):\n  boom", 4),),
        recipes=(
            {"what": "quantizer", "name": "colorcnn", "params": {"width": 16}, "differs": ["Width 16, not 64."]},
            {"what": "classifier", "name": "tinynet", "params": {}, "differs": []},
        ),
        environment={"python": "3.11", "libraries": {"numpy": "2"}},
    )


def test_the_page_stands_alone_and_shows_everything(full: Results, tmp_path: Path) -> None:
    path = plugins.Html().write(full, tmp_path / "report")
    assert path == tmp_path / "report" / "index.html"
    assert [p.name for p in path.parent.iterdir()] == ["index.html"]
    page = assert_stands_alone(path.read_text(encoding="utf-8"))
    figures = [a for a in page.all("svg") if a.get("role") == "img"]
    ranks = [a for a in figures if a["aria-label"].startswith("Mean ranks at ")]
    assert len(figures) == 2 * (1 + 3) + len(ranks)
    assert ranks == [], "two quantizers finished, and Friedman's test is of three"
    assert {a["aria-label"].split(",")[0] for a in figures} == {
        "Accuracy against the number of colors",
        "Accuracy against bits per pixel of the file",
        "Accuracy against bits per pixel of the payload",
        "Accuracy against bits per pixel of the entropy",
    }
    legend = re.search(r'class="legend">(.*?)</p>', path.read_text(encoding="utf-8"), re.DOTALL)
    assert legend is not None
    assert Page(legend[1]).text.split() == ["original", "colorcnn", "jpeg", "median-cut"], "not what has no point"
    tiles = page.all("div", "tile")
    assert len(tiles) == 2 * 2 * (3 + 3 + 1), "classifiers x images x (median-cut, colorcnn, jpeg)"
    assert len(page.all("img")) == len(tiles) + 2 * 2 + 3 * len(page.all("figure", "duelled"))
    assert all(a["src"].startswith("data:image/png;base64,") and a["alt"] for a in page.all("img"))
    assert len(page.all("details")) >= 4
    for words in (
        "ValueError: no tree",
        "Traceback (most recent call last)",
        "blocked: its job failed",
        "Width 16, not 64.",
        "libraries.numpy",
        "the page picks the variant furthest from the baseline",
        "PNG bytes per pixel",
        "120 test images from 60 sources",
        "departs from the paper",
    ):
        assert words in page.text, words


def test_the_same_results_give_the_same_bytes(full: Results) -> None:
    first = render(full)
    assert render(replace(full, cells=tuple(reversed(full.cells)))) == first


def test_the_sentence_says_what_the_tables_say(full: Results, tmp_path: Path) -> None:
    plugins.Tables().write(full, tmp_path)
    cells, tests = pd.read_csv(tmp_path / "cells.csv"), pd.read_csv(tmp_path / "significance.csv")
    text = Page(render(full)).text.replace("−", "-")
    for classifier in ("bignet", "tinynet"):
        here = cells[(cells["classifier"] == classifier) & (cells["level"] == 2)]
        a, b = (100 * here.loc[here["variant"] == v, "accuracy"].mean() for v in ("colorcnn", "median-cut"))
        row = tests[(tests["classifier"] == classifier) & tests["seed"].isna() & (tests["level_a"] == 2)].iloc[0]
        lo, hi, difference = (100 * row[name] for name in ("lo_simultaneous", "hi_simultaneous", "difference"))
        said = f"At 2 colors colorcnn keeps {a:.1f} % of the images recognized where median-cut keeps {b:.1f} %: "
        assert said + f"{difference:+.1f} points [{lo:+.1f}, {hi:+.1f}], p " in text
        assert a - b == pytest.approx(difference)


def test_hostile_strings_stay_text(bench: Bench, searches: type[Searches]) -> None:
    frame = bench.frame([1, 0, 1])
    learned = {"dataset": "stl10", "classifier": "alexnet", "method": "colorcnn", "fitted_on": "alexnet"}
    setting = {"backbone": "unet", "gamma": 1.0, "xi": 1.0}
    cells = [
        *(bench.cell(frame, f"colorcnn {v}", 2, **learned, params=setting | {HOSTILE: v}) for v in ("a", HOSTILE)),
        bench.cell(frame, HOSTILE, 2, dataset=HOSTILE, classifier=HOSTILE),
        bench.cell(frame, HOSTILE, 4, dataset=HOSTILE, classifier=HOSTILE),
        bench.cell(frame, "median-cut", 2, dataset=HOSTILE, classifier=HOSTILE),
        bench.cell(None, "broken", 2, dataset=HOSTILE, classifier=HOSTILE, error=HOSTILE),
    ]
    results = bench.results(
        cells,
        name=HOSTILE,
        classes={HOSTILE: (HOSTILE, "dog", "cow")},
        failures=(Failure(HOSTILE, HOSTILE, HOSTILE, 1, HOSTILE),),
        recipes=tuple(
            {"what": what, "name": name, "params": {HOSTILE: HOSTILE}, "differs": [HOSTILE]}
            for what, name in ((HOSTILE, HOSTILE), ("classifier", "alexnet"))
        ),
        environment={HOSTILE: HOSTILE},
        spec={"note": HOSTILE},
        searches=(hostile_search(searches),),
    )
    page = assert_stands_alone(render(results))
    assert page.text.count("{{ 7 * 7 }}$x^2$") > 10
    assert f"colorcnn over {HOSTILE} · 2 colors" in page.text
    assert HOSTILE in [link.get("title") for link in page.all("a")], "a departure, beside the paper's value"
    assert_stands_alone(
        gallery_page.render(bench.results([bench.seen(cells[2], {"<b>&'": np.zeros((16, 16), np.uint8)})]))
    )


def test_a_failure_names_the_command_that_tells_of_its_log(full: Results) -> None:
    (failure,) = full.failures
    assert "fewcolors status" not in render(full), "its key is not known"
    told = render(replace(full, failures=(failure, replace(failure, key="<b>" + "f" * 61))))
    assert told.count("<code>fewcolors status RUN --job &lt;b&gt;fffffffff</code>") == 1
    assert told.count("RUN is the run's folder.") == 1


def hostile_search(searches: type[Searches]) -> SearchResult:
    trials = [
        searches.trial(number, 0.1 * number, {HOSTILE: value, "x": number, "y": number}, error=HOSTILE)
        for number, value in enumerate(["a", HOSTILE] * 5)
    ]
    space = {HOSTILE: {"choice": ["a", HOSTILE]}, "x": {"uniform": [0.0, 9.0]}, "y": {"randint": [0, 9]}}
    return searches.of(
        [*trials, searches.trial(10, None, {HOSTILE: HOSTILE, "x": 1, "y": 1}, error=HOSTILE)],
        dataset=HOSTILE,
        classifier=HOSTILE,
        variant=HOSTILE,
        space=space,
        start=dict.fromkeys(space, HOSTILE),
        algorithm=HOSTILE,
        scheduler=HOSTILE,
        device=HOSTILE,
    )


ODD: dict[str, Callable[[type[Searches]], list[SearchResult]]] = {
    "many of every kind": lambda s: [s.of(s.drawn(30))],
    "one trial": lambda s: [s.of([s.trial(0, 0.5)])],
    "none": lambda s: [s.of([])],
    "all failed": lambda s: [s.of([s.trial(i, None, error="ValueError: boom", of=0) for i in range(20)])],
    "one parameter": lambda s: [s.of(s.drawn(12), space={"gamma": {"loguniform": [0.01, 100.0]}})],
    "a choice alone": lambda s: [s.of(s.drawn(12), space={"backbone": {"choice": ["unet", "dncnn"]}})],
    "nothing right": lambda s: [s.of([s.trial(i, 0.0, {"gamma": 1.0 + i}) for i in range(9)])],
    "all the same": lambda s: [s.of([s.trial(i, 1.0) for i in range(9)])],
    "no numbers": lambda s: [
        s.of([s.trial(i, np.nan, seconds=np.nan, history=()) for i in range(9)], classifier_accuracy=np.nan)
    ],
    "several": lambda s: [s.of(s.drawn(9, level), level=level) for level in (2, 4, 8)],
}


@pytest.mark.parametrize("name", ODD)
def test_a_page_of_searches_without_cells(bench: Bench, searches: type[Searches], name: str) -> None:
    found = ODD[name](searches)
    text = render(bench.results([], searches=tuple(found)))
    page = assert_stands_alone(text)
    assert "there is nothing to tell" not in page.text
    assert not re.search(r"\b(nan|None|inf)\b", page.text)
    assert not re.search(r'"[^"]*\bnan\b[^"]*"', text)
    assert [a["id"] for a in page.all("div", "search")] == [f"search{number}" for number in range(len(found))]
    assert text.count('<table class="trials">') == sum(bool(each.trials) for each in found)
    assert len(page.all("tr")) == sum(bool(each.trials) + len(each.trials) for each in found)
    figures = [a["aria-label"] for a in page.all("svg") if a.get("role") == "img"]
    drawn = [each for each in found if any(t.accuracy is not None and np.isfinite(t.accuracy) for t in each.trials)]
    assert bool(figures) == bool(drawn)
    assert sum(label.startswith("Validation accuracy over") for label in figures) >= sum(len(s.space) for s in drawn)


@pytest.mark.parametrize("status", ["failed", "blocked"])
def test_a_run_where_all_failed_still_has_a_page(bench: Bench, status: str) -> None:
    cells = [bench.cell(None, "colorcnn", level, status=status, error="out of memory") for level in (2, 4)]
    page = assert_stands_alone(render(bench.results(cells)))
    assert "Nothing was measured: all 2 cells failed or waited for something that failed." in page.text
    assert "out of memory" in page.text
    assert not [a for a in page.all("svg") if a.get("role") == "img"]


def test_a_run_without_cells_still_has_a_page(bench: Bench) -> None:
    page = assert_stands_alone(render(bench.results([], spec={"baseline": None, "recognized": None})))
    assert "there is nothing to tell" in page.text


@pytest.mark.parametrize("metrics", [[], ["ssim"], ["ssim", "ciede2000", "other"]])
def test_the_table_of_cells_shows_what_was_measured_and_no_empty_column(bench: Bench, metrics: list[str]) -> None:
    values = {"ssim": 0.8125, "ciede2000": 7.25, "other": 3.0}
    frame = bench.frame([1, 0, 1]).assign(**{name: values[name] for name in metrics})
    plain = bench.cell(bench.frame([1, 0, 1]), "median-cut", 2)
    measured = bench.cell(frame, "octree", 2, notes={**plain.notes, "metrics": metrics})
    failed = bench.cell(None, "otsu", 2, error="broken")
    text = render(bench.results([plain, measured, failed]))
    table = text[text.index('<table class="cells">') :].partition("</table>")[0]
    shown = [name for name in ("SSIM", "CIEDE2000") if f">{name}<" in table]
    assert shown == [name.upper() for name in metrics if name != "other"]
    for row in re.findall(r"<tr>(.*?)</tr>", table.partition("</thead>")[2], re.S):
        spans = [
            int(span or 1) for span in re.findall(r"<t[hd](?:(?! colspan)[^>])*(?: colspan=\"(\d+)\")?[^>]*>", row)
        ]
        assert sum(spans) == 12 + len(shown)
    assert ("0.812" in table, "7.25" in table) == ("ssim" in metrics, "ciede2000" in metrics)


def test_mixed_devices_are_marked(bench: Bench) -> None:
    notes = {"pixels": 256, "original_accuracy": 0.9, "seconds": 1.0, "device": "cuda"}
    cells = [
        bench.cell(bench.frame([1, 0, 1]), "median-cut", 2),
        bench.cell(bench.frame([1, 1, 1]), "colorcnn", 2, notes=notes),
    ]
    text = Page(render(bench.results(cells))).text
    assert "different kinds of device (cpu and cuda)" in text
    assert "· not separated ‡" in text
    assert "‡" not in Page(render(bench.results(cells[:1]))).text


def test_right_and_wrong_differ_by_more_than_color(bench: Bench) -> None:
    page = Page(render(bench.results([bench.cell(bench.frame([1, 0, 1]), "median-cut", 2)])))
    assert "✓ cat" in page.text
    assert "✗ cow" in page.text
    assert (len(page.all("div", "right")), len(page.all("div", "wrong"))) == (1, 1)


def test_the_page_says_what_was_tested_and_of_what_sources(bench: Bench) -> None:
    """toys: some images, grouped; more toys: some images, each its own source; the others: all images."""
    correct, groups = [1, 0] * 60, np.arange(120) // 2
    cells = [
        bench.cell(bench.frame(correct, own), "median-cut", 2, dataset=dataset)
        for dataset, own in (("toys", groups), ("more toys", None), ("others", None))
    ]
    recipes = tuple(
        {"what": "dataset", "name": name, "plugin": "image-folder"} | more
        for name, more in (
            ("toys", {"test_of": 2000, "sources": "All by <one> painter."}),
            ("more toys", {"test_of": 3000}),
            ("others", {"sources": ""}),
        )
    )
    page = assert_stands_alone(render(bench.results(cells, recipes=recipes)))
    drawn = "drawn at random with every class in proportion"
    assert f"toys: 120 of 2,000 test images from 60 sources, {drawn}, whole sources" in page.text
    assert f"more toys: 120 of 3,000 test images, {drawn}" in page.text
    assert "others: 120 test images" in page.text
    assert page.text.count("toys: All by <one> painter.") == 2, "beside the count, and under Statistics"
    assert "toys dataset image-folder" in page.text


def test_many_comparisons_are_folded(bench: Bench) -> None:
    for variants, opened in (("ab", " open"), ("abc", "")):
        cells = [bench.plain(name, level, 0.6) for name in ("median-cut", *variants) for level in (2, 4, 8, 16, 32, 64)]
        assert f"<details{opened}><summary>{6 * len(variants)} comparisons</summary>" in render(bench.results(cells))
        shutil.rmtree(bench.root)
