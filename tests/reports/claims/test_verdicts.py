"""The statistics of claims, against independent references and by small simulations with a fixed seed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.contracts import Part
from reports.claims.best import with_best
from reports.claims.contrasts import linear_contrast, steps
from reports.claims.numbers import Measured, all_met, another, p_met, p_not_met, reach
from reports.claims.verdicts import every
from reports.statistics import Estimate, estimate


def known(mean: float, deviation: float, trainings: int = 5, groups: int = 1000) -> Estimate:
    """All of the uncertainty is the trainings': Student's t with trainings - 1 degrees of freedom."""
    return Estimate(mean, trainings, groups, deviation**2 / trainings, 0.0)


def part(evidence: Estimate | None, bound: float = 0.0, mean: float = math.nan, unit: str = "accuracy") -> Part:
    own = mean if evidence is None else evidence.mean
    return Part("task", "a − b", own, bound, unit, evidence, "" if evidence else "one training", ("key",))


def test_intersection_union_is_the_largest_of_students_p() -> None:
    draw = np.random.default_rng(0)
    samples = [draw.normal(mean, 1.0, 6) for mean in (1.5, 2.0, 4.0)]
    found = every([part(known(x.mean(), x.std(ddof=1), len(x)), 0.2) for x in samples])
    p = [2 * stats.ttest_1samp(x, 0.2, alternative="greater").pvalue for x in samples]
    assert found.p == pytest.approx(max(p))
    assert [row.p for row in found.rows] == pytest.approx(p)
    lows = [stats.t.interval(0.95, 5, x.mean(), stats.sem(x))[0] for x in samples]
    highs = [stats.t.interval(1 - 0.05 / 3, 5, x.mean(), stats.sem(x))[1] for x in samples]
    assert (found.lo, found.hi) == pytest.approx((min(lows), min(highs)))
    assert found.effect == pytest.approx(min(x.mean() for x in samples))
    assert (found.verdict == "supported") == (min(lows) > 0.2)


@pytest.mark.parametrize(
    ("means", "verdict"),
    [
        ([5.0, 5.0], "supported"),
        ([5.0, 0.5], "not enough data"),
        ([5.0, -0.5], "not enough data"),
        ([5.0, -5.0], "contradicted"),
    ],
)
def test_verdict_interval_and_p_never_contradict_each_other(means: list[float], verdict: str) -> None:
    found = every([part(known(mean, 1.0)) for mean in means])
    assert found.verdict == verdict
    assert (found.lo > 0, found.hi < 0) == (verdict == "supported", verdict == "contradicted")
    assert (found.p < 0.05) == (verdict != "not enough data")


def test_a_part_says_its_bound_and_that_it_leans_the_other_way() -> None:
    found = every([part(known(-0.014, 0.001), -0.01), part(known(0.0, 0.1), -0.01), part(known(1.0, 0.1))])
    bound = "shown above −1.0 points"
    assert [row.note for row in found.rows] == [bound, bound, ""], "contradicted is not only leaning"
    leaning = every([part(known(-0.014, 0.003), -0.01)] * 3).rows[0]
    assert (leaning.verdict, leaning.hi < -0.01) == ("not enough data", True)
    assert leaning.note == f"{bound}; leans the other way, not at 5\u202f% shared by all parts"


def test_a_part_that_cannot_be_told_leaves_a_claim_open_but_not_its_contradiction() -> None:
    assert every([part(known(5.0, 1.0)), part(None, mean=0.3)]).verdict == "not enough data"
    assert every([part(known(5.0, 1.0)), part(None, mean=0.3)]).effect == 0.3
    assert every([part(known(-5.0, 1.0)), part(None, mean=0.3)]).verdict == "contradicted"
    assert every([part(known(5.0, 1.0))], missing=["another task failed"]).verdict == "not enough data"
    assert every([], missing=["nothing"]).rows == ()


def test_the_weakest_part_gives_effect_and_unit_where_units_differ() -> None:
    found = every([part(known(0.2, 0.01)), part(known(3.0, 2.0), unit="bits per pixel")])
    assert (found.verdict, found.effect, found.unit) == ("supported", 3.0, "bits per pixel")


def trainings(
    draw: np.random.Generator, means: list[float], spread: float, seeds: int = 4, images: int = 300
) -> np.ndarray:
    """``[K, S, N]`` of K trained variants: outcomes that share images and differ in their trainings."""
    hard = draw.normal(size=images)
    own = draw.normal(0, spread, (len(means), seeds, 1)) + np.array(means)[:, None, None]
    return own + 0.1 * hard + draw.normal(0, 0.3, (len(means), seeds, images))


GROUPS = np.arange(300)


def test_errors_of_intersection_union_by_simulation() -> None:
    """Of two parts one is 0 and one far above, the worst case of a claim that is wrong; then both 0: contradiction."""
    draw, replicates = np.random.default_rng(1), 400
    supported = contradicted = 0
    for _ in range(replicates):
        level, far = trainings(draw, [0.0, 5.0], 0.1)
        supported += every([part(estimate(x, GROUPS)) for x in (level, far)]).verdict == "supported"
        contradicted += every([part(estimate(x, GROUPS)) for x in (level, far - 5.0)]).verdict == "contradicted"
    slack = 3 * math.sqrt(0.025 * 0.975 / replicates)
    assert supported / replicates < 0.025 + slack
    assert contradicted / replicates < 0.025 + slack


def test_the_interval_of_the_smallest_mean_covers_it() -> None:
    draw, replicates, covered = np.random.default_rng(2), 400, 0
    for _ in range(replicates):
        found = every([part(estimate(x, GROUPS)) for x in trainings(draw, [0.3, 0.3, 0.4], 0.1)])
        covered += found.lo <= 0.3 <= found.hi
    assert covered / replicates > 0.95 - 3 * math.sqrt(0.05 * 0.95 / replicates)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_linear_contrast_is_the_slope_of_the_regression_line(count: int) -> None:
    means = np.random.default_rng(count).normal(size=count)
    weights = np.array(linear_contrast(count))
    assert weights.sum() == pytest.approx(0)
    assert weights[weights > 0].sum() == pytest.approx(1)
    slope = stats.linregress(np.arange(count), means).slope
    of_one_step = weights @ np.arange(count)
    assert weights @ means == pytest.approx(slope * of_one_step)
    assert steps(count) == [(i, i + 1) for i in range(count - 1)]


def test_the_contrast_of_independent_trainings_keeps_its_level_and_finds_a_trend() -> None:
    """Trainings of the three classifiers have nothing in common but the images; they are paired by their seeds."""
    draw, replicates, found = np.random.default_rng(3), 300, {0.0: 0, 0.5: 0}
    weights = np.array(linear_contrast(3))
    for trend in found:
        for _ in range(replicates):
            losses = trainings(draw, [0.0, trend / 2, trend], 0.1)
            contrast = estimate(np.tensordot(weights, losses, 1), GROUPS)
            found[trend] += every([part(contrast)]).verdict == "supported"
    assert found[0.0] / replicates < 0.025 + 3 * math.sqrt(0.025 * 0.975 / replicates)
    assert found[0.5] / replicates > 0.8


def dunnett_with_best(samples: list[np.ndarray]) -> list[tuple[float, float]]:
    """Hsu's intervals by scipy's Dunnett intervals: each sample in turn is the control."""
    found = []
    for i, control in enumerate(samples):
        others = [x for j, x in enumerate(samples) if j != i]
        below = stats.dunnett(*others, control=control, alternative="greater").confidence_interval(0.95).low
        above = stats.dunnett(*others, control=control, alternative="less").confidence_interval(0.95).high
        found.append((min(0.0, -max(above)), max(0.0, -max(below))))
    return found


def test_hsus_intervals_hold_scipys_of_dunnett_and_are_hardly_wider() -> None:
    """One-way, equal variances, many degrees of freedom: there Dunnett's critical value is exact."""
    draw = np.random.default_rng(4)
    samples = [draw.normal(mean, 1.0, 60) for mean in (0.0, 0.3, 1.1, 1.2)]
    pooled = math.sqrt(np.mean([x.var(ddof=1) for x in samples]))
    deviation = pooled * math.sqrt(2 / 60)

    def differences(i: int, j: int) -> Estimate:
        return Estimate(samples[i].mean() - samples[j].mean(), 4 * 59 + 1, 1, deviation**2, 0.0)

    ours, theirs = with_best(differences, 4), dunnett_with_best(samples)
    assert [hi > 0 for _, hi in ours] == [hi > 0 for _, hi in theirs] == [False, False, True, True]
    for (lo, hi), (low, high) in zip(ours, theirs, strict=True):
        assert lo <= low + 1e-3
        assert hi >= high - 1e-3
        assert hi - lo < 1.08 * (high - low) + 1e-3


