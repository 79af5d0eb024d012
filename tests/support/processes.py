"""Processes of this machine, as the kernel lists them: which are workers, and of which raylet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.spec.schema import STAGES

JOBS = tuple(f"ray::{stage}: " for stage in STAGES)


@dataclass(frozen=True)
class Process:
    """program: its name as the kernel has it; title: its command line, in a worker of Ray what it works at."""

    number: int
    parent: int
    program: str
    title: str

    @property
    def works(self) -> bool:
        """Whether it runs a job now."""
        return self.title.startswith(JOBS)


def processes() -> list[Process]:
    """All that run now."""
    return [process for entry in Path("/proc").glob("[0-9]*") if (process := _read(entry)) is not None]


def process(number: int) -> Process | None:
    return _read(Path("/proc", str(number)))


def busy_workers(raylet: int) -> list[int]:
    """The processes in which jobs run now that a raylet has started."""
    return sorted(process.number for process in processes() if process.parent == raylet and process.works)


def _read(entry: Path) -> Process | None:
    try:
        parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        program = (entry / "comm").read_text().strip()
        return Process(int(entry.name), parent, program, (entry / "cmdline").read_text(errors="replace"))
    except OSError:
        return None
