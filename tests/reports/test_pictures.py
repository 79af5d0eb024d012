"""Figures, styles and the wording of numbers."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from reports import drawing, wording
from reports.styles import MARKERS, PALETTE, assign


def test_styles_tell_56_variants_apart() -> None:
    styles = assign([f"v{i}" for i in range(56)] + ["v0"])
    assert len({(s.slot, s.marker) for s in styles.values()}) == 56 == len(PALETTE) * len(MARKERS)


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


@pytest.mark.parametrize(
    ("p", "at_floor", "said"),
    [
        (0.5, False, "= 0.50"),
        (1.0, False, "= 1.00"),
        (0.0123, False, "= 0.012"),
        (0.0011, False, "= 0.0011"),
        (2.5e-8, False, "= 2.5·10⁻⁸"),
        (2 / 10_001, True, "≤ 0.0002"),
        (24 / 10_001, True, "≤ 0.0024"),
        (math.nan, False, "not tested"),
    ],
)
def test_p_values_are_readable(p: float, at_floor: bool, said: str) -> None:
    assert wording.p_value(p, at_floor) == said


def test_numbers_are_readable() -> None:
    assert wording.percent(0.8474) == "84.7\u202f%"
    assert wording.points(-0.0215) == "−2.1"
    assert wording.points_interval(-0.01, 0.02) == "[−1.0, +2.0]"
    assert [wording.number(x) for x in (math.nan, math.inf, 1.005, 2.0)] == ["–", "∞", "1.00", "2.00"]
    assert [wording.listing(list(names)) for names in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
    assert not re.search(
        "nan", wording.percent(math.nan) + wording.points(math.nan) + wording.percent_interval(*[math.nan] * 2)
    )


@pytest.mark.parametrize("limits", [(0.8, 23.0), (2.1, 4.8), (3.05, 3.4), (0.01, 90.0), (1.0, 9.9), (1e-6, 1e3)])
def test_a_log_axis_has_a_few_round_ticks(limits: tuple[float, float]) -> None:
    ticks = drawing.round_ticks(limits)
    assert 2 <= len(ticks) <= 13
    assert all(limits[0] <= tick <= limits[1] for tick in ticks)
    assert all(float(f"{tick:.2g}") == pytest.approx(tick) for tick in ticks)
