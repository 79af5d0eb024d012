"""A search's trials as JSON: what was drawn, in which order, and how it ended. All that a killed search goes on from.

Nothing else is read back: what Tune and its sampler know is theirs for one session, and a session that goes on tells
the sampler again what it was told before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, get_args

from harness.contracts import VALIDATION_ACCURACY, BadInput
from harness.writing import read_sealed, write_sealed

TrialState = Literal["drawn", "running", "ended", "stopped", "lost"]
"""lost: given up because its workers kept dying."""
Happened = Literal["asked", "told"]
_REPORTED = ("epoch", "epochs", "cycles", "finished", "error", "ended", VALIDATION_ACCURACY)
"""What of a trial's report is kept."""
TABLE = "trials.json"
LOGS = "tune"
"""The folder, next to the table, of Tune's own files."""


@dataclass
class TrialRow:
    """One trial. config: what was drawn; last: its last report; error: of a lost one, why it was given up."""

    number: int
    config: dict[str, Any]
    state: TrialState = "drawn"
    last: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def is_over(self) -> bool:
        return self.state in ("ended", "stopped", "lost")

    @property
    def has_failed(self) -> bool:
        return self.state == "lost" or bool(self.last.get("error"))


class TrialTable:
    """The rows by number, and the order in which the sampler was asked for them and told of their ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[TrialRow] = []
        self.order: list[tuple[Happened, int]] = []

    @classmethod
    def read(cls, path: Path, parameters: Iterable[str]) -> Self:
        """The table of a search that goes on, or an empty one. Raises BadInput where it is damaged."""
        table = cls(path)
        if not path.exists():
            return table
        try:
            content = read_sealed(path)
            table.rows = [TrialRow(**row) for row in content["rows"]]
            table.order = [(what, int(number)) for what, number in content["order"]]
            sound = [row.number for row in table.rows] == list(range(len(table.rows)))
            sound &= all(row.config.keys() == set(parameters) for row in table.rows)
            sound &= all(row.state in get_args(TrialState) and isinstance(row.last, dict) for row in table.rows)
            sound &= [number for what, number in table.order if what == "asked"] == list(range(len(table.rows)))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            sound = False
        if not sound:
            raise damaged(path)
        return table

    def draw(self, config: Mapping[str, Any]) -> TrialRow:
        """A new trial."""
        row = TrialRow(len(self.rows), dict(config))
        self.rows.append(row)
        self.order.append(("asked", row.number))
        self.write()
        return row

    def start(self, number: int) -> None:
        """A trial begins, or begins again where an earlier session had begun it."""
        self.rows[number].state = "running"
        self.write()

    def report(self, number: int, report: Mapping[str, Any]) -> None:
        """What a trial said last; it is written with what happens next."""
        self.rows[number].last = {name: report[name] for name in _REPORTED if name in report}

    def end(self, number: int, state: TrialState, error: str = "") -> None:
        """A trial is over, in the first of the ways in which it is said to be."""
        row = self.rows[number]
        if not row.is_over:
            row.state, row.error = state, error
            self.write()

    def told(self, number: int) -> None:
        """The sampler knows how a trial ended."""
        self.order.append(("told", number))
        self.write()

    def write(self) -> None:
        content = {"rows": [dataclasses.asdict(row) for row in self.rows], "order": self.order}
        write_sealed(self.path, content)


def damaged(path: Path) -> BadInput:
    """What is said of a file of a search that is not what was written."""
    return BadInput(
        f"{path}: damaged, so that the search cannot go on from it; remove {path.parent} to start it again: what is in "
        "the store is not computed again."
    )
