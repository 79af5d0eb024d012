from __future__ import annotations

import numpy as np
import pytest

from harness.work.judges import judge_of
from reports.statistics import estimate, wilson


@pytest.mark.parametrize("of_a_group", [1, 5])
@pytest.mark.parametrize("share", [0.05, 0.1, 0.17, 0.5, 1.0])
def test_interval_is_the_reports_and_touches_chance_where_it_should(share: float, of_a_group: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(1000) % 10
    predicted = np.where(rng.random(1000) < share, labels, (labels + 1) % 10)
    groups = np.arange(1000) // of_a_group
    judge = judge_of(predicted, labels, groups)
    correct = predicted == labels
    lo, hi = (
        wilson(correct.sum(), 1000) if of_a_group == 1 else estimate(correct.astype(float)[None], groups).interval()
    )
    assert (judge.lo, judge.hi) == pytest.approx((max(0, lo), min(1, hi)), abs=1e-12)
    assert judge.guesses == (lo <= 0.1)
    assert judge.guesses == (share < 0.12)


def test_naming_the_commonest_class_is_guessing() -> None:
    labels = np.array([0] * 600 + [1] * 200 + [2] * 200)
    assert judge_of(np.zeros(1000, int), labels, np.arange(1000)).guesses
    assert not judge_of(labels, labels, np.arange(1000)).guesses


def test_a_perfect_classifier_on_four_images_is_not_called_guessing() -> None:
    labels = np.arange(4)
    assert not judge_of(labels, labels, np.arange(4)).guesses


def test_images_of_one_source_tell_nothing() -> None:
    labels = np.arange(100) % 2
    assert judge_of(labels, labels, np.zeros(100, int)).guesses
