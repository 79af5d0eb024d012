"""The statistics against slow, obvious loops and other libraries."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from reports import statistics


@pytest.mark.parametrize(("right", "n"), [(0, 5), (5, 5), (1, 2), (47, 50), (897, 1000), (3, 10_000)])
def test_wilson_is_that_of_statsmodels(right: int, n: int) -> None:
    assert statistics.wilson(right, n) == pytest.approx(proportion_confint(right, n, method="wilson"), abs=1e-12)


@pytest.mark.parametrize("n", range(1, 60))
@pytest.mark.parametrize("all_right", [False, True])
def test_wilson_holds_the_share_also_where_nothing_or_everything_is_right(n: int, all_right: bool) -> None:
    lo, hi = statistics.wilson(n * all_right, n)
    assert lo <= float(all_right) <= hi


def exact_midp(b: int, c: int) -> float:
    """Counts all 2^n ways to split the discordant images: more extreme ones whole, equally extreme ones half."""
    n = b + c
    p = Fraction(0)
    for x in range(n + 1):
        weight = Fraction(math.comb(n, x), 2**n)
        if abs(2 * x - n) > abs(b - c):
            p += weight
        elif abs(2 * x - n) == abs(b - c):
            p += weight / 2
    return float(p)


@pytest.mark.parametrize(("b", "c"), [(0, 1), (1, 0), (3, 9), (9, 3), (10, 25), (0, 30), (200, 260)])
def test_midp_counts_the_observed_split_half(b: int, c: int) -> None:
    assert statistics.mcnemar_midp(b, c) == pytest.approx(exact_midp(b, c), rel=1e-9)
    exact = mcnemar([[0, b], [c, 0]], exact=True).pvalue
    assert statistics.mcnemar_midp(b, c) == pytest.approx(exact - stats.binom.pmf(min(b, c), b + c, 0.5), rel=1e-9)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 1), (40, 40)])
def test_midp_of_equal_counts_is_one(b: int, c: int) -> None:
    assert statistics.mcnemar_midp(b, c) == pytest.approx(1.0)


def test_midp_holds_its_level() -> None:
    share = {
        n: sum(math.comb(n, x) / 2**n for x in range(n + 1) if statistics.mcnemar_midp(x, n - x) < 0.05)
        for n in (10, 40, 100)
    }
    assert all(0.01 < value < 0.06 for value in share.values()), share


def test_holm_is_that_of_statsmodels() -> None:
    p = np.array([0.04, 1e-9, 0.011, 0.9, 0.011, 0.02, 1.0])
    assert statistics.holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_holm_does_not_count_what_was_not_tested() -> None:
    adjusted = statistics.holm([0.01, math.nan, 0.03])
    assert adjusted[[0, 2]] == pytest.approx([0.02, 0.03])
    assert math.isnan(adjusted[1])
    assert statistics.holm([]).shape == (0,)


@pytest.mark.parametrize(
    ("p", "expected"),
    [(0.0009, "***"), (0.001, "**"), (0.009, "**"), (0.01, "*"), (0.049, "*"), (0.05, ""), (math.nan, "")],
)
def test_stars(p: float, expected: str) -> None:
    assert statistics.stars(p) == expected


def exact_distribution(values: np.ndarray, groups: np.ndarray) -> dict[Fraction, Fraction]:
    """The crossed bootstrap's mean, enumerated: every draw of seeds with every draw of groups."""
    members = [np.flatnonzero(groups == g) for g in np.unique(groups)]
    found: Counter[Fraction] = Counter()
    for seeds in product(range(len(values)), repeat=len(values)):
        for drawn in product(members, repeat=len(members)):
            images = np.concatenate(drawn)
            total = sum(int(values[s, i]) for s in seeds for i in images)
            found[Fraction(total, len(seeds) * len(images))] += 1
    whole = sum(found.values())
    return {mean: Fraction(count, whole) for mean, count in found.items()}


