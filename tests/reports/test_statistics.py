"""The statistics against slow, obvious loops and other libraries."""

from __future__ import annotations

import math
from fractions import Fraction

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


def test_holm_of_some_is_no_easier_than_of_all() -> None:
    p = np.random.default_rng(0).random(40) ** 3
    whole = statistics.holm(p)
    assert (statistics.holm(p[::3], of=40) >= whole[::3] - 1e-12).all()
    smallest = np.argsort(p)[:10]
    assert statistics.holm(p[smallest], of=40) == pytest.approx(whole[smallest])


@pytest.mark.parametrize(
    ("p", "expected"),
    [(0.0009, "***"), (0.001, "**"), (0.009, "**"), (0.01, "*"), (0.049, "*"), (0.05, ""), (math.nan, "")],
)
def test_stars(p: float, expected: str) -> None:
    assert statistics.stars(p) == expected


def two_parts_slowly(values, groups):
    """The two variances in plain loops."""
    trainings, images = len(values), len(values[0])
    names = sorted(set(groups))
    count = len(names)
    own = [sum(row) / images for row in values]
    u = [
        [count / images * sum(v - own[s] for v, g in zip(row, groups, strict=True) if g == name) for name in names]
        for s, row in enumerate(values)
    ]
    c = [
        [
            sum((x - sum(u[s]) / count) * (y - sum(u[t]) / count) for x, y in zip(u[s], u[t], strict=True))
            / (count - 1)
            / count
            for t in range(trainings)
        ]
        for s in range(trainings)
    ]
    whole, trace = sum(map(sum, c)), sum(c[s][s] for s in range(trainings))
    if trainings == 1:
        return 0.0, whole
    mean = sum(own) / trainings
    a = sum((x - mean) ** 2 for x in own) / (trainings - 1) / trainings
    shared = (trace - whole / trainings) / (trainings * (trainings - 1))
    return a, max(0.0, whole / trainings**2 - shared)


@pytest.mark.parametrize("trainings", [1, 2, 5])
@pytest.mark.parametrize("sources", [None, 15])
def test_the_two_parts_are_those_of_plain_loops(trainings: int, sources: int | None) -> None:
    rng = np.random.default_rng(trainings)
    values = rng.integers(-1, 2, (trainings, 60)) + rng.integers(0, 2, 60)
    groups = np.arange(60) if sources is None else rng.integers(0, sources, 60)
    found = statistics.estimate(values, groups)
    assert found.mean == pytest.approx(values.mean())
    assert (found.of_trainings, found.of_groups) == pytest.approx(two_parts_slowly(values.tolist(), groups.tolist()))


def test_one_training_on_independent_images_is_students_t() -> None:
    values = np.random.default_rng(0).integers(-1, 2, 200)
    found = statistics.estimate(values[None], np.arange(200))
    student = stats.ttest_1samp(values, 0.0)
    assert found.p() == pytest.approx(student.pvalue, rel=1e-6)
    assert found.interval() == pytest.approx(tuple(student.confidence_interval(0.95)))


def test_trainings_alone_are_students_t_over_their_means() -> None:
    values = np.repeat([[1], [0], [1], [1]], 20_000, axis=1) * 0.5
    found = statistics.estimate(values, np.arange(20_000))
    assert found.p() == pytest.approx(stats.ttest_1samp(values.mean(axis=1), 0.0).pvalue, rel=1e-6)


@pytest.mark.parametrize("alpha", [0.2, 0.05, 1e-3, 1e-8])
@pytest.mark.parametrize("trainings", [1, 2, 3, 10])
def test_p_is_where_the_interval_reaches_zero(alpha: float, trainings: int) -> None:
    found = statistics.Estimate(0.0, trainings, 300, 2e-4 if trainings > 1 else 0.0, 1e-4)
    at_zero = statistics.Estimate(found.half_width(alpha), trainings, 300, found.of_trainings, found.of_groups)
    assert at_zero.p() == pytest.approx(alpha, rel=1e-6)
    assert at_zero.interval(alpha)[0] == pytest.approx(0.0, abs=1e-12)


def test_p_has_no_floor_and_holm_over_a_large_family_keeps_its_stars() -> None:
    """42 variants x 6 levels, each 38 points ahead in five trainings: all are significant, with three stars."""
    rng = np.random.default_rng(0)
    ahead = [rng.random((5, 1800)) < 0.38 + rng.normal(0, 0.01, (5, 1)) for _ in range(252)]
    p = statistics.holm([statistics.estimate(d.astype(int), np.arange(1800)).p() for d in ahead])
    assert {statistics.stars(value) for value in p} == {"***"}