def test_hsus_intervals_cover_together_with_unequal_spreads() -> None:
    """The best of four varies less between trainings than the others, where Dunnett's value would be too small."""
    draw, replicates, covered = np.random.default_rng(5), 300, 0
    means, spreads = np.array([0.5, 0.45, 0.45, 0.2]), np.array([0.01, 0.15, 0.15, 0.3])
    truth = [mean - max(other for j, other in enumerate(means) if j != i) for i, mean in enumerate(means)]
    for _ in range(replicates):
        values = means[:, None] + draw.normal(size=(4, 5)) * spreads[:, None]

        def differences(i: int, j: int, values: np.ndarray = values) -> Estimate:
            apart = values[i] - values[j]
            return known(apart.mean(), apart.std(ddof=1))

        intervals = with_best(differences, 4)
        covered += all(lo <= true <= hi for (lo, hi), true in zip(intervals, truth, strict=True))
    assert covered / replicates > 0.95 - 3 * math.sqrt(0.05 * 0.95 / replicates)


def measured(ours: Estimate, stated: float, margin: float = 0.01) -> Measured:
    return Measured(part(ours), stated, margin)


def test_another_training_is_predicted_as_a_textbook_does() -> None:
    """The prediction interval of one further observation: mean ± t s sqrt(1 + 1 / S)."""
    values = np.random.default_rng(6).normal(0.6, 0.02, 5)
    ours = known(values.mean(), values.std(ddof=1))
    half = stats.t.ppf(0.975, 4) * values.std(ddof=1) * math.sqrt(1 + 1 / 5)
    assert another(ours).interval() == pytest.approx((values.mean() - half, values.mean() + half))
    assert reach(ours, 0.01) == pytest.approx(0.01 + stats.norm.ppf(0.975) * values.std(ddof=1))


