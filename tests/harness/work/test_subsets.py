from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contracts import ContractError
from harness.work.subsets import balanced_rows, held_out_rows, whole_group_rows


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


def test_whole_groups_are_tested_in_each_classs_share_and_fewer_are_part_of_more():
    rng = np.random.default_rng(5)
    groups = rng.integers(0, 400, 2000)
    labels = np.minimum(groups % 10, 4)  # the last class has most of the images
    largest, before = int(np.bincount(groups).max()), np.array([], np.int64)
    for count in (60, 500, 501, 1999, 2000, 3000):
        rows = whole_group_rows(labels, groups, count)
        assert (np.diff(rows) > 0).all()
        assert not set(groups[rows]) & set(np.delete(groups, rows)), "no group is torn"
        assert set(before) <= set(rows)
        assert count - largest < len(rows) <= count or len(rows) == 2000
        for label in range(5):
            share = (labels == label).mean() * len(rows)
            assert (labels[rows] == label).sum() == pytest.approx(share, abs=largest + 1)
        before = rows
    assert np.array_equal(whole_group_rows(labels, groups, 500), whole_group_rows(labels, groups, 500))
    assert not np.array_equal(whole_group_rows(labels, groups, 500, seed=1), whole_group_rows(labels, groups, 500))


@pytest.mark.parametrize("count", [3, 4, 50])
def test_a_rare_class_is_tested(count):
    labels = np.repeat([0, 1, 2], [1, 2, 97])
    rows = whole_group_rows(labels, np.arange(100), count)
    assert (len(rows), set(labels[rows])) == (count, {0, 1, 2})


def test_too_few_images_for_one_source_of_each_class_are_refused():
    labels, groups = np.repeat([0, 1], 10), np.arange(20) // 5
    assert len(whole_group_rows(labels, groups, 14)) == 10
    with pytest.raises(ContractError, match="test_images: 9 are too few, one source of each class is 10 images"):
        whole_group_rows(labels, groups, 9)
