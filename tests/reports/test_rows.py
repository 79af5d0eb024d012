"""A figure of one level: a row for each variant, so that none lies on another."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from reports.figures import against_colors, colors_title
from reports.points import Task
from reports.records import Records
from reports.rows import MOST_ROWS, in_rows
from reports.significance import significance_table
from reports.styles import by_name
from reports.summary import summarize
from reports.tables import cells_table

if TYPE_CHECKING:
    from tests.reports.conftest import Bench

SHARES = {"octree": 0.45, "colorcnn": 0.8, "wu": 0.6, "median-cut with a name that is too long for a row": 0.5}


def task_of(bench: Bench, shares: dict[str, float], levels: tuple[int, ...] = (4,)) -> Task:
    results, records = bench.results(bench.plain(name, c, s) for name, s in shares.items() for c in levels), Records()
    (task,) = summarize(results, cells_table(results, records), significance_table(results, records), records)
    return task


def test_each_variant_has_a_row_the_most_accurate_at_the_top(bench: Bench) -> None:
    task = task_of(bench, SHARES)
    figure, marks = in_rows(task, task.points, by_name(SHARES))
    assert [(mark.variant, mark.y) for mark in marks] == [
        ("colorcnn", 0),
        ("wu", 1),
        ("median-cut with a name that is too long for a row", 2),
        ("octree", 3),
    ]
    assert [mark.x for mark in marks] == pytest.approx([0.8, 0.6, 0.5, 0.45])
    (axes,) = figure.axes
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "row 0 is at the top"
    ends = {(p.lo, p.hi) for p in task.points}
    drawn = {tuple(np.round(each.get_segments()[0][:, 0], 9)) for each in axes.collections}
    assert drawn == {tuple(np.round(pair, 9)) for pair in ends}
    low, high = axes.get_xlim()
    for share in (task.original, task.chance, *(end for pair in ends for end in pair)):
        assert low <= share <= high


def test_the_page_draws_rows_where_there_is_one_number_of_colors(
    bench: Bench, unpacked: Callable[[str], tuple[str, str]]
) -> None:
    task = task_of(bench, SHARES)
    svg = against_colors(task, by_name(SHARES), "f")
    assert colors_title(task) in svg
    assert colors_title(task).startswith("Accuracy at 4 colors, ")
    for variant in SHARES:
        assert len(re.findall(f'<g id="[^"]*" data-variant="{variant}">', svg)) >= 4, "interval, its ends, name, marker"
        assert variant in " ".join(re.findall("<text[^>]*>(.*?)</text>", unpacked(svg)[0])), "whole in the file"
    assert "wu</text>" in svg
    assert "too long for a row</text>" not in svg
    several = task_of(bench, {"a": 0.4, "b": 0.6}, (2, 8))
    assert "against the number of colors" in against_colors(several, by_name("ab"), "f")


def test_of_too_many_variants_the_most_accurate_are_drawn_and_it_is_said(bench: Bench) -> None:
    task = task_of(bench, {"v": 0.5})
    (point,) = task.points
    many = [
        dataclasses.replace(point, variant=f"v{n}", accuracy=share, lo=share - 0.1, hi=share + 0.1)
        for n, share in enumerate(np.linspace(0.3, 0.7, MOST_ROWS + 2))
    ]
    figure, marks = in_rows(task, many, by_name(each.variant for each in many))
    assert len(marks) == MOST_ROWS
    assert {"v0", "v1"} & {mark.variant for mark in marks} == set()
    assert figure.axes[0].get_xlabel() == f"accuracy, %, of the {MOST_ROWS} most accurate of {MOST_ROWS + 2}"
