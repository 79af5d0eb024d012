from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.work.subsets import balanced_rows, held_out_rows


def test_each_class_keeps_its_share():
    labels = np.repeat([0, 1, 2], [600, 300, 100])[np.random.default_rng(0).permutation(1000)]
    rows = balanced_rows(labels, 100)
    assert Counter(labels[rows].tolist()) == {0: 60, 1: 30, 2: 10}
    assert (np.diff(rows) > 0).all()
    assert not np.array_equal(rows, balanced_rows(labels, 100, seed=1))
    assert np.array_equal(rows, balanced_rows(labels, 100))


def test_few_enough_images_are_all_kept():
    assert balanced_rows(np.array([3, 1, 1]), 3).tolist() == [0, 1, 2]
    assert balanced_rows(np.array([3, 1, 1]), 7).tolist() == [0, 1, 2]


@pytest.mark.parametrize("count", [3, 4, 50])
def test_a_rare_class_keeps_an_image(count):
    labels = np.repeat([0, 1, 2], [1, 2, 97])
    assert set(labels[balanced_rows(labels, count)]) == {0, 1, 2}


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(1, 70))
def test_as_many_rows_as_asked_for_in_nearly_equal_shares(labels, count):
    labels = np.array(labels)
    rows = balanced_rows(labels, count)
    assert len(rows) == min(count, len(labels)) == len(set(rows.tolist()))
    share = min(count, len(labels)) / len(labels)
    for label, size in Counter(labels.tolist()).items():
        kept = int((labels[rows] == label).sum())
        assert kept <= max(1, int(np.ceil(size * share)))


def test_whole_groups_are_held_out_in_each_classs_share():
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 300, 2000)
    labels = groups % 5
    keep, out = held_out_rows(labels, groups, 0.2, seed=0)
    assert sorted([*keep, *out]) == list(range(2000))
    assert not set(groups[keep]) & set(groups[out])
    for label in range(5):
        assert (labels[out] == label).sum() == pytest.approx(0.2 * (labels == label).sum(), abs=8)
    assert not np.array_equal(out, held_out_rows(labels, groups, 0.2, seed=1)[1])


def test_a_class_with_two_groups_gives_one_and_keeps_one():
    labels, groups = np.array([0, 0, 0, 1, 1, 2]), np.array([7, 7, 8, 9, 10, 11])
    for seed in range(5):
        keep, out = held_out_rows(labels, groups, 0.15, seed)
        assert sorted(set(labels[out])) == [0, 1]
        assert sorted(set(labels[keep])) == [0, 1, 2]
