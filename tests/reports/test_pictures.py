"""Figures, styles and the wording of numbers."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from harness.contracts import Cell
from harness.discovery import discover
from reports import drawing, figures, wording
from reports.bits_section import bits_views
from reports.points import Point, Task
from reports.styles import KNOWN, MARKERS, PALETTE, assign, by_name
from reports.trade_offs import KINDS, front_of


def test_styles_tell_56_variants_apart() -> None:
    styles = assign([f"v{i}" for i in range(56)] + ["v0"])
    assert len({(s.slot, s.marker) for s in styles.values()}) == 56 == len(PALETTE) * len(MARKERS)


def test_a_variant_looks_the_same_whatever_stands_beside_it() -> None:
    others = [f"other {i}" for i in range(20)]
    alone = {name: by_name([name])[name] for name in ("colorcnn", "median-cut", "mine")}
    together = by_name(["mine", *others, "colorcnn", "median-cut", *reversed(others)])
    free = by_name(others)
    assert alone["mine"] not in [*free.values(), *KNOWN.values()], "else another name is needed here"
    assert {name: together[name] for name in alone} == alone
    assert together == by_name(sorted(together))


def test_only_variants_of_the_same_style_give_way() -> None:
    names = [f"v{i}" for i in range(len(PALETTE) * len(MARKERS) - len(KNOWN))] + list(KNOWN)
    styles = by_name(names)
    assert len(set(styles.values())) == len(names) == len(PALETTE) * len(MARKERS)
    wanted = {name: by_name([name])[name] for name in names}
    for name in names:
        if styles[name] != wanted[name]:
            assert any(styles[other] == wanted[name] for other in names if other != name)
    last = "which comes last and finds all taken"
    assert by_name([*names, last])[last] == by_name([last])[last]


def test_known_styles_differ_and_are_of_methods_that_are_there() -> None:
    assert len(set(KNOWN.values())) == len(KNOWN)
    assert {name.split()[0] for name in KNOWN} <= set(discover().names("method"))


def luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize(("light", "dark"), PALETTE)
def test_colors_stand_out_from_both_papers(light: str, dark: str) -> None:
    """WCAG contrast: a line needs no more than to be seen, names are written in ink."""
    assert (luminance("#fdfcfa") + 0.05) / (luminance(light) + 0.05) > 2.2
    assert (luminance(dark) + 0.05) / (luminance("#15181c") + 0.05) > 4.5


@pytest.mark.parametrize("heights", [[0.9, 0.9, 0.9], [0.1, 0.5, 0.9], [0.99, 1.0, 0.98, 0.2], [0.0, 0.01, 0.0]])
def test_labels_are_moved_apart(heights: list[float]) -> None:
    moved = drawing.spread(heights, 0.06, 0.0, 1.03)
    assert np.diff(sorted(moved)).min() >= 0.06 - 1e-9
    assert 0 <= min(moved) <= max(moved) <= 1.03
    order = np.argsort(heights, kind="stable")
    assert (np.diff(np.array(moved)[order]) > 0).all()


CROWDED = [(10.0 + step, 50.0 - step % 2) for step in range(8)]
ONE_BELOW_THE_OTHER = [(0.0, 9.0 * row) for row in range(6)]
BESIDE_EACH_OTHER = [(30.0 * column, 40.0) for column in range(5)]


@pytest.mark.parametrize(
    ("places", "named"), [(CROWDED, 3), (ONE_BELOW_THE_OTHER, 3), (BESIDE_EACH_OTHER, 5), ([(0.0, 5.0)], 1), ([], 0)]
)
def test_names_of_levels_share_no_room_and_stay_by_their_points(places: list[tuple[float, float]], named: int) -> None:
    widths, height = [6.0 + 6 * (i % 3) for i in range(len(places))], 10.0
    tops = drawing.fitted(places, widths, height)
    assert all(top is None or 0 <= wanted - top <= 1.5 * height for top, (_, wanted) in zip(tops, places, strict=True))
    assert sum(top is not None for top in tops) == named
    for i, j in itertools.combinations(range(len(places)), 2):
        if places[i][0] < places[j][0] + widths[j] and places[j][0] < places[i][0] + widths[i]:
            one, other = tops[i], tops[j]
            assert one is None or other is None or abs(one - other) >= height


def test_names_of_levels_that_have_room_are_not_moved() -> None:
    apart = [(0.0, 40.0), (30.0, 41.0), (31.0, 29.0)]
    assert drawing.fitted(apart, [20.0, 6.0, 12.0], 10.0) == [40.0, 41.0, 29.0]


FEW = {2: (0.6, 0.50), 4: (1.2, 0.80), 8: (2.0, 0.87), 16: (2.9, 0.89), 32: (3.8, 0.893), 64: (4.9, 0.896)}
"""Bits per pixel and accuracy by level."""


def close_together(methods: int) -> Task:
    """Methods that are within 1 % of each other from level 8 on."""
    points = []
    planned = {"method": "m", "variant": "m", "params": {}, "level_kind": "colors", "level": 2, "fitted_on": ""}
    task = {"dataset": "toys", "classifier": "tinynet", "seed": 0, "precision": "fp32", "key": ""}
    cell = Cell(split="test", status="ok", **planned, **task)
    for i, (level, (bits, accuracy)) in itertools.product(range(methods), FEW.items()):
        accuracy += (0.01 if level < 8 else 0.002) * (i % 5)
        file = bits * (1 + 0.04 * i)
        measured = (("bpp_file", file), ("bpp_payload", 0.8 * file - 0.2), ("bpp_entropy", 3 * file**1.2))
        low, high = accuracy - 0.01, accuracy + 0.01
        points.append(
            Point(f"m{i}", cell, "colors", level, "ok", "", 1, 1, accuracy, low, high, 0.9, measured=measured)
        )
    return Task("toys", "tinynet", "frozen", (cell,), tuple(points), (), (), 0.9, 0.88, 0.92, 0.1, (), 200, 200)


def words_of(svg: str) -> dict[str, tuple[float, float]]:
    """Where the first of equal words in a figure stands, in points; none of those below and left of the axes."""
    found: dict[str, tuple[float, float]] = {}
    for style, x, y, words in re.findall(r'<text style="([^"]*)" x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)<', svg):
        if "end" not in style and "middle" not in style:
            found.setdefault(words, (float(x), float(y)))
    return found


def test_methods_that_end_at_one_accuracy_keep_their_names_apart() -> None:
    task = close_together(5)
    styles = assign(point.variant for point in task.points)
    names = words_of(figures.against_colors(task, styles, "f"))
    heights = sorted(names[f"m{i}"][1] for i in range(5))
    assert np.diff(heights).min() > 10, "letters of 10 points"
    svg = figures.against_bits(task, styles, "f")
    hidden_with = re.findall(r'data-variant="(m\d)">\s*<text[^>]*>(\d+)<', svg)
    assert sorted(hidden_with, key=str) == sorted((("m4", str(level)) for level in FEW), key=str), "the most bits"
    levels = words_of(svg)
    places = [levels[str(level)] for level in FEW]
    assert all(abs(y - b) > 8 or abs(x - a) > 8 for (x, y), (a, b) in itertools.combinations(places, 2))
    assert [x for x, _ in places] == sorted(x for x, _ in places)


def test_an_axis_lies_around_accuracies_that_take_less_than_half_of_it() -> None:
    task = close_together(3)
    styles = assign(point.variant for point in task.points)
    worse = replace(task.points[0], accuracy=0.3, lo=0.25, hi=0.35)

    def limits(points: tuple[Point, ...]) -> tuple[float, float]:
        found = figures.bits_figure(replace(task, points=points), styles, "f", KINDS[0])
        assert found is not None
        lo, hi = found[0].axes[0].get_ylim()
        assert all(lo < point.lo and point.hi < hi for point in points)
        return lo, hi

    lo, hi = limits(task.points)
    assert hi - lo < 0.5
    assert limits((*task.points[1:], worse)) == (0.0, 1.03)


def test_at_a_single_level_bits_are_drawn_around_the_points_that_have_it() -> None:
    """Names tell them apart, not their level; an untouched image of ten times their bits would press them together."""
    task = close_together(3)
    alone = [point for point in task.points if point.level == 8]
    tenfold = tuple((name, 10 * value) for name, value in alone[0].measured)
    untouched = replace(alone[0], variant="original", level_kind="none", level=None, measured=tenfold)
    styles = assign(["original", *(point.variant for point in task.points)])
    assert "8" in words_of(figures.against_bits(replace(task, points=(*task.points, untouched)), styles, "f"))
    (view, *_) = bits_views(replace(task, points=(*alone, untouched)), styles, {}, "f")
    named = set(re.findall(r"<text[^>]*>(8|m\d|original|chance)<", view.figure))
    assert named == {"m0", "m1", "m2", "original"}, "chance lies far below"
    assert view.figure.count('class="point"') == 3
    assert view.far_off == (("original", untouched.mean("bpp_file")),)


@pytest.mark.parametrize("methods", [2, 20])
def test_a_saved_figure_names_every_variant_in_full(methods: int, unpacked: Callable[[str], tuple[str, str]]) -> None:
    """Also where a name takes several lines; outlines have it as a comment."""
    names = {f"m{i}": f"m{i} dither=floyd-steinberg-clipped" for i in range(methods)}
    names["m1"] += " palettes=" + "_".join(["octree"] * 20)
    task = close_together(methods)
    task = replace(task, points=tuple(replace(point, variant=names[point.variant]) for point in task.points))
    styles = assign(names.values())

    def drawn() -> list[str]:
        return [figures.against_colors(task, styles, "f"), *(figures.against_bits(task, styles, "f", b) for b in KINDS)]

    assert drawn() == drawn()
    for svg in drawn():
        plain, outlined = unpacked(svg)
        for said in (re.findall("<text[^>]*>(.*?)</text>", plain), re.findall("<!-- (.*?) -->", outlined)):
            words = "".join(said).replace(" ", "")
            assert all(name.replace(" ", "") in words for name in names.values())
        for color in {style.color for style in styles.values()}:
            assert plain.count(color) > svg.count(color)


def test_more_names_than_have_room_are_left_to_the_legend() -> None:
    task = close_together(20)
    styles = assign(point.variant for point in task.points)
    assert not {f"m{i}" for i in range(20)} & set(words_of(figures.against_colors(task, styles, "f")))


@pytest.mark.parametrize(
    ("p", "said"),
    [
        (0.5, "= 0.50"),
        (1.0, "= 1.00"),
        (0.0123, "= 0.012"),
        (0.0011, "= 0.0011"),
        (2.5e-8, "= 2.5·10⁻⁸"),
        (1e-300, "< 10⁻¹⁵"),
        (math.nan, "not tested"),
    ],
)
def test_p_values_are_readable(p: float, said: str) -> None:
    assert wording.p_value(p) == said


def test_numbers_are_readable() -> None:
    assert wording.percent(0.8474) == "84.7\u202f%"
    assert wording.points(-0.0215) == "−2.1"
    assert wording.points_interval(-0.01, 0.02) == "[−1.0, +2.0]"
    assert [wording.counted(x) for x in (math.nan, math.inf, 14005.2, 820.0)] == ["–", "∞", "14,005", "820"]
    assert [wording.number(x) for x in (math.nan, math.inf, 1.005, 2.0)] == ["–", "∞", "1.00", "2.00"]
    assert [wording.listing(list(names)) for names in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
    assert not re.search(
        "nan", wording.percent(math.nan) + wording.points(math.nan) + wording.percent_interval(*[math.nan] * 2)
    )


LIMITS = [
    (0.8, 23.0),
    (2.1, 4.8),
    (3.05, 3.4),
    (0.01, 90.0),
    (1.0, 9.9),
    (1e-6, 1e3),
    (1.33, 1.48),
    (0.96, 1.04),
    (9.7, 10.4),
    (1.3331, 1.3347),
    (0.0213, 0.0229),
    (4999.0, 5011.0),
]


@pytest.mark.parametrize("limits", LIMITS)
def test_a_log_axis_has_a_few_round_ticks(limits: tuple[float, float]) -> None:
    ticks = drawing.round_ticks(limits)
    assert 3 <= len(ticks) <= 9
    assert ticks == sorted(set(ticks))
    assert all(limits[0] <= tick <= limits[1] for tick in ticks)
    labels = [f"{tick:g}" for tick in ticks]
    assert max(map(len, labels)) <= 6
    assert [float(label) for label in labels] == pytest.approx(ticks, rel=1e-12)


def marked(svg: str) -> dict[int, tuple[float, float]]:
    """Where the markers of a figure are, in points of its view box."""
    groups = re.findall(r'<g id="f-point-(\d+)"[^>]*>(.*?)</g>\s*</g>', svg, re.DOTALL)
    found = {}
    for number, group in groups:
        (place,) = re.findall(r'<use[^>]* x="([\d.]+)" y="([\d.]+)"', group)
        found[int(number)] = (float(place[0]), float(place[1]))
    return found


def fitted(values: list[float], pixels: list[float]) -> np.ndarray:
    """What a figure's axis says of each pixel, if its scale is linear in ``values``: residuals of a straight line."""
    slope, start = np.polyfit(pixels, values, 1)
    return np.abs(np.array(values) - (start + slope * np.array(pixels))) / abs(slope)


