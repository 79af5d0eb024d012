"""A user's folder in which the real command line is run."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
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

    def plan(self, run: str = "tiny") -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / "runs" / run / "plan.json").read_text())
        return content

    def events(self, run: str = "tiny") -> list[dict[str, Any]]:
        lines = (self.folder / "runs" / run / "events.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        newest = max(i for i, event in enumerate(events) if event["event"] == "run-started")
        return events[newest:]