def test_a_mean_without_doubt_has_a_width_and_p_is_never_zero() -> None:
    everything = statistics.estimate(np.ones((3, 100), int), np.arange(100))
    lo, hi = everything.interval()
    assert 0.9 < lo < 1 < hi
    assert 0 < everything.p() < 1e-20
    nothing = statistics.estimate(np.zeros((3, 100), int), np.arange(100))
    assert nothing.p() == 1.0
    assert nothing.interval()[0] < 0 < nothing.interval()[1]


def test_one_training_on_one_source_says_nothing() -> None:
    found = statistics.estimate(np.array([[1, 0, 1]]), np.zeros(3, int))
    assert math.isnan(found.p())
    assert math.isnan(found.p_within(0.01))
    assert all(math.isnan(end) for end in found.interval())


def test_groups_widen_an_interval_that_images_would_narrow() -> None:
    sources = np.random.default_rng(0).integers(0, 2, 60)
    correct, groups = np.repeat(sources, 5)[None], np.repeat(np.arange(60), 5)
    lo, hi = statistics.accuracy_interval(correct, groups)
    naive_lo, naive_hi = statistics.wilson(int(correct.sum()), correct.size)
    assert hi - lo > 1.8 * (naive_hi - naive_lo)


def test_the_order_of_images_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    values, groups = rng.integers(-1, 2, (3, 60)), rng.integers(0, 20, 60)
    order = rng.permutation(60)
    first, again = statistics.estimate(values, groups), statistics.estimate(values[:, order], groups[order])
    assert first.p() == pytest.approx(again.p(), rel=1e-9)


@pytest.mark.parametrize("margin", [0.01, 0.05])
def test_two_one_sided_tests_agree_with_the_interval_at_twice_their_level(margin: float) -> None:
    for center in np.linspace(-0.08, 0.08, 33):
        estimated = statistics.Estimate(float(center), 5, 500, 2e-5, 1e-5)
        paired = statistics.Discordant(40 + round(1000 * center), 40, 1000) if center >= -0.04 else None
        for found in filter(None, (estimated, paired)):
            if found is paired and found.p() >= 0.1:
                continue  # its interval was stretched to zero
            lo, hi = found.interval(0.1)
            assert (found.p_within(margin) < 0.05) == (-margin < lo and hi < margin)


def test_at_the_margin_either_side_is_as_likely() -> None:
    for mean in (0.01 - 1e-9, 0.01 + 1e-9, -0.01 - 1e-9):
        assert statistics.Estimate(mean, 5, 500, 2e-5, 1e-5).p_within(0.01) == pytest.approx(0.5, abs=1e-4)


def test_bonett_prices_interval_is_that_of_the_article() -> None:
    """The formula itself, for counts where nothing is stretched (Bonett & Price 2012, Eq. 4)."""
    b, c, n = 30, 12, 200
    a, d = (b + 1) / (n + 2), (c + 1) / (n + 2)
    half = stats.norm.ppf(0.975) * math.sqrt((a + d - (a - d) ** 2) / (n + 2))
    assert statistics.Discordant(b, c, n).interval() == pytest.approx((a - d - half, a - d + half))


def test_interval_and_p_of_one_training_never_contradict_each_other() -> None:
    for n in (20, 100, 1000):
        for b in range(0, min(n, 60) + 1):
            for c in range(0, min(n - b, 60) + 1, 3):
                found = statistics.Discordant(b, c, n)
                for alpha in (0.05, 0.001):
                    lo, hi = found.interval(alpha)
                    assert (lo <= 0 <= hi) == (found.p() >= alpha), (b, c, n, alpha)
                assert found.p() >= statistics.mcnemar_midp(b, c)


def test_accuracy_interval_picks_its_method() -> None:
    images = np.array([[1, 0, 1, 1]])
    assert statistics.accuracy_interval(images, np.arange(4)) == statistics.wilson(3, 4)
    assert all(math.isnan(end) for end in statistics.accuracy_interval(images, np.zeros(4, int)))
    everything, groups = np.ones((1, 200), np.int64), np.arange(200) // 2
    assert statistics.accuracy_interval(everything, groups) == statistics.wilson(100, 100)
    assert statistics.accuracy_interval(np.ones((3, 200), np.int64), groups)[1] == 1.0
    almost = everything.copy()
    almost[0, :2] = 0
    lo, hi = statistics.accuracy_interval(almost, groups)
    assert 0.94 < lo < 0.99 < hi < 1
