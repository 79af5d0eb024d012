"""Parameter sweeps: which variants belong together, where their values lie, and what is drawn."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from harness.contracts import Cell
from reports import sweep_figures
from reports.drawing import to_svg
from reports.page import render
from reports.points import Task
from reports.records import Records
from reports.significance import significance_table
from reports.statistics import accuracy_interval
from reports.styles import assign
from reports.summary import summarize
from reports.sweeps import Sweep, in_words, sweeps
from reports.tables import cells_table

if TYPE_CHECKING:
    from tests.reports.conftest import Bench


def tasks(bench: Bench, cells: list[Cell]) -> list[Task]:
    records, results = Records(), bench.results(cells)
    return summarize(results, cells_table(results, records), significance_table(results, records), records)


def variant(bench: Bench, share: float, level: int = 8, **settings: Any) -> Cell:
    """A cell of the method "net" with gamma = xi = 1 and backbone unet, unless settings say otherwise."""
    elsewhere = {
        name: settings.pop(name) for name in ("classifier", "dataset", "seed", "fitted_on") if name in settings
    }
    params = {"backbone": "unet", "gamma": 1.0, "xi": 1.0} | settings
    name = " ".join(["net", *(f"{k}={v}" for k, v in params.items() if settings.get(k) == v)])
    return bench.plain(name, level, share, method="net", params=params, **elsewhere)


def drawn(sweep: Sweep) -> str:
    return sweep_figures.over_parameter(sweep, assign(line for line, _ in sweep.lines), "s")


def in_order(figure: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", figure)


@pytest.fixture
def figure_11(bench: Bench) -> list[Cell]:
    """gamma and xi each varied alone around (1, 1), another backbone; two classifiers; one unrelated method."""
    cells = []
    for classifier in ("tinynet", "bignet"):
        task = {"classifier": classifier}
        cells += [variant(bench, 0.7, **task), variant(bench, 0.5, backbone="dncnn", **task)]
        cells += [variant(bench, share, gamma=g, **task) for g, share in ((0.0, 0.6), (0.1, 0.65), (10.0, 0.3))]
        cells += [variant(bench, share, xi=x, **task) for x, share in ((0.1, 0.55), (10.0, 0.2))]
        cells += [bench.plain("median-cut", 8, 0.5, params={"dither": "none"}, **task)]
    return cells


def test_variants_that_differ_in_one_parameter_belong_together(bench: Bench, figure_11: list[Cell]) -> None:
    found = {sweep.parameter: sweep for sweep in sweeps(tasks(bench, figure_11))}
    assert list(found) == ["backbone", "gamma", "xi"], "in the order of the parameters"
    assert found["gamma"].values == (0.0, 0.1, 1.0, 10.0)
    assert found["xi"].values == (0.1, 1.0, 10.0)
    assert found["backbone"].values == ("dncnn", "unet")
    assert [sweep.is_numeric for sweep in found.values()] == [False, True, True]
    assert found["gamma"].title == "net over gamma · 8 colors · backbone unet, xi 1"
    for sweep in found.values():
        assert [line for line, _ in sweep.lines] == ["bignet", "tinynet"]
    shares = [[point.accuracy for _, point in points] for _, points in found["gamma"].lines]
    assert shares == [[0.6, 0.65, 0.7, 0.3]] * 2


def test_every_pair_that_differs_in_one_parameter_meets_in_a_sweep(bench: Bench) -> None:
    """A full grid, held against a loop over all pairs of variants."""
    grid = list(itertools.product(("unet", "dncnn"), (0.0, 1.0, 2.0), (0.5, 1.0)))
    cells = [variant(bench, 0.5, level=c, backbone=b, gamma=g, xi=x) for b, g, x in grid for c in (2, 4)]
    expected = {
        frozenset([a.key, b.key])
        for a, b in itertools.combinations(cells, 2)
        if a.level == b.level and sum(a.params[name] != b.params[name] for name in a.params) == 1
    }
    met: set[frozenset[str]] = set()
    for sweep in sweeps(tasks(bench, cells)):
        (_, points), keys = sweep.lines[0], []
        for number, point in points:
            assert point.cell.params[sweep.parameter] == sweep.values[number]
            assert all(point.cell.params[name] == value for name, value in sweep.fixed)
            keys.append(point.cell.key)
        met |= {frozenset(pair) for pair in itertools.combinations(keys, 2)}
    assert met == expected


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ({"gamma": 0.5}, {"xi": 0.5}, 0),
        ({"gamma": 0.5}, {"gamma": 0.7}, 1),
        ({"gamma": 1}, {"gamma": 1.0, "level": 4}, 0),
        ({"gamma": 0.5}, {"gamma": 0.7, "classifier": "bignet"}, 0),
        ({"flag": True}, {"flag": 1}, 1),
        ({"norm": None}, {"norm": 4.0}, 1),
    ],
)
def test_two_variants(bench: Bench, one: dict[str, Any], other: dict[str, Any], found: int) -> None:
    assert len(sweeps(tasks(bench, [variant(bench, 0.5, **one), variant(bench, 0.6, **other)]))) == found


def test_what_failed_is_left_out(bench: Bench) -> None:
    failed = bench.cell(None, "net gamma=2", 8, method="net", params={"backbone": "unet", "gamma": 2.0, "xi": 1.0})
    (sweep,) = sweeps(tasks(bench, [variant(bench, 0.5), variant(bench, 0.6, gamma=0.1), failed]))
    assert sweep.values == (0.1, 1.0)
    assert not sweep.is_numeric, "two values are set side by side"


def test_a_quantizer_trained_elsewhere_has_a_line_of_its_own(bench: Bench) -> None:
    cells = [variant(bench, 0.5, gamma=g, fitted_on=who) for g in (0.0, 1.0) for who in ("tinynet", "bignet")]
    (sweep,) = sweeps(tasks(bench, cells))
    assert [line for line, _ in sweep.lines] == ["tinynet", "tinynet, fitted on bignet"]


@pytest.mark.parametrize(
    ("places", "named"),
    [
        ([("a", "x"), ("a", "y")], ["x", "y"]),
        ([("a", "x"), ("b", "x")], ["a", "b"]),
        ([("a", "x"), ("b", "y")], ["a × x", "b × y"]),
    ],
)
def test_lines_are_named_by_what_differs(bench: Bench, places: list[tuple[str, str]], named: list[str]) -> None:
    cells = [variant(bench, 0.5, gamma=g, dataset=d, classifier=c) for g in (0.0, 1.0) for d, c in places]
    (sweep,) = sweeps(tasks(bench, cells))
    assert [line for line, _ in sweep.lines] == named


def test_a_point_is_the_mean_of_its_seeds_with_the_crossed_interval(bench: Bench) -> None:
    cells = [variant(bench, 0.5 + 0.1 * s + 0.02 * g, gamma=g, seed=s) for g in (0.0, 1.0, 2.0) for s in (0, 1)]
    (sweep,) = sweeps(tasks(bench, cells))
    for number, point in sweep.lines[0][1]:
        own = [cell for cell in cells if cell.params["gamma"] == sweep.values[number]]
        correct = Records().correct(own)
        assert point.accuracy == pytest.approx(correct.mean())
        expected = accuracy_interval(correct, np.arange(200))
        assert (point.lo, point.hi) == expected


@pytest.mark.parametrize(
    ("values", "is_log", "zero_apart"),
    [
        ((0.1, 1.0, 10.0), True, False),
        ((0, 0.1, 1, 10), True, True),
        ((1, 2, 9.9), False, False),
        ((0, 1, 2), False, False),
        ((1, 3, 10), True, False),
        ((-1, 1, 100), False, False),
        ((-2, -1, 0), False, False),
    ],
)
def test_values_a_decade_apart_lie_on_a_log_axis(values: tuple[float, ...], is_log: bool, zero_apart: bool) -> None:
    axis = sweep_figures.place(values)
    assert (axis.is_log, axis.zero_apart) == (is_log, zero_apart)
    assert (np.diff(axis.positions) > 0).all()
    for value, position in zip(values, axis.positions, strict=True):
        if is_log and value > 0:
            assert position == pytest.approx(math.log10(value))
        elif not is_log:
            assert position == value


def test_the_figure_says_what_its_axis_is(bench: Bench, figure_11: list[Cell]) -> None:
    found = {sweep.parameter: drawn(sweep) for sweep in sweeps(tasks(bench, figure_11))}
    assert "gamma (log scale, 0 set apart)" in found["gamma"]
    assert in_order(found["gamma"])[:4] == ["0", "0.1", "1", "10"]
    assert ">//<" in found["gamma"]
    assert "xi (log scale)" in found["xi"]
    assert "//<" not in found["xi"]
    assert {"dncnn", "unet", "accuracy, %"} <= set(in_order(found["backbone"]))
    dotted = "stroke-dasharray"
    assert found["gamma"].count(dotted) == 2, "from zero, which is off the scale, each line is dotted"
    assert found["xi"].count(dotted) == 0


@pytest.mark.parametrize("values", [(0.0, 1.0, 2.0, 5.0), (0.0, 0.001, 0.0011, 10.0), tuple(range(1, 31))])
def test_named_values_leave_room_for_each_other(bench: Bench, values: tuple[float, ...]) -> None:
    positions = sweep_figures.place(values).positions
    named = sweep_figures.with_room(positions)
    assert (named[0], named[-1]) == (0, len(values) - 1)
    gaps = np.diff([positions[i] for i in named])
    assert (gaps >= 0.059 * (positions[-1] - positions[0])).all()
    (sweep,) = sweeps(tasks(bench, [variant(bench, 0.5, gamma=value) for value in values]))
    assert in_order(drawn(sweep))[: len(named)] == [in_words(values[i]) for i in named]


def test_percents_along_an_axis_are_whole(bench: Bench) -> None:
    (sweep,) = sweeps(tasks(bench, [variant(bench, 0.6 + 0.04 * g, gamma=g) for g in (0.0, 1.0, 2.0)]))
    percents = [float(text) for text in in_order(drawn(sweep)) if re.fullmatch(r"\d\d", text)]
    assert len(percents) >= 4
    assert len(set(np.diff(percents))) == 1, "even steps, none rounded away"


def test_a_saved_sweep_names_its_lines(
    bench: Bench, figure_11: list[Cell], unpacked: Callable[[str], tuple[str, str]]
) -> None:
    for sweep in sweeps(tasks(bench, figure_11)):
        svg = drawn(sweep)
        plain, outlined = unpacked(svg)
        for line, _ in sweep.lines:
            assert in_order(plain).count(line) == 1
            assert f"<!-- {line} -->" in outlined
            assert line not in in_order(svg), "the page has a legend of its own"


def test_the_page_leaves_out_the_legend_and_the_room_it_takes(
    bench: Bench, figure_11: list[Cell], unpacked: Callable[[str], tuple[str, str]]
) -> None:
    sweep = sweeps(tasks(bench, figure_11))[1]
    figure, marks = sweep_figures.sweep_figure(sweep, assign(line for line, _ in sweep.lines), "s")
    without, svg = to_svg(figure, "s", "t", marks), drawn(sweep)
    (low, high) = (tuple(map(float, re.search('viewBox="(.*?)"', each)[1].split())) for each in (without, svg))
    assert low[1] == 0 < high[1]
    assert (high[0], *high[2:]) == (low[0], *low[2:])
    assert [element.count("<g ") for element in (without, svg)] == [without.count("<g ")] * 2
    moved = [
        [float(y) for y in re.findall(r'<circle class="point"[^>]* cy="([\d.]+)"', each)] for each in (without, svg)
    ]
    assert np.subtract(*reversed(moved)) == pytest.approx(high[1], abs=0.11)
    whole = re.search('viewBox="(.*?)"', unpacked(svg)[0])[1].split()
    assert [float(side) for side in whole] == pytest.approx([0, 0, high[2], high[1] + high[3]], abs=0.001)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.1, "0.1"),
        (1e-5, "1e-05"),
        (1.0, "1"),
        (4, "4"),
        (None, "null"),
        (True, "true"),
        ("unet", "unet"),
        ([1], "[1]"),
    ],
)
def test_values_in_words(value: object, words: str) -> None:
    assert in_words(value) == words


def test_the_page_draws_six_and_folds_the_rest(bench: Bench, figure_11: list[Cell]) -> None:
    text = render(bench.results(figure_11))
    assert text.count('aria-label="Accuracy over ') == 3
    assert "net over gamma · 8 colors · backbone unet, xi 1" in text
    values, levels = (0.0, 1.0, 2.0), range(2, 10)
    many = [variant(bench, 0.5, dataset="grid", level=level, gamma=g) for level in levels for g in values]
    text = render(bench.results(many))
    assert text.count('aria-label="Accuracy over gamma') == 8
    assert "<summary>2 more</summary>" in text
    assert 'id="parameters"' not in render(bench.results([variant(bench, 0.5, dataset="own")]))
    pairs = [cell for cell in many if cell.params["gamma"] != 2.0]
    assert 'id="parameters"' not in render(bench.results(pairs)), "curves over colors show them side by side"
