"""What a user sees while a run is in progress: a live table on a terminal and in a notebook, plain lines elsewhere."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.plan import Job, Plan
from harness.run.events import Event
from harness.run.notebook import NotebookOutput
from harness.spec.schema import STAGES
from harness.work.jobs import read_history
from harness.work.store import Store

PLAIN_SECONDS = 15.0
"""How often a plain line says what is running when nothing else has happened."""


class LiveTable(ABC):
    """While it is entered its table is repainted on a terminal, and by ``paint`` in a notebook; elsewhere never."""

    def __init__(self, console: Console) -> None:
        """Asks for the table at once, so what that shows must be set before."""
        self.console = console
        self.begun = time.monotonic()
        self._live = Live(
            console=console, get_renderable=self._table, refresh_per_second=4, transient=True, redirect_stdout=False
        )
        self._notebook = NotebookOutput() if console.is_jupyter and not console.quiet else None

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.console.is_terminal:
            self._live.stop()
        if self._notebook is not None:
            self._notebook.clear()

    @property
    def live(self) -> bool:
        """Whether the table is seen, so that lines about what it shows are not needed."""
        return self.console.is_terminal or self._notebook is not None

    def paint(self) -> None:
        """Repaints the table in a notebook, if the last time is a while ago; a terminal's repaints itself."""
        if self._notebook is not None and self._notebook.is_due():
            self._notebook.show(self._table())

    @abstractmethod
    def _table(self) -> Group: ...


class Progress(LiveTable):
    """Listens to events and is ticked by the schedule. Where it is live it repaints a table, else it prints lines."""

    def __init__(self, console: Console, plan: Plan, pending: Sequence[str], store: Store, workers: float) -> None:
        self.store, self.workers = store, max(workers, 1.0)
        self.total = Counter(plan.jobs[key].stage for key in pending)
        self.counts: dict[str, Counter[str]] = {stage: Counter() for stage in STAGES}
        self.seconds: dict[str, list[float]] = {stage: [] for stage in STAGES}
        self.running: Sequence[Job] = ()
        self.started_at: dict[str, float] = {}
        self._epoch_ends: dict[str, tuple[int, float]] = {}
        super().__init__(console)
        self._said = self.begun

    def __call__(self, event: Event) -> None:
        if not event.stage:
            return
        self.counts[event.stage]["done" if event.event == "cached" else event.event] += 1
        if event.event == "started":
            self.started_at[event.key] = time.monotonic()
        if event.event == "done" and event.seconds is not None:
            self.seconds[event.stage].append(event.seconds)
        if event.event in ("failed", "retried"):
            sentence = f"{event.event}: {event.stage}: {event.job}: {event.message}"
            self.console.print(sentence, style="red", markup=False, soft_wrap=True)
        elif event.event == "warned":
            sentence = f"{event.stage}: {event.job}: {event.message}"
            self.console.print(sentence, style="yellow", markup=False, highlight=False, soft_wrap=True)
        elif event.event == "elsewhere":
            self.console.print(
                f"{event.stage}: {event.job}: {event.message}", style="dim", markup=False, soft_wrap=True
            )
        elif event.event == "done" and not self.live:
            self._line(f"{event.stage}: {event.job} done in {duration(event.seconds or 0)}")

    def tick(self, running: Sequence[Job]) -> None:
        self.running = running
        for job in running:
            self._whole(job, time.monotonic() - self.started_at.get(job.key, self.begun))
        self.paint()
        if not self.live and time.monotonic() - self._said > PLAIN_SECONDS and running:
            self._line("running " + ", ".join(self._shown(job) for job in running[:4]))

    def _line(self, text: str) -> None:
        self._said = time.monotonic()
        done = sum(counts["done"] for counts in self.counts.values())
        lost = sum(counts["failed"] + counts["blocked"] for counts in self.counts.values())
        failed = f", {lost} failed or blocked" if lost else ""
        clock = f"[{duration(self._said - self.begun)}] {done}/{self.total.total()}{failed}{self._left_in_words()}"
        self.console.print(f"{clock}: {text}", markup=False, highlight=False, soft_wrap=True)

    def _table(self) -> Group:
        table = Table(box=None, padding=(0, 2))
        for name in ("", "done", "running", "failed", "of"):
            table.add_column(name, justify="left" if not name else "right")
        running = Counter(job.stage for job in self.running)
        for stage in STAGES:
            if self.total[stage]:
                counts = self.counts[stage]
                lost = counts["failed"] + counts["blocked"]
                table.add_row(
                    stage,
                    str(counts["done"]),
                    str(running[stage]),
                    Text(str(lost), style="red" if lost else ""),
                    str(self.total[stage]),
                )
        clock = f"{duration(time.monotonic() - self.begun)} elapsed{self._left_in_words()}"
        return Group(table, *(Text(f"  {self._shown(job)}") for job in self.running[:8]), Text(clock, style="dim"))

    def _shown(self, job: Job) -> str:
        done, of = self._epochs(job)
        return f"{job.stage}: {job.name}" + (f" (epoch {done} of {of})" if of else "")

    def _left_in_words(self) -> str:
        seconds, known = self._time_left()
        if not known and not seconds:
            return ""
        return f", {'about' if known else 'at least'} {duration(seconds)} left"

    def _epochs(self, job: Job) -> tuple[int, int]:
        if job.stage not in ("classifiers", "quantizers"):
            return 0, 0
        history, of = read_history(self.store.watched(job.key))
        return len(history), of

    def _time_left(self) -> tuple[float, bool]:
        """Seconds, from what jobs of each stage have taken so far, and whether all stages to come are measured."""
        typical = {stage: sum(times) / len(times) for stage, times in self.seconds.items() if times}
        now, work, longest, known = time.monotonic(), 0.0, 0.0, True
        running = Counter(job.stage for job in self.running)
        for job in self.running:
            gone = now - self.started_at.get(job.key, now)
            whole = self._whole(job, gone) or typical.get(job.stage)
            if whole is None:
                known = False
                continue
            typical.setdefault(job.stage, whole)
            left = max(whole - gone, 0.0)
            work, longest = work + left, max(longest, left)
        for stage, total in self.total.items():
            counts = self.counts[stage]
            waiting = total - counts["done"] - counts["failed"] - counts["blocked"] - running[stage]
            known = known and (waiting <= 0 or stage in typical)
            work += max(waiting, 0) * typical.get(stage, 0.0)
        return max(work / self.workers, longest), known

    def _whole(self, job: Job, gone: float) -> float | None:
        """How long a training will take by the epochs it has done, counted when the last one ended."""
        done, of = self._epochs(job)
        if not done:
            return None
        if self._epoch_ends.get(job.key, (0, 0.0))[0] != done:
            self._epoch_ends[job.key] = (done, gone)
        return self._epoch_ends[job.key][1] * of / done


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
