"""The leaderboard: means, ranks and shared places over tasks, and its diagram."""

from __future__ import annotations

import html
import itertools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.contracts import Cell, Results
from reports.critical_difference import rank_diagram
from reports.leaderboard import Leaderboard, leaderboard
from reports.page import render
from reports.pairs import pair_table
from reports.ranks import cliques
from reports.records import Records
from reports.significance import significance_table
from reports.styles import by_name
from reports.summary import summarize
from reports.tables import cells_table

if TYPE_CHECKING:
    from tests.reports.conftest import Bench

SHARES = {"colorcnn": 0.82, "median-cut": 0.5, "octree": 0.49, "wu": 0.57}


def found(results: Results) -> Leaderboard | None:
    records = Records()
    cells, tests = cells_table(results, records), significance_table(results, records)
    tasks = summarize(results, cells, tests, records)
    return leaderboard(tasks, pair_table(results, records), results.spec.get("baseline"), 0.01)


@pytest.fixture
def cells(bench: Bench, right: Callable[..., np.ndarray]) -> list[Cell]:
    """Three tasks of two datasets at two levels, one training each."""
    places = [("toys", "tinynet"), ("toys", "bignet"), ("others", "tinynet")]
    made = []
    for number, ((dataset, classifier), (variant, share), level) in enumerate(
        itertools.product(places, SHARES.items(), (2, 8))
    ):
        frame = bench.frame(right(300, share, number))
        made.append(bench.cell(frame, variant, level, dataset=dataset, classifier=classifier))
    return made


def test_a_board_is_of_means_over_tasks(cells: list[Cell], bench: Bench) -> None:
    made = found(bench.results(cells))
    assert made is not None
    assert (len(made.tasks), made.datasets, [board.level for board in made.boards]) == (3, 2, [2, 8])
    for board in made.boards:
        assert [one.rank for one in board.standings] == sorted(one.rank for one in board.standings)
        for one in board.standings:
            own = [c for c in cells if c.variant == one.variant and c.level == board.level]
            accuracies = [Records().correct([cell]).mean() for cell in own]
            assert one.accuracy == pytest.approx(np.mean(accuracies))
            rivals = [
                [Records().correct([c]).mean() for c in cells if c.task == cell.task and c.level == cell.level]
                for cell in own
            ]
            ranked = [
                1 + sum(r > a for r in all_) + (sum(r == a for r in all_) - 1) / 2
                for a, all_ in zip(accuracies, rivals, strict=True)
            ]
            assert one.rank == pytest.approx(np.mean(ranked))
            assert (one.against is None) == (one.variant == "median-cut")


def test_places_are_shared_by_what_no_test_separates(cells: list[Cell], bench: Bench) -> None:
    made = found(bench.results(cells))
    assert made is not None
    table = pair_table(bench.results(cells), Records())
    for board in made.boards:
        here = table[(table["level_a"] == board.level) & table["verdict"].isin(["better", "worse"])]
        apart = {frozenset(pair) for pair in zip(here["variant_a"], here["variant_b"], strict=True)}
        assert board.standings[0].variant == "colorcnn"
        assert (board.standings[0].place, board.standings[0].shared) == (1, False)
        for one, other in itertools.combinations(board.standings, 2):
            if one.place == other.place:
                assert frozenset((one.variant, other.variant)) not in apart
            else:
                assert any(
                    frozenset((o.variant, other.variant)) in apart for o in board.standings if o.place < other.place
                )


def test_one_task_or_a_classifier_that_guesses_makes_no_leaderboard(cells: list[Cell], bench: Bench) -> None:
    assert found(bench.results(cells[:8])) is None
    lost = [cell if cell.dataset == "toys" else replace(cell, status="failed", records=None) for cell in cells]
    made = found(bench.results(lost))
    assert made is not None
    assert (len(made.tasks), made.datasets) == (2, 1)


def test_a_variant_that_a_task_lacks_is_left_out_and_said(cells: list[Cell], bench: Bench) -> None:
    fewer = [cell for cell in cells if (cell.variant, cell.dataset, cell.level) != ("wu", "others", 2)]
    made = found(bench.results(fewer))
    assert made is not None
    assert [board.left_out for board in made.boards] == [("wu",), ()]
    assert "Left out, as not every task has them: wu." in render(bench.results(fewer))


def test_the_diagram_names_every_variant_and_is_said_to_be_weak(cells: list[Cell], bench: Bench) -> None:
    made = found(bench.results(cells))
    assert made is not None
    drawn = rank_diagram(made.boards[0], by_name(SHARES), "ranks0")
    for one in made.boards[0].standings:
        assert re.search(rf">(?:{one.variant}\s+{one.rank:.2f}|{one.rank:.2f}\s+{one.variant})<", drawn)
    assert f"critical difference {made.boards[0].critical:.2f}" in drawn
    assert drawn == rank_diagram(made.boards[0], by_name(SHARES), "ranks0")
    text = render(bench.results(cells))
    assert "3 tasks of 2 datasets" in text
    assert "hardly any power" in text
    two = [cell for cell in cells if cell.variant in ("colorcnn", "wu")]
    few = found(bench.results(two))
    assert few is not None
    assert rank_diagram(few.boards[0], by_name(SHARES), "ranks0") == "", "Friedman's test is of three or more"
    assert 'id="leaderboard"' not in render(bench.results(cells[:8]))


def test_the_diagram_s_parts_have_their_variants_and_its_files_whole_names(
    cells: list[Cell], bench: Bench, unpacked: Callable[[str], tuple[str, str]]
) -> None:
    long = "wu palette=octree-of-the-whole-image"
    made = found(bench.results(replace(cell, variant=long) if cell.variant == "wu" else cell for cell in cells))
    assert made is not None
    drawn = rank_diagram(made.boards[0], by_name([*SHARES, long]), "ranks0")
    owners = re.findall('<g id="[^"]*" data-variant="([^"]*)">', drawn)
    assert {owner: owners.count(owner) for owner in owners} == dict.fromkeys([*(SHARES.keys() - {"wu"}), long], 4)
    in_order = sorted(made.boards[0].standings, key=lambda one: (one.rank, one.variant))
    bars = cliques([one.rank for one in in_order], made.boards[0].critical)
    joined = re.findall('<g id="ranks0-bar-[^"]*" data-joins="(.*?)">', drawn)
    assert len(bars) > 0
    assert [json.loads(html.unescape(names)) for names in joined] == [
        [one.variant for one in in_order[first : last + 1]] for first, last in bars
    ]
    assert long not in re.sub('data-(?:variant|joins)="[^"]*"', "", drawn)
    for file in unpacked(drawn):
        assert all(re.search(rf"\b{one.variant}\b", file) for one in made.boards[0].standings)