@pytest.mark.parametrize(
    ("values", "groups"),
    [
        ([[1, 0, 0, 1]], [0, 1, 2, 3]),
        ([[1, 0, -1, 1, 1, 0]], [5, 5, 2, 2, 2, 9]),
        ([[1, 0, 0, 1], [1, 1, 0, -1]], [0, 1, 2, 2]),
        ([[1, 0, 1], [0, 0, 1], [-1, 1, 1]], [0, 1, 2]),
    ],
    ids=["images", "groups", "two seeds, groups", "three seeds"],
)
def test_the_bootstrap_has_the_distribution_of_all_draws(values: list[list[int]], groups: list[int]) -> None:
    exact = exact_distribution(np.array(values), np.array(groups))
    drawn = statistics.bootstrap_means(np.array(values), np.array(groups), seed=7, replicates=40_000)
    means = np.array([float(m) for m in exact])
    weights = np.array([float(w) for w in exact.values()])
    counts = np.array([np.isclose(drawn, m, atol=1e-9).sum() for m in means])
    assert counts.sum() == len(drawn), "a mean that no draw can give"
    often = weights * len(drawn) >= 5
    expected = np.append(weights[often], weights[~often].sum() + 1e-9) * len(drawn)
    seen = np.append(counts[often], counts[~often].sum())
    assert stats.chisquare(seen, expected * seen.sum() / expected.sum()).pvalue > 1e-3


def test_all_seeds_share_an_image_draw() -> None:
    """Seeds that agree on every image add nothing: the spread is that of one seed, not less."""
    one = np.random.default_rng(0).integers(0, 2, (1, 300))
    groups = np.arange(300)
    single = statistics.bootstrap_means(one, groups, seed=1).std()
    crossed = statistics.bootstrap_means(np.repeat(one, 4, axis=0), groups, seed=2).std()
    assert crossed == pytest.approx(single, rel=0.05)


def test_a_draw_does_not_depend_on_the_order_of_images() -> None:
    rng = np.random.default_rng(3)
    values, groups = rng.integers(-1, 2, (2, 60)), rng.integers(0, 20, 60)
    order = rng.permutation(60)
    first = statistics.bootstrap_means(values, groups, seed=5)
    again = statistics.bootstrap_means(values[:, order], groups[order], seed=5)
    assert np.array_equal(first, again)


def test_drawing_in_blocks_changes_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    values, groups = np.array([[1, 0, 1, 1, 0, 0, 1, 1]]), np.arange(8) // 2
    monkeypatch.setattr(statistics, "_DRAWS_AT_ONCE", 7)
    blocks = statistics.bootstrap_means(values, groups, seed=5, replicates=1001)
    assert blocks.shape == (1001,)
    assert blocks.mean() == pytest.approx(5 / 8, abs=0.03)


def test_groups_widen_an_interval_that_images_would_narrow() -> None:
    sources = np.random.default_rng(0).integers(0, 2, 60)
    correct, groups = np.repeat(sources, 5)[None], np.repeat(np.arange(60), 5)
    lo, hi = statistics.accuracy_interval(correct, groups, seed=1)
    naive_lo, naive_hi = statistics.wilson(int(correct.sum()), correct.size)
    assert hi - lo > 1.8 * (naive_hi - naive_lo)


def test_accuracy_interval_picks_its_method() -> None:
    images = np.array([[1, 0, 1, 1]])
    assert statistics.accuracy_interval(images, np.arange(4), 0) == statistics.wilson(3, 4)
    everything = np.ones((1, 6), np.int64)
    assert statistics.accuracy_interval(everything, np.arange(6) // 2, 0) == statistics.wilson(3, 3)
    assert all(math.isnan(end) for end in statistics.accuracy_interval(images, np.zeros(4, int), 0))


def test_bootstrap_p_agrees_with_its_interval_and_never_reaches_zero() -> None:
    rng = np.random.default_rng(0)
    for shift in np.linspace(-3, 3, 25):
        replicates = rng.normal(shift, 1, 9999)
        lo, hi = statistics.percentile_interval(replicates)
        if min(abs(lo), abs(hi)) > 0.05:
            assert (statistics.bootstrap_p(replicates) < 0.05) == (lo > 0 or hi < 0)
    smallest = statistics.bootstrap_p(np.ones(statistics.REPLICATES))
    assert smallest == statistics.SMALLEST_BOOTSTRAP_P > 1 / (statistics.REPLICATES + 1)
    assert statistics.bootstrap_p(np.zeros(100)) == 1.0


def test_seeds_follow_from_keys() -> None:
    assert statistics.random_seed("a", "b") == statistics.random_seed("a", "b")
    assert len({statistics.random_seed(*keys) for keys in (("a", "b"), ("b", "a"), ("ab",), ("a",))}) == 4
