"""The numbers that the paper states in its tables and text: whether a run meets them."""

from __future__ import annotations

from collections.abc import Callable

from harness.contracts import ACCURACY, RunView, Verdict
from harness.registry import claim
from reports.claims.cells import one_of_each_seed, planned
from reports.claims.variants import Variant

_PER_PIXEL = "paper_bytes_per_pixel"
_COLUMNS = {"colors_per_image": "colors", _PER_PIXEL: "paper_bytes"}
_UNITS = {"colors_per_image": "colors per image", _PER_PIXEL: "bytes per pixel"}
_ROUNDED = {"colors_per_image": 0.05, _PER_PIXEL: 0.0005}
"""Half a unit of the last digit that is stated."""


@claim("table-2-numbers", statement="The accuracies of Table 2 are met on original images.", source="Table 2")
class TableTwo:
    """Each within the margin and the spread of the paper's own training."""

    def judge(self, run: RunView) -> Verdict:
        return _met(run, "Table 2", lambda _: True)


@claim("1-bit-numbers", statement="The accuracies that the text states for 1 bit are met.", source="Section 6.2")
class OneBit:
    """Each within the margin and the spread of the paper's own training."""

    def judge(self, run: RunView) -> Verdict:
        return _met(run, "Section 6.2", lambda _: True)


@claim("table-3-accuracies", statement="The accuracies of Table 3 are met.", source="Section 6.3, Table 3")
class TableThree:
    """Each within the margin and the spread of the paper's own training."""

    def judge(self, run: RunView) -> Verdict:
        return _met(run, "Table 3", lambda quantity: quantity == ACCURACY)


@claim("table-3-colors", statement="The colors per image of Table 3 are met.", source="Section 6.3, Table 3")
class TableThreeColors:
    """Each within the rounding and the spread of the paper's own training."""

    def judge(self, run: RunView) -> Verdict:
        return _met(run, "Table 3", lambda quantity: quantity == "colors_per_image")


@claim(
    "table-3-bytes",
    statement="The “bit/pixel” of Table 3 are met (bytes per pixel of a truecolor PNG).",
    source="Section 6.3, Table 3",
)
class TableThreeBytes:
    """Each within the rounding and the spread of the paper's own training."""

    def judge(self, run: RunView) -> Verdict:
        return _met(run, "Table 3", lambda quantity: quantity == _PER_PIXEL)


def _met(run: RunView, where: str, asked: Callable[[str], bool]) -> Verdict:
    """Whether what the paper states in one place of the quantities asked for is met, wherever a run measured it."""
    from reports.claims.numbers import Measured, all_met
    from reports.published import departures_of, stated

    numbers, missing = [], list[str]()
    for task in run.tasks:
        names = (task.dataset_plugin, task.classifier_plugin)
        for value in stated()[1]:
            if value.where != where or (value.dataset, value.classifier) != names or not asked(value.quantity):
                continue
            which = Variant(value.method, value.method, value.params)
            cells = run.cells(task, which, value.level) if value.method else one_of_each_seed(task)
            if not cells:
                asked_for = planned(task, which, value.level)
                missing += [f"{task.name}: {asked_for[0].label} not finished"] if asked_for else []
                continue
            scale = 1 / cells[0].notes["pixels"] if value.quantity == _PER_PIXEL else 1.0
            column = _COLUMNS.get(value.quantity, "correct" if value.method else "original")
            at = f", {value.level} colors" if value.level else ""
            what = cells[0].label if value.method else "original"
            unit = _UNITS.get(value.quantity, ACCURACY)
            part = run.part(f"{task.name}{at}", what, [(scale, cells, column)], unit=unit)
            departures = departures_of(value.params, task, cells[0].variant if value.method else None, run.recipes)
            numbers.append(Measured(part, value.value, _ROUNDED.get(value.quantity, run.margin), departures))
    return all_met(numbers, missing if numbers or missing else ["nothing of this was measured"])