def test_numbers_of_the_same_recipe_are_seldom_called_missed() -> None:
    draw, replicates, missed, met = np.random.default_rng(7), 2000, 0, 0
    for _ in range(replicates):
        *own, stated = draw.normal(0.6, 0.02, 6)
        verdict = all_met([measured(known(np.mean(own), np.std(own, ddof=1)), stated, 1e-9)]).verdict
        missed, met = missed + (verdict == "contradicted"), met + (verdict == "supported")
    assert missed / replicates == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / replicates)), (
        "exact without margin"
    )
    assert met > 0


def test_numbers_of_a_recipe_that_is_far_off_are_missed_and_never_met() -> None:
    draw, found = np.random.default_rng(8), []
    for _ in range(300):
        *own, stated = draw.normal(0.6, 0.01, 6)
        found.append(all_met([measured(known(np.mean(own), np.std(own, ddof=1)), stated - 0.12)]).verdict)
    assert found.count("contradicted") > 285
    assert "supported" not in found


def test_p_of_numbers_goes_with_their_verdict() -> None:
    for difference in (0.0, 0.02, 0.05, 0.2):
        ours = known(0.6 + difference, 0.01)
        found = all_met([measured(ours, 0.6)])
        shifted = known(difference, 0.01)
        assert (found.verdict == "supported") == (p_met(shifted, 0.01) < 0.05)
        assert (found.verdict == "contradicted") == (p_not_met(shifted, 0.01) < 0.05)
    assert all_met([measured(known(0.6, 0.01), 0.6)]).verdict == "supported"
    assert all_met([measured(known(0.8, 0.01), 0.6)]).verdict == "contradicted"
    assert all_met([measured(known(0.635, 0.01), 0.6)]).verdict == "not enough data"
