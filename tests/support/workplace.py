"""A user's folder in which the real command line is run."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "examples"


@dataclass
class Command:
    """How a command of ``fewcolors`` ended."""

    code: int
    out: str
    err: str


def look_again(process: subprocess.Popen[str]) -> None:
    """Waits for a twentieth of a second, or for the end of the process."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(0.05)


def wait_until(true: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Until the condition holds, which it must before the process ends."""
    while not true():
        assert process.poll() is None, f"exit code {process.returncode}"
        look_again(process)


@dataclass
class Workplace:
    """A folder of a user with a store, and the cluster to run on."""

    folder: Path
    address: str

    def fewcolors(self, *arguments: str | Path, code: int | None = 0, **environment: str) -> Command:
        ended = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            check=False,
        )
        result = Command(ended.returncode, ended.stdout, ended.stderr)
        assert code is None or result.code == code, f"exit code {result.code}\n{result.out}\n{result.err}"
        return result

    def start(self, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        """Begins with a command; what it prints is ``output``."""
        with (self.folder / "output").open("w") as output:
            return subprocess.Popen(
                self.command(*arguments),
                cwd=self.folder,
                env=self.environment(**environment),
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "harness", *map(str, arguments)]

    def environment(self, **more: str) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": str(REPOSITORY), "RAY_ADDRESS": self.address, "COLUMNS": "200"} | more

    def spec(self, text: str, name: str = "tiny") -> Path:
        path = self.folder / f"{name}.yaml"
        path.write_text(text)
        return path

    def cells(self, run: str = "tiny") -> list[dict[str, str]]:
        with (self.folder / "runs" / run / "report" / "cells.csv").open() as file:
            return list(csv.DictReader(file))

    def numbers(self, run: str = "tiny") -> list[dict[str, str]]:
        """The cells without what differs from run to run."""
        return [{name: value for name, value in row.items() if name != "seconds"} for row in self.cells(run)]

    def plan(self, run: str = "tiny") -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / "runs" / run / "plan.json").read_text())
        return content

    def computed(self, run: str = "tiny") -> Counter[str]:
        """How often each job was, over all starts of a run."""
        return Counter(event["key"] for event in self.all_events(run) if event["event"] == "done")

    def all_events(self, run: str = "tiny") -> list[dict[str, Any]]:
        """Of all starts of a run; a line that is being written is left out."""
        path = self.folder / "runs" / run / "events.jsonl"
        text = path.read_text() if path.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def events(self, run: str = "tiny") -> list[dict[str, Any]]:
        events = self.all_events(run)
        newest = max(i for i, event in enumerate(events) if event["event"] == "run-started")
        return events[newest:]
