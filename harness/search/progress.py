"""What the user sees while a search runs: a live table of trials on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, Self

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from harness.contracts import VALIDATION_ACCURACY
from harness.run.estimate import duration
from harness.run.progress import LiveTable
from harness.search.plan import PlannedSearch
from harness.spec.schema import SearchSettings

MOST_ROWS = 12


class SearchProgress(LiveTable):
    """A listener of ``run_trials``. On a terminal it repaints a table, else it prints a line for each trial's end."""

    def __init__(self, console: Console, search: PlannedSearch, settings: SearchSettings) -> None:
        self.search = search
        self.total = search.count(settings)
        self.rows: dict[int, dict[str, Any]] = {}
        self.ended = 0
        super().__init__(console)

    def __enter__(self) -> Self:
        self.console.print(f"Search: {self.search.first.name}, {self.total} trials.", highlight=False, soft_wrap=True)
        return super().__enter__()

    def __call__(self, what: str, number: int, report: Mapping[str, Any], ended: int) -> None:
        self.rows[number], self.ended = {**report, "what": what}, ended
        if what == "earlier":
            return
        if what == "retried":
            sentence = f"trial {number} is run again: {report['reason']}"
            self.console.print(sentence, style="yellow", markup=False, soft_wrap=True)
        elif what == "lost" or report.get("error"):
            why = report.get("error") or report.get("reason") or "its worker process was lost"
            sentence = f"trial {number} failed: {why}"
            self.console.print(sentence, style="red", markup=False, soft_wrap=True)
        elif what == "ended" and not self.console.is_terminal:
            self._say(number, report)

    def _say(self, number: int, report: Mapping[str, Any]) -> None:
        how = "finished" if report.get("finished") else f"stopped after epoch {report.get('epoch')}"
        clock = f"[{duration(time.monotonic() - self.begun)}] {self.ended}/{self.total}"
        text = f"{clock}: trial {number} ({self._values(report)}) {how}, {self._accuracy(report)}{self._best()}"
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _best(self) -> str:
        finished = {n: row[VALIDATION_ACCURACY] for n, row in self.rows.items() if row.get("finished")}
        if not finished:
            return ""
        best = max(finished, key=lambda n: (finished[n], -n))
        return f"; best so far: trial {best}, {100 * finished[best]:.1f} %"

    def _values(self, report: Mapping[str, Any]) -> str:
        return ", ".join(f"{name}={_shown(report['config'].get(name, '?'))}" for name in self.search.space)

    def _accuracy(self, report: Mapping[str, Any]) -> str:
        accuracy = report.get(VALIDATION_ACCURACY)
        return "nothing measured" if accuracy is None or math.isnan(accuracy) else f"{100 * accuracy:.1f} %"

    def _table(self) -> Group:
        table = Table(box=None, padding=(0, 2))
        for name in ("trial", *self.search.space, "epoch", "validation", ""):
            table.add_column(name, justify="right")
        newest = sorted(self.rows.items())[-MOST_ROWS:]
        for number, row in newest:
            over = "" if row.get("finished") else "stopped"
            how = {"ended": over, "earlier": over, "lost": "lost"}.get(row["what"], "running")
            table.add_row(
                str(number),
                *(_shown(row["config"].get(name, "?")) for name in self.search.space),
                f"{row.get('epoch', 0)} of {row.get('epochs', '?')}",
                self._accuracy(row),
                "failed" if row.get("error") else how,
            )
        clock = f"{self.ended} of {self.total} trials, {duration(time.monotonic() - self.begun)} elapsed{self._best()}"
        return Group(table, Text(clock, style="dim"))


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
