"""Ranks over tasks against scipy, textbook formulas, published constants and slow loops."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from reports import ranks

DEMSAR = {2: 1.960, 3: 2.343, 4: 2.569, 5: 2.728, 6: 2.850, 7: 2.949, 8: 3.031, 9: 3.102, 10: 3.164}
"""Table 5(a) of Demšar (2006): critical values of Nemenyi's test at 0.05, by the number of classifiers."""


@pytest.mark.parametrize(("variants", "q"), DEMSAR.items())
def test_the_critical_difference_is_that_of_the_textbook(variants: int, q: float) -> None:
    assert ranks.critical_difference(variants, 14) == pytest.approx(
        q * math.sqrt(variants * (variants + 1) / (6 * 14)), rel=5e-4
    )


def test_ranks_are_counted_one_by_one() -> None:
    accuracies = np.round(np.random.default_rng(0).random((6, 5)), 1)
    found = ranks.ranks_of(accuracies)
    for row, ranked in zip(accuracies, found, strict=True):
        for value, rank in zip(row, ranked, strict=True):
            assert rank == 1 + sum(other > value for other in row) + (sum(other == value for other in row) - 1) / 2


def test_friedman_is_the_textbooks_chi2_of_mean_ranks() -> None:
    """Without ties: 12 N / (k (k + 1)) (sum of squared mean ranks - k (k + 1)^2 / 4)."""
    accuracies = np.random.default_rng(1).random((7, 4))
    found = ranks.friedman(accuracies)
    assert found is not None
    means = ranks.ranks_of(accuracies).mean(axis=0)
    assert found.chi2 == pytest.approx(12 * 7 / (4 * 5) * (float((means**2).sum()) - 4 * 25 / 4))
    assert found.p == pytest.approx(stats.chi2.sf(found.chi2, 3))


def test_friedman_needs_three_variants_and_two_tasks_that_are_not_all_ties() -> None:
    assert ranks.friedman(np.random.default_rng(1).random((7, 2))) is None
    assert ranks.friedman(np.random.default_rng(1).random((1, 4))) is None
    tied = ranks.friedman(np.full((3, 4), 0.5))
    assert tied is not None
    assert math.isnan(tied.p)


def slow_signed_rank(differences: list[float], margin: float, draws: int, seed: int) -> tuple[float, float, float]:
    z = [0.0, *differences]
    won = [0.0, 0.0, 0.0]
    for weights in np.random.default_rng(seed).dirichlet([0.5] + [1.0] * len(differences), draws):
        shares = [0.0, 0.0, 0.0]
        for i, j in itertools.product(range(len(z)), repeat=2):
            mean = (z[i] + z[j]) / 2
            shares[0 if mean < -margin else 2 if mean > margin else 1] += weights[i] * weights[j]
        best = [k for k in range(3) if shares[k] >= max(shares) - 1e-12]
        for k in best:
            won[k] += 1 / len(best) / draws
    return won[0], won[1], won[2]


@pytest.mark.parametrize(
    "differences", [[0.03, 0.002, -0.02], [0.05, 0.04], [-0.004, 0.001, 0.003, 0.0], [0.3, -0.3, 0.005, -0.005]]
)
def test_the_bayesian_signed_rank_test_is_the_slow_loop(differences: list[float]) -> None:
    found = ranks.signed_rank(differences, 0.01, draws=400, seed=3)
    expected = slow_signed_rank(differences, 0.01, 400, 3)
    assert (found.worse, found.same, found.better) == pytest.approx(expected)
    assert sum(expected) == pytest.approx(1)


def test_the_signed_rank_test_tells_the_clear_cases() -> None:
    assert ranks.signed_rank([0.2] * 8, 0.01).better > 0.99
    assert ranks.signed_rank([-0.2] * 8, 0.01).worse > 0.99
    assert ranks.signed_rank([0.001, -0.002] * 4, 0.01).same > 0.99
    assert ranks.signed_rank([0.2, 0.1], 0.01) == ranks.signed_rank([0.2, 0.1], 0.01), "drawn alike each time"
    assert ranks.signed_rank([0.2] * 2, 0.01).better < ranks.signed_rank([0.2] * 8, 0.01).better


def test_bars_join_what_lies_nearer_than_the_critical_difference() -> None:
    assert ranks.cliques([1.0, 1.5, 2.4, 4.0], 1.0) == ((0, 1), (1, 2))
    assert ranks.cliques([1.0, 1.5, 1.9, 4.0], 1.0) == ((0, 2),)
    assert ranks.cliques([1.0, 2.0, 3.0], 1.0) == ()
    assert ranks.cliques([1.0, 2.0, 3.0], 9.0) == ((0, 2),)


def test_names_that_nothing_separates_share_a_place() -> None:
    apart = {frozenset("ac"), frozenset("ad"), frozenset("bd")}
    assert ranks.places("abcd", lambda x, y: frozenset((x, y)) in apart) == (1, 1, 3, 3)
    assert ranks.places("abcd", lambda *_: True) == (1, 2, 3, 4)
    assert ranks.places("abcd", lambda *_: False) == (1, 1, 1, 1)
