"""Frozen and retrained judges side by side, and quantizers judged by others than they learned from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from harness.contracts import Cell
from reports import plugins
from reports.costs import costs
from reports.judges import recovery_table
from reports.page import render
from reports.points import Task
from reports.records import Records
from reports.significance import significance_table
from reports.summary import summarize
from reports.tables import cells_table
from reports.transfer import matrices

if TYPE_CHECKING:
    from tests.reports.conftest import Bench


def judged(bench: Bench, shares: dict[tuple[str, int, str], float], **changes: Any) -> list[Cell]:
    """shares: of the images that are recognized, by variant, seed and judge; at 2 colors."""
    return [
        bench.plain(f"{variant}", 2, share, method=variant, seed=seed, judge=judge, **changes)
        for (variant, seed, judge), share in shares.items()
    ]


def tasks_of(bench: Bench, cells: list[Cell]) -> tuple[list[Task], Records]:
    results, records = bench.results(cells), Records()
    table, tests = cells_table(results, records), significance_table(results, records)
    return summarize(results, table, tests, records), records


SHARES = {
    ("median-cut", 0, "frozen"): 0.44,
    ("median-cut", 1, "frozen"): 0.46,
    ("median-cut", 0, "retrained"): 0.70,
    ("median-cut", 1, "retrained"): 0.72,
    ("otsu", 0, "frozen"): 0.90,
    ("otsu", 1, "frozen"): 0.90,
    ("otsu", 0, "retrained"): 0.95,
    ("otsu", 1, "retrained"): 0.95,
}


def test_what_is_recovered_is_the_share_of_what_the_frozen_judge_lost(bench):
    tasks, records = tasks_of(bench, judged(bench, SHARES))
    assert [task.name for task in tasks] == ["toys × tinynet", "toys × tinynet retrained"]
    table = recovery_table(tasks, records).set_index("variant")
    row = table.loc["median-cut"]
    assert row[["seeds", "accuracy_frozen", "accuracy_retrained", "original_accuracy"]].tolist() == pytest.approx(
        [2, 0.45, 0.71, 0.9]
    )
    assert row["difference"] == pytest.approx(0.26)
    assert row["lo"] < 0.26 < row["hi"]
    assert row["recovered"] == pytest.approx(0.26 / (0.9 - 0.45))
    assert np.isnan(table.loc["otsu", "recovered"]), "nothing was lost of which a share could come back"


def test_a_seed_that_one_judge_lacks_does_not_count(bench):
    cells = judged(bench, {place: share for place, share in SHARES.items() if place != ("median-cut", 1, "retrained")})
    row = recovery_table(*tasks_of(bench, cells)).set_index("variant").loc["median-cut"]
    assert (row["seeds"], row["difference"]) == (1, pytest.approx(0.26))


def test_nothing_is_recovered_where_the_judge_guesses(bench):
    cells = []
    for judge, share in (("frozen", 0.2), ("retrained", 0.4)):
        frame = bench.frame(np.arange(200) < 200 * share)
        frame["original_predicted"] = 0
        cells.append(bench.cell(frame, "median-cut", 2, judge=judge))
    assert recovery_table(*tasks_of(bench, cells))["recovered"].isna().all()


def test_each_judge_has_tests_of_its_own(bench):
    cells = judged(bench, SHARES)
    table = significance_table(bench.results(cells), Records())
    assert set(table["judge"]) == {"frozen", "retrained"}
    assert set(table["family"]) == {
        "toys x tinynet, per seed",
        "toys x tinynet, across seeds",
        "toys x tinynet retrained, per seed",
        "toys x tinynet retrained, across seeds",
    }
    across = table[table["seed"].isna()].set_index("judge")["difference"]
    assert across.to_dict() == pytest.approx({"frozen": 0.45, "retrained": 0.24})
    trained = table.set_index("judge")["trained"]
    assert set(trained["retrained"]) == {"classifier and retrained classifiers"}


def test_the_page_and_the_tables_show_both_judges(bench, tmp_path):
    results = bench.results(judged(bench, SHARES))
    page = render(results)
    section = page[page.index('id="judges"') : page.index('id="gallery"')]
    assert "45.0\u202f%" in section
    assert "58 %" in section
    assert 'id="judges"' not in render(bench.results([c for c in results.cells if c.judge == "frozen"]))
    plugins.Tables().write(results, tmp_path)
    stored = pd.read_csv(tmp_path / "judges.csv")
    assert stored["recovered"].max() == pytest.approx(0.26 / 0.45)
    assert list(pd.read_csv(tmp_path / "cells.csv")["judge"].value_counts()) == [4, 4]
    plugins.Tables().write(bench.results([c for c in results.cells if c.judge == "frozen"]), tmp_path)
    assert not (tmp_path / "judges.csv").exists()


def test_the_matrix_has_a_row_for_each_teacher_and_a_column_for_each_judge(bench):
    cells = [
        bench.plain("net", 2, share, classifier=judge, fitted_on=teacher)
        for (teacher, judge), share in {
            ("a", "a"): 0.8, ("a", "b"): 0.5, ("b", "a"): 0.4, ("b", "b"): 0.9, ("a+b", "a"): 0.7, ("a+b", "b"): 0.75,
        }.items()
    ]  # fmt: skip
    cells += [bench.plain("otsu", 2, 0.3, classifier=judge) for judge in "ab"]
    (matrix,) = matrices(tasks_of(bench, cells)[0])
    assert (matrix.variant, matrix.level, matrix.judges) == ("net", 2, ("a", "b"))
    shown = {teacher: [point.accuracy for point in points if point] for teacher, points in matrix.rows}
    assert shown == {"a": [0.8, 0.5], "b": [0.4, 0.9], "a+b": [0.7, 0.75]}
    page = render(bench.results(cells))
    section = page[page.index('id="transfer"') : page.index('id="gallery"')]
    assert section.count("n own") == 4


def test_own_teachers_alone_make_no_matrix(bench):
    cells = [bench.plain("net", 2, 0.8, classifier=name, fitted_on=name) for name in "ab"]
    assert matrices(tasks_of(bench, cells)[0]) == ()


def test_the_page_says_what_each_training_took(bench):
    def cell(variant, level, seed, levels, seconds):
        notes = {"training": {"epochs": 4, "images": 8000, "seconds": seconds, "levels": levels}}
        made = bench.plain(variant, level, 0.5, seed=seed, fitted_on="tinynet")
        return replace(made, notes={**made.notes, **notes})

    cells = [cell("net", level, seed, [level], 10 + seed) for level in (2, 8) for seed in (0, 1)]
    cells += [cell("joint", level, 0, [2, 8], 100) for level in (2, 8)]
    found = {cost.variant: cost for cost in costs(tasks_of(bench, cells)[0])}
    assert (found["net"].trainings, found["net"].levels, found["net"].seconds) == (4, "each of 2, 8", 10.5)
    assert (found["joint"].trainings, found["joint"].levels) == (1, "2, 8 together")
    page = render(bench.results(cells))
    assert "8,000" in page[page.index("What the trainings took") :]


def test_trainings_of_unequal_length_are_told_apart(bench):
    def cell(level, seed, epochs):
        notes = {"training": {"epochs": epochs, "images": 50_000 * epochs, "seconds": 10 * epochs, "levels": [level]}}
        made = bench.plain("net", level, 0.5, seed=seed, fitted_on="tinynet")
        return replace(made, notes={**made.notes, **notes})

    lengths = {2: 60, 8: 180, 32: 300, 64: 300}
    cells = [cell(level, seed, epochs) for level, epochs in reversed(lengths.items()) for seed in (0, 1)]
    found = costs(tasks_of(bench, cells)[0])
    assert [(cost.levels, cost.trainings, cost.epochs, cost.images, cost.seconds) for cost in found] == [
        ("2", 2, 60, 3_000_000, 600),
        ("8", 2, 180, 9_000_000, 1800),
        ("each of 32, 64", 4, 300, 15_000_000, 3000),
    ]


def test_the_page_says_how_judges_were_retrained(bench):
    cells = judged(bench, SHARES)

    def page(*entries):
        recipe = {"what": "classifier", "name": "tinynet", "plugin": "tinynet", "params": {}, "retraining": entries}
        return render(bench.results(cells, recipes=(recipe,)))

    entry = {"datasets": ["toys"], "epochs": 6, "rate": 0.01, "batch_size": 128, "weight_decay": 5e-4}
    said = "for 6 epochs at a rate of up to 0.01, in batches of 128, with a weight decay of 0.0005"
    one = page(entry)
    section = one[one.index('id="judges"') : one.index('id="gallery"')]
    assert f"tinynet was retrained {said}." in section
    recipe = one[one.index('<section id="recipe"') :]
    assert f"Retrained {said}." in recipe
    two = page(entry, entry | {"datasets": ["dots", "more"], "epochs": 1, "batch_size": None})
    assert f"tinynet was retrained on toys {said}." in two
    assert "tinynet was retrained on dots, more for 1 epoch at a rate of up to 0.01, in the dataset’s batches," in two
