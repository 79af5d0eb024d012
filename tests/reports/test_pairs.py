"""All pairs of a level: each as the slow, pair by pair comparison with a baseline has it, Holm over the matrix."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from harness.contracts import Cell, Results
from reports import pair_matrix, pairs
from reports.page import render
from reports.pair_matrix import PairMatrix, pair_matrices
from reports.pairs import PAIR_COLUMNS, SHOWN, pair_table
from reports.records import Records
from reports.significance import COLUMNS, significance_table
from reports.summary import summarize
from reports.tables import cells_table

if TYPE_CHECKING:
    from tests.reports.conftest import Bench

SHARES = {"median-cut": 0.5, "octree": 0.45, "colorcnn": 0.8, "wu": 0.56}
OF_THE_FAMILY = {"family", "alike", "p_holm", "p_same_holm", "stars", "verdict", "lo_simultaneous", "hi_simultaneous"}
SAME = [name for name in COLUMNS if name not in OF_THE_FAMILY]


@pytest.fixture(params=[(1, 1), (3, 1), (1, 4), (3, 4)], ids=lambda p: f"{p[0]} seeds, {p[1]} images a source")
def run(request: pytest.FixtureRequest, bench: Bench, right: Callable[..., np.ndarray]) -> Results:
    seeds, each = request.param
    groups = np.arange(240) // each
    return bench.results(
        bench.cell(bench.frame(right(240, share, 10 * number + seed), groups), variant, level, seed=seed)
        for (number, (variant, share)), level, seed in itertools.product(
            enumerate(SHARES.items()), (2, 8), range(seeds)
        )
    )


def test_a_pair_is_tested_as_a_variant_against_the_baseline(run: Results, bench: Bench) -> None:
    """The table of pairs against ``significance.csv`` of the same run with each variant as the baseline."""
    table = pair_table(run, Records())
    assert list(table) == PAIR_COLUMNS
    assert len(table) == 2 * 6
    for baseline in SHARES:
        slow = significance_table(bench.results(run.cells, spec={"baseline": baseline}), Records())
        slow = slow[slow["seed"].isna()] if slow["seed"].isna().any() else slow
        pairs = table[table["variant_b"] == baseline].set_index(["variant_a", "level_a"], drop=False)[SAME]
        others = slow.set_index(["variant_a", "level_a"], drop=False).loc[pairs.index, SAME]
        pd.testing.assert_frame_equal(pairs, others, rtol=1e-9)


def test_holm_counts_all_pairs_of_one_level(run: Results) -> None:
    table = pair_table(run, Records())
    assert table["family"].nunique() == 2
    for _, family in table.groupby("family"):
        for p in ("p", "p_same"):
            assert family[f"{p}_holm"].to_numpy() == pytest.approx(multipletests(family[p], method="holm")[1])
        assert set(family["alike"]) == {6}
        assert (family["lo_simultaneous"] < family["lo"]).all()


def test_seeds_that_only_one_of_two_has_are_left_out(bench: Bench, right: Callable[..., np.ndarray]) -> None:
    def cell(variant: str, seed: int) -> Cell:
        return bench.cell(bench.frame(right(100, 0.5, seed)), variant, 2, seed=seed)

    table = pair_table(bench.results([cell("a", 0), cell("a", 1), cell("b", 1), cell("b", 2), cell("c", 5)]), Records())
    assert table[["variant_a", "variant_b", "seed", "n"]].to_numpy().tolist() == [["a", "b", 1, 100]]


def test_a_baseline_without_a_level_is_at_every_level(bench: Bench) -> None:
    cells = [bench.plain("a", level, 0.5) for level in (2, 4)] + [bench.plain("original", None, 0.9)]
    table = pair_table(bench.results(cells, spec={"baseline": "original"}), Records())
    assert table[["variant_a", "level_a", "variant_b"]].to_numpy().tolist() == [
        ["a", 2, "original"],
        ["a", 4, "original"],
    ]
    assert table["level_b"].isna().all()
    assert pair_table(bench.results(cells), Records()).empty


def matrices(results: Results) -> tuple[PairMatrix, ...]:
    records = Records()
    cells, tests = cells_table(results, records), significance_table(results, records)
    (task,) = summarize(results, cells, tests, records)
    return pair_matrices(task, pair_table(results, records))


def test_a_matrix_is_ordered_by_accuracy_and_turned_over_its_diagonal(run: Results) -> None:
    (first, _) = matrices(run)
    assert (first.level, first.pairs, first.of) == (2, 6, 4)
    accuracies = [accuracy for _, accuracy in first.variants]
    assert accuracies == sorted(accuracies, reverse=True)
    for i, j in itertools.product(range(4), repeat=2):
        one, other = first.rows[i][j], first.rows[j][i]
        if i == j:
            assert one is None
            continue
        assert one is not None
        assert other is not None
        assert one.difference == pytest.approx(accuracies[i] - accuracies[j])
        assert (one.lo, one.hi, one.p_holm) == pytest.approx((-other.hi, -other.lo, other.p_holm), nan_ok=True)
        assert {one.verdict, other.verdict} in ({"better", "worse"}, {"same"}, {"not separated"})
        assert 0 <= one.heat <= 1
    assert max(entry.heat for row in first.rows for entry in row if entry) == 1


def test_of_many_variants_the_most_accurate_are_shown(bench: Bench) -> None:
    shares = np.linspace(0.1, 0.9, SHOWN + 2)
    (matrix,) = matrices(bench.results(bench.plain(f"v{share:.3f}", 2, share) for share in shares))
    assert len(matrix.variants) == len(matrix.rows) == SHOWN
    assert (matrix.of, matrix.pairs) == (SHOWN + 2, 231)
    assert "v0.100" not in dict(matrix.variants)


@pytest.fixture
def many(bench: Bench, right: Callable[..., np.ndarray]) -> Results:
    """Nine variants on two seeds; e is the baseline, in the middle of them."""
    return bench.results(
        (
            bench.cell(bench.frame(right(240, 0.9 - 0.08 * place, 10 * place + seed)), variant, 2, seed=seed)
            for (place, variant), seed in itertools.product(enumerate("abcdefghi"), range(2))
        ),
        spec={"baseline": "e"},
    )


@pytest.mark.parametrize("at_once", [2, 64])
def test_of_too_many_variants_some_pairs_are_tested_and_all_counted(
    many: Results, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    whole = pair_table(many, Records())
    for name, value in (("MOST_VARIANTS", 8), ("SHOWN", 3), ("_AT_ONCE", at_once)):
        monkeypatch.setattr(pairs, name, value)
    some = pair_table(many, Records())
    tested = {frozenset(pair) for pair in some[["variant_a", "variant_b"]].to_numpy().tolist()}
    among = {frozenset(pair) for pair in itertools.combinations("abce", 2)}
    assert tested == among | {frozenset(pair) for pair in itertools.product("dfghi", "ae")}
    assert len(some) == len(tested)
    assert set(some["alike"]) == {36}

    def by_pair(table: pd.DataFrame) -> pd.DataFrame:
        return table.set_index(["variant_a", "variant_b"])

    turned = whole.rename(columns={"variant_a": "variant_b", "variant_b": "variant_a"})
    both = pd.concat([by_pair(whole), by_pair(turned)]).loc[by_pair(some).index]
    assert by_pair(some)["p"].to_numpy() == pytest.approx(both["p"].to_numpy(), rel=1e-9)
    assert (by_pair(some)["p_holm"] >= both["p_holm"] - 1e-12).all(), "no easier than if all were known"
    assert by_pair(some)["p_holm"].min() == pytest.approx(36 * some["p"].min())


def test_pairs_of_another_split_are_counted_too(many: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "MOST_VARIANTS", 8)
    held_out = [dataclasses.replace(cell, split="train") for cell in many.cells if cell.label in "ab"]
    table = pair_table(dataclasses.replace(many, cells=(*many.cells, *held_out)), Records())
    assert set(table["alike"]) == {36 + 1}
    assert table["p_holm"].min() == pytest.approx(37 * table["p"].min())


def test_the_page_says_which_pairs_were_tested(many: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "The 3 most accurate" not in render(many)
    for module, name, value in ((pairs, "MOST_VARIANTS", 8), (pairs, "SHOWN", 3), (pair_matrix, "SHOWN", 3)):
        monkeypatch.setattr(module, name, value)
    page = " ".join(render(dataclasses.replace(many)).split())
    assert "The 3 most accurate of 9 variants; of their 36 pairs 16 were tested" in page
    assert "all between those shown and e, and every other variant against a and e." in page