@pytest.mark.parametrize("methods", [2, 12])
def test_markers_stand_where_the_table_says(methods: int) -> None:
    """Coordinates are read back from the SVG: to tenths of a point all lie on one straight scale."""
    task = close_together(methods)
    styles = assign(point.variant for point in task.points)
    in_order = sorted(task.points, key=lambda p: (p.variant, p.level))
    drawn = [(figures.against_colors(task, styles, "f"), [math.log(p.level) for p in in_order])]
    for bits in KINDS:
        svg = figures.against_bits(task, styles, "f", bits)
        drawn.append((svg, [math.log(p.mean(bits.column)) for p in in_order]))
    for svg, values in drawn:
        places = marked(svg)
        assert sorted(places) == list(range(len(in_order)))
        x, y = zip(*(places[i] for i in range(len(in_order))), strict=True)
        assert fitted(values, list(x)).max() < 0.11
        assert fitted([p.accuracy for p in in_order], list(y)).max() < 0.11


def test_the_front_steps_from_marker_to_marker() -> None:
    task = close_together(5)
    styles = assign(point.variant for point in task.points)
    in_order = sorted(task.points, key=lambda p: (p.variant, p.level))
    for bits in KINDS:
        svg = figures.against_bits(task, styles, "f", bits)
        places = marked(svg)
        (path,) = re.findall(r'<g id="f-front">\s*<path d="([^"]*)"', svg)
        numbers = [float(number) for number in re.findall(r"[\d.]+", path)]
        corners = list(zip(numbers[::2], numbers[1::2], strict=True))
        expected = [places[in_order.index(point)] for point in front_of(task, bits)]
        assert 2 < len(expected) < len(in_order)
        assert np.abs(np.array(corners[::2]) - expected).max() < 0.11
        steps = [(after[0], before[1]) for before, after in itertools.pairwise(expected)]
        assert np.abs(np.array(corners[1::2]) - steps).max() < 0.11
