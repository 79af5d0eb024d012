"""Where trials lie on the axes of a search's figures, held against arithmetic on what was tried."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox

from harness.contracts import SearchResult
from reports.search.axes import scales
from reports.search.figures import over_parameter, over_plane, parameter_figure
from reports.search.lines import curve, learning_curves, parallel, parallel_figure
from reports.search.marks import STATUSES, accuracy_ticks, color_range, shade
from reports.search.section import sections

if TYPE_CHECKING:
    from tests.reports.conftest import Searches

SLOT = {status: f"var(--v{style.slot})" for status, style in STATUSES.items()}


def dots(svg: str) -> dict[str, list[tuple[float, float]]]:
    """Where the markers of each status lie, in points, y upward."""
    found: dict[str, list[tuple[float, float]]] = {status: [] for status in SLOT}
    for x, y, fill in re.findall(r'<use href="[^"]*" x="([\d.]+)" y="([\d.]+)" style="fill: (var\(--v\d\))', svg):
        status = next(name for name, color in SLOT.items() if color == fill)
        found[status].append((float(x), -float(y)))
    return found


def words(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def over(searched: SearchResult, space: dict[str, Any], values: list[Any], searches: type[Searches]) -> Any:
    """The scale of a single parameter ``p`` with this domain and these values tried."""
    trials = [searches.trial(i, 0.5, {"p": value}) for i, value in enumerate(values)]
    (scale,) = scales(replace(searched, space={"p": space}, trials=tuple(trials)))
    return scale


@pytest.fixture
def drawn(searches: type[Searches]) -> SearchResult:
    return searches.of(searches.drawn(40))


def test_every_trial_is_a_mark_at_its_value_and_accuracy(drawn: SearchResult) -> None:
    for scale, measure in zip(scales(drawn)[:2], (math.log10, float), strict=True):
        found = dots(over_parameter(drawn, scale, "f"))
        xs, ys, values, accuracies = [], [], [], []
        for status, places in found.items():
            own = [t for t in drawn.trials if t.status == status]
            assert len(places) == len(own), status
            for (x, y), trial in zip(places, own, strict=True):
                if trial.accuracy is not None:
                    xs.append(x)
                    ys.append(y)
                    values.append(measure(trial.chosen[scale.parameter]))
                    accuracies.append(trial.accuracy)
        for seen, meant in ((xs, values), (ys, accuracies)):
            slope, start = np.polyfit(meant, seen, 1)
            assert slope > 0
            assert np.abs(np.asarray(meant) * slope + start - seen).max() < 0.06, "tenths of a point"


def test_what_has_no_accuracy_lies_at_the_foot(drawn: SearchResult) -> None:
    figure = over_parameter(drawn, scales(drawn)[0], "f")
    places = [place for status in dots(figure).values() for place in status]
    without = sum(trial.accuracy is None for trial in drawn.trials)
    foot = min(y for _, y in places)
    assert without == sum(y == foot for _, y in places) == 4


def test_statuses_differ_by_marker_and_two_trials_are_ringed(drawn: SearchResult) -> None:
    assert len({style.marker for style in STATUSES.values()}) == len({s.slot for s in STATUSES.values()}) == 4
    gamma, xi, _ = scales(drawn)
    for figure in (over_parameter(drawn, gamma, "f"), over_plane(drawn, gamma, xi, "f"), learning_curves(drawn, "f")):
        assert Counter(words(figure))["best"] == Counter(words(figure))["paper"] == 1
        assert figure.count("fill: none; stroke: var(--ink); stroke-width: 1.3") == 2
    alone = replace(drawn, best=0)
    assert "best, paper" in words(over_parameter(alone, gamma, "f"))
    assert "best" not in words(over_parameter(replace(drawn, best=None), gamma, "f"))


def test_colors_of_the_plane_are_accuracies(drawn: SearchResult) -> None:
    gamma, xi, _ = scales(drawn)
    figure = over_plane(drawn, gamma, xi, "f")
    filled = Counter(re.findall(r'style="fill: (#\w{6}|none); stroke: var\(--ink\); stroke-width: 0.5"', figure))
    low, high = color_range(drawn)
    assert (low, high) == (
        min(t.accuracy for t in drawn.trials if t.accuracy is not None),
        max(t.accuracy for t in drawn.trials if t.accuracy is not None),
    )
    expected = Counter(
        "none"
        if t.accuracy is None
        else "#" + "".join(f"{round(255 * c):02x}" for c in shade(t.accuracy, low, high)[:3])
        for t in drawn.trials
    )
    assert filled == expected
    brightness = [sum(shade(low + share * (high - low), low, high)[:3]) for share in np.linspace(0, 1, 9)]
    assert (np.diff(brightness) > 0).all()


@pytest.mark.parametrize(
    ("space", "is_numeric", "is_log"),
    [
        ({"loguniform": [1.0, 2.0]}, True, True),
        ({"uniform": [0.0, 100.0]}, True, False),
        ({"uniform": [0.1, 1.0]}, True, True),
        ({"randint": [1, 8]}, True, False),
        ({"randint": [1, 512]}, True, True),
        ({"grid": [1, 2, 4]}, True, False),
        ({"choice": [0.1, 1, 10]}, True, True),
        ({"choice": [1, 10]}, False, False),
        ({"choice": [1, 2, None]}, False, False),
        ({"choice": [True, False]}, False, False),
    ],
)
def test_which_axis_suits(
    space: dict[str, Any], is_numeric: bool, is_log: bool, searches: type[Searches], drawn: SearchResult
) -> None:
    ((_, values),) = space.items()
    scale = over(drawn, space, values, searches)
    assert (scale.is_numeric, scale.is_log) == (is_numeric, is_log)
    low, high = scale.ends
    assert all(low < position < high for position in scale.positions)
    assert all(low < position < high for position, _ in scale.ticks)
    if is_numeric:
        assert scale.positions == pytest.approx([math.log10(v) if is_log else v for v in values])
        for position, name in scale.ticks:
            assert float(name) == pytest.approx(10**position if is_log else position, rel=1e-5)
        assert len(scale.ticks) >= 3


@pytest.mark.parametrize(
    ("space", "start", "name"),
    [
        ({"loguniform": [0.1, 10.0]}, 0.0, "0"),
        ({"uniform": [1.0, 4.0]}, None, "null"),
        ({"grid": [0, 0.1, 10]}, 0, "0"),
        ({"randint": [1, 9]}, "auto", "auto"),
    ],
)
def test_what_has_no_place_on_the_axis_stands_apart(
    space: dict[str, Any], start: Any, name: str, searches: type[Searches], drawn: SearchResult
) -> None:
    scale = over(drawn, space, [start, 2.0, 3.0], searches)
    assert scale.apart is not None
    assert scale.positions[0] < scale.apart < min(scale.positions[1:])
    assert scale.ticks[0] == (scale.positions[0], name)
    one = replace(
        drawn, space={"p": space}, trials=tuple(searches.trial(i, 0.5, {"p": v}) for i, v in enumerate((start, 2)))
    )
    assert "//" in words(over_parameter(one, scales(one)[0], "f"))


def test_a_start_outside_its_range_is_still_on_the_axis(searches: type[Searches], drawn: SearchResult) -> None:
    scale = over(drawn, {"loguniform": [10.0, 100.0]}, [1.0, 20.0], searches)
    assert scale.apart is None
    assert scale.positions == pytest.approx((0, math.log10(20)))
    assert scale.ends[0] < 0


def test_trials_of_one_choice_share_a_strip_and_lie_apart(searches: type[Searches], drawn: SearchResult) -> None:
    tried = ["unet", "dncnn", "unet", "new", *["unet"] * 40]
    scale = over(drawn, {"choice": ["unet", "dncnn"]}, tried, searches)
    assert [name for _, name in scale.ticks] == ["unet", "dncnn", "new"], "what the space lacks comes last"
    strips = [round(position) for position in scale.positions]
    assert strips == [["unet", "dncnn", "new"].index(value) for value in tried]
    assert len(set(scale.positions)) == len(tried)
    assert all(abs(position - strip) <= 0.3 for position, strip in zip(scale.positions, strips, strict=True))


def test_a_curve_has_a_point_wherever_accuracy_was_measured(searches: type[Searches]) -> None:
    history = (
        {"loss": 2.0},
        {"validation_accuracy": 0.3},
        {"validation_accuracy": math.nan},
        {"validation_accuracy": 0.4},
    )
    assert curve(searches.trial(1, 0.4, history=history)) == [(2, 0.3), (4, 0.4)]
    silent = searches.of([searches.trial(i, 0.4, history=({"loss": 2.0},)) for i in range(3)])
    assert learning_curves(silent, "f") == ""
    assert "Over epochs" not in [figure.title for figure in sections([silent], [])[0].figures]


def test_curves_end_where_trials_did(drawn: SearchResult) -> None:
    found = dots(learning_curves(drawn, "f"))
    for status, places in found.items():
        own = [t for t in drawn.trials if t.status == status and t.history]
        assert len(places) == len(own)
        order = np.argsort([t.epochs for t in own], kind="stable")
        assert (np.diff(np.array([x for x, _ in places])[order]) >= 0).all()
        assert len({x for x, _ in places}) == len({t.epochs for t in own})
    assert found["stopped"][0][0] < found["finished"][0][0]


@pytest.mark.parametrize(("cycle", "lines"), [(1, 0), (2, 2), (3, 1), (4, 1), (5, 0)])
def test_light_lines_end_the_cycles(drawn: SearchResult, cycle: int, lines: int) -> None:
    figure = learning_curves(replace(drawn, cycle=cycle), "f")
    assert figure.count("stroke: var(--line); stroke-width: 1.2") == lines


def test_parallel_lines_pass_through_all_that_was_chosen(drawn: SearchResult) -> None:
    axes = scales(drawn)
    figure = parallel(drawn, axes, "f")
    found = re.findall(r'd="M ([\d. \n]+)" style="fill: none;[^"]*stroke: #', figure)
    lines = [[float(c) for c in text.split()] for text in found]
    measured = sorted(
        (i for i, t in enumerate(drawn.trials) if t.accuracy is not None),
        key=lambda i: (drawn.trials[i].accuracy, -drawn.trials[i].number),
    )
    marked = {0, drawn.best}
    order = [i for i in measured if i not in marked] + [i for i in measured if i in marked]
    assert len(lines) == len(order)
    seen = np.array([line[1::2] for line in lines])
    low, high = color_range(drawn)
    for column in range(4):
        if column < 3:
            (left, right), positions = axes[column].ends, axes[column].positions
            meant = [(positions[i] - left) / (right - left) for i in order]
        else:
            meant = [(drawn.trials[i].accuracy or 0) - low for i in order]
            meant = [value / (high - low) for value in meant]
        slope, start = np.polyfit(meant, seen[:, column], 1)
        assert slope < 0, "y runs downward"
        assert np.abs(np.asarray(meant) * slope + start - seen[:, column]).max() < 0.06
    unfinished = sum(drawn.trials[i].status != "finished" for i in measured)
    assert len(re.findall(r"stroke-dasharray[^\"]*stroke: #", figure)) == unfinished


def test_saved_figures_say_what_became_of_the_trials(
    drawn: SearchResult, unpacked: Callable[[str], tuple[str, str]]
) -> None:
    axes = scales(drawn)
    by_status = over_parameter(drawn, axes[0], "a"), over_plane(drawn, *axes[:2], "b"), learning_curves(drawn, "c")
    for svg in by_status:
        assert set(STATUSES) <= set(words(unpacked(svg)[0]))
        assert not set(STATUSES) & set(words(svg)), "the page has a legend of its own"
    assert {"finished", "did not finish"} <= set(words(unpacked(parallel(drawn, axes, "d"))[0]))
    finished = replace(drawn, trials=tuple(t for t in drawn.trials if t.number in (0, drawn.best)))
    assert "did not finish" not in words(unpacked(parallel(finished, scales(finished), "d"))[0])


def test_what_is_not_drawn_is_said(searches: type[Searches]) -> None:
    names = [f"p{number}" for number in range(10)]
    trials = [searches.trial(i, 0.1 * i, {name: 0.1 * i + n for n, name in enumerate(names)}) for i in range(5)]
    found = searches.of(trials, space={name: {"uniform": [0.0, 10.0]} for name in names})
    figures = sections([found], [])[0].figures
    assert [figure.title for figure in figures] == [
        *(f"Over {name}" for name in names),
        *("p0 and p1", "p0 and p2", "p0 and p3"),
        *("The first 8 of 10 parameters", "Over epochs"),
    ]
    assert figures[12].note.endswith(f"{10 * 9 // 2 - 3} more planes are not drawn.")


@pytest.mark.parametrize(
    ("limits", "labels"),
    [
        ((0.875, 0.895), ["87.5", "88.0", "88.5", "89.0", "89.5"]),
        ((0.81, 0.87), ["81", "82", "83", "84", "85", "86", "87"]),
        ((0.2, 0.9), ["20", "40", "60", "80"]),
        ((0.5, 0.5012), ["50.00", "50.02", "50.04", "50.06", "50.08", "50.10", "50.12"]),
    ],
)
def test_ticks_of_accuracies_say_what_they_stand_at(limits: tuple[float, float], labels: list[str]) -> None:
    ticks = accuracy_ticks(*limits)
    assert [words for _, words in ticks] == labels
    assert [100 * tick for tick, _ in ticks] == pytest.approx([float(words) for words in labels], abs=1e-9)


def test_a_narrow_range_has_true_ticks_in_every_figure(searches: type[Searches]) -> None:
    found = searches.of([searches.trial(i, 0.875 + i / 400, {"gamma": 1.0 + i, "xi": i / 9}) for i in range(9)])
    axes = scales(found)
    for figure in (parallel(found, axes, "f"), over_plane(found, *axes[:2], "f")):
        assert {"87.5", "88.0", "88.5", "89.0", "89.5"} <= set(words(figure))


def test_words_of_ticks_lie_beside_what_is_marked(searches: type[Searches]) -> None:
    """Trials at ticks of every axis, the best and the start at ticks of the accuracies; also one at the foot."""
    space = {"kappa": {"choice": [0.1, 0.2, 0.5, 2.0]}, "backbone": {"choice": ["unet", "dncnn"]}}
    chosen = [{"kappa": kappa, "backbone": "unet"} for kappa in (0.1, 0.2, 0.5)]
    trials = [searches.trial(i, (0.88, 0.9, 0.89)[i], values) for i, values in enumerate(chosen)]
    found = searches.of(trials, space=space)
    figure, _ = parallel_figure(found, scales(found), "f") or pytest.fail("nothing is drawn")
    lost = replace(found, trials=(searches.trial(0, None, chosen[0]), *trials[1:]), best=1)
    single, _ = parameter_figure(lost, scales(lost)[0], "f")
    for each in (figure, single):
        FigureCanvasAgg(each).draw()
        (axes,) = each.axes
        said = [text.get_window_extent() for text in axes.texts]
        said += [] if each is figure else [text.get_window_extent() for text in axes.get_xticklabels()]
        marked = list(_marked(axes))
        assert len(marked) > 4
        for box in marked:
            assert not [text for text in said if text.overlaps(box)]
    names = [text for text in axes.texts if text.get_text() in ("best", "paper")]
    ticks = [text.get_window_extent() for text in axes.get_xticklabels()]
    assert not [name for name in names for tick in ticks if name.get_window_extent().overlaps(tick)]


def _marked(axes: Axes) -> Iterator[Bbox]:
    """What markers and rings cover, in pixels."""
    pixels = axes.figure.dpi / 72
    for line in axes.lines:
        half = line.get_markersize() / 2 * pixels
        for x, y in line.get_transform().transform(line.get_xydata()) if line.get_marker() != "None" else ():
            yield Bbox.from_extents(x - half, y - half, x + half, y + half)
    for dots in axes.collections:
        half = math.sqrt(dots.get_sizes()[0]) / 2 * pixels
        for x, y in axes.transData.transform(dots.get_offsets()):
            yield Bbox.from_extents(x - half, y - half, x + half, y + half)
