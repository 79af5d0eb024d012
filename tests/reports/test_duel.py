"""Where one of two methods wins, and classes one by one, against plain loops over the records."""

from __future__ import annotations

import base64
import itertools
import shlex
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from harness.contracts import Cell, Results
from reports.classes import MOST_CONFUSIONS, by_class
from reports.duel import MOST_EXPLAINED, MOST_NAMED, MOST_PICTURED, duel
from reports.points import Task
from reports.records import Records
from reports.significance import significance_table
from reports.stage_costs import stage_costs
from reports.summary import summarize
from reports.tables import cells_table

if TYPE_CHECKING:
    from tests.reports.conftest import Bench

CLASSES = ("cat", "dog", "cow")
N = 150


@pytest.fixture
def cells(bench: Bench) -> list[Cell]:
    """Two methods, two seeds, images with names, predictions drawn at random."""
    made = []
    for number, (variant, seed) in enumerate([("net", 0), ("net", 1), ("median-cut", 0), ("median-cut", 1)]):
        draw = np.random.default_rng(number)
        predicted = np.where(draw.random(N) < 0.6, np.arange(N) % 3, draw.integers(0, 3, N))
        right = predicted == np.arange(N) % 3
        names = pd.array([f"test/{i:03d}.png" for i in range(N)], "string")
        frame = bench.frame(right, predicted=predicted, p_true=draw.random(N)).assign(name=names)
        made.append(bench.cell(frame, variant, 2, seed=seed))
    return made


def task_of(results: Results, records: Records) -> Task:
    cells, tests = cells_table(results, records), significance_table(results, records)
    (task,) = summarize(results, cells, tests, records)
    return task


def test_a_duel_lists_what_only_one_gets_right(cells: list[Cell], bench: Bench) -> None:
    records = Records()
    task = task_of(bench.results(cells), records)
    found = duel(task, task.comparisons[0], CLASSES, records)
    assert found is not None
    frames = [records.of(cell) for cell in cells]
    for side, (a, b) in zip(found.sides, ((0, 2), (2, 0)), strict=True):
        won = [[i for i in range(N) if frames[a + s]["correct"][i] and not frames[b + s]["correct"][i]] for s in (0, 1)]
        assert (side.count, side.in_seed) == (len(won[0]) + len(won[1]), len(won[0]))
        lead = {i: frames[a]["p_true"][i] - frames[b]["p_true"][i] for i in won[0]}
        assert [image.number for image in side.named] == sorted(lead, key=lambda i: -lead[i])[:MOST_NAMED]
        for image in side.named:
            assert image.name == f"test/{image.number:03d}.png"
            assert image.truth == CLASSES[image.number % 3]
            assert image.taken_for == CLASSES[frames[b]["predicted"][image.number]]
        assert {image.number for image in side.pictured} == {0, 1} & set(won[0])
        words = shlex.split(side.command)
        asked = [int(value) for option, value in itertools.pairwise(words) if option == "--image"]
        assert asked == [image.number for image in side.named[:MOST_EXPLAINED]]
        assert words[:3] == ["fewcolors", "explain", "RUN"]
        assert words[-10:] == [
            *("--method", side.winner, "--method", side.loser),
            *("--dataset", task.dataset, "--classifier", task.classifier, "--seed", "0"),
        ]
        counted = Counter(CLASSES[i % 3] for each in won for i in each)
        assert {name: counts[found.sides.index(side)] for name, *counts in found.classes} == counted


def test_images_are_shown_in_the_order_in_which_they_are_named_where_the_store_has_them(
    cells: list[Cell], bench: Bench
) -> None:
    shown = [replace(c, gallery={}, picture=lambda n, c=c: (b"%d" % n, f"{c.variant} {n}".encode())) for c in cells]
    records = Records()
    task = task_of(bench.results(shown), records)
    found = duel(task, task.comparisons[0], CLASSES, records)
    assert found is not None
    for side in found.sides:
        assert [image.number for image in side.pictured] == [image.number for image in side.named[:MOST_PICTURED]]
        number = side.pictured[0].number
        expected = [b"%d" % number, f"{side.winner} {number}".encode(), f"{side.loser} {number}".encode()]
        assert [base64.b64decode(data.partition(",")[2]) for data in side.pictured[0].pictures] == expected


def test_two_that_never_differ_make_no_duel(bench: Bench) -> None:
    records = Records()
    task = task_of(bench.results([bench.plain("net", 2, 0.5), bench.plain("median-cut", 2, 0.5)]), records)
    assert duel(task, task.comparisons[0], CLASSES, records) is None


def test_classes_and_confusions_are_counted_one_by_one(cells: list[Cell], bench: Bench) -> None:
    records = Records()
    task = task_of(bench.results(cells), records)
    found = by_class(task, ("net", "median-cut"), ("colors", 2), CLASSES, records)
    assert found is not None
    assert found.seeds == 2

    def share(rows: list[int], column: str, truth: int, predicted: int) -> float:
        own = pd.concat([records.of(cells[row]) for row in rows])
        own = own[own["label"] == truth]
        return float((own[column] == predicted).mean())

    losses = []
    for row in found.rows:
        c = CLASSES.index(row.name)
        assert row.images == N // 3
        assert row.original == pytest.approx(share([0, 1], "original_predicted", c, c))
        assert row.after == pytest.approx((share([0, 1], "predicted", c, c), share([2, 3], "predicted", c, c)))
        losses.append(row.after[0] - row.original)
    assert losses == sorted(losses)
    for (_, grown), rows in zip(found.confusions, ([0, 1], [2, 3]), strict=True):
        expected = {
            (CLASSES[t], CLASSES[p]): share(rows, "predicted", t, p) - share(rows, "original_predicted", t, p)
            for t in range(3)
            for p in range(3)
            if t != p
        }
        best = sorted((value for value in expected.values() if value > 0), reverse=True)[:MOST_CONFUSIONS]
        assert [one.grown for one in grown] == pytest.approx(best)
        assert all(expected[one.truth, one.taken_for] == pytest.approx(one.grown) for one in grown)


def test_a_job_that_serves_several_cells_costs_once(cells: list[Cell], bench: Bench) -> None:
    for number, cell in enumerate(cells):
        apply = {"key": cell.variant, "seconds": 10.0, "device": "cpu", "share": 2.0}
        judge = {"key": str(number), "seconds": 1.0 + number, "device": "cuda", "share": 0.5}
        cell.notes["stages"] = {"apply": apply, "judge": judge}  # type: ignore[index]
    found = {(one.variant, one.stage): one for one in stage_costs([task_of(bench.results(cells), Records())])}
    applied, judged = found["net", "applying and measuring"], found["net", "judging"]
    assert (applied.jobs, applied.seconds, applied.rate, applied.core_hours) == (1, 10.0, N / 10, 20 / 3600)
    assert (judged.jobs, judged.seconds, judged.gpu_hours) == (2, 1.5, pytest.approx(1.5 / 3600))
    assert judged.rate == pytest.approx(2 * N / 3)
