"""What a user sees while a run is in progress: a live table on a terminal and in a notebook, plain lines elsewhere."""

from __future__ import annotations

import itertools
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.plan import Job, Plan
from harness.run.aside import AtOnce
from harness.run.durations import Durations
from harness.run.estimate import UnderWay, duration, time_left
from harness.run.events import Event
from harness.run.notebook import NotebookOutput
from harness.run.schedule import Pool, kind_of
from harness.spec.schema import STAGES, TRAINED
from harness.work.jobs import read_history, read_how_far
from harness.work.store import Store

PLAIN_SECONDS = 15.0
"""How often a plain line says what is running when nothing else has happened."""
LOOK_SECONDS = 1.0
"""How old what is known of a job under way may be: its file may lie on a shared file system."""


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


@dataclass(frozen=True)
class _Making:
    """A dataset that is being made, as last looked at: pieces done, and how many there are."""

    done: int
    of: int
    looked: float


@dataclass
class _Training:
    """A training under way, as last looked at.

    epochs: the seconds of each. before: of those that an earlier start did. since: when the last one was seen to end.
    """

    epochs: list[float]
    of: int
    before: float
    since: float
    looked: float


class Progress(LiveTable):
    """Listens to events and is ticked by the schedule. Where it is live it repaints a table, else it prints lines.

    aside: reads how far datasets and trainings are, which may take long.
    """

    def __init__(
        self,
        console: Console,
        plan: Plan,
        pending: Sequence[str],
        store: Store,
        pool: Pool,
        aside: Executor | None = None,
    ) -> None:
        self.store, self.pool, self.aside = store, pool, aside or AtOnce()
        self.total = Counter(plan.jobs[key].stage for key in pending)
        self.counts: dict[str, Counter[str]] = {stage: Counter() for stage in STAGES}
        self.durations = Durations()
        self.running: dict[str, Job] = {}
        self.started_at: dict[str, float] = {}
        self._kinds = {key: kind_of(plan.jobs[key], pool) for key in pending}
        self._waiting = set(pending)
        self._counted = Counter(self._kinds.values())
        self._trainings: dict[str, _Training] = {}
        self._makings: dict[str, _Making] = {}
        self._looks: dict[str, Future[Any]] = {}
        super().__init__(console)
        self._said = self.begun

    def __call__(self, event: Event) -> None:
        if not event.stage:
            return
        self.counts[event.stage]["done" if event.event == "cached" else event.event] += 1
        if event.event in ("started", "retried", "done", "cached", "failed", "blocked"):
            self._wait(event.key, event.event == "retried")
            self.running.pop(event.key, None)
        if event.event == "started":
            self.started_at[event.key] = time.monotonic()
        if event.event in ("retried", "failed"):
            self._trainings.pop(event.key, None)
            self._makings.pop(event.key, None)
            self._looks.pop(event.key, None)
        if event.event == "done" and event.seconds is not None:
            training = self._trainings.pop(event.key, None)
            self.durations.add(self._kinds[event.key], event.seconds + (training.before if training else 0.0))
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
        self.running = {job.key: job for job in running}
        for job in running:
            self._look(job)
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
        running = Counter(job.stage for job in self.running.values())
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
        return Group(
            table,
            *(Text(f"  {self._shown(job)}") for job in itertools.islice(self.running.values(), 8)),
            Text(clock, style="dim"),
        )

    def _shown(self, job: Job) -> str:
        training, making = self._trainings.get(job.key), self._makings.get(job.key)
        far = f" (epoch {len(training.epochs)} of {training.of})" if training and training.of else ""
        if making and making.of:
            far = f" ({making.done:,} of {making.of:,} read)"
        return f"{job.stage}: {job.name}{far}"

    def _left_in_words(self) -> str:
        running = [self._under_way(job) for job in self.running.values()]
        left = time_left(running, self._counted, self.durations, self.pool.capacity())
        return f", {left}" if left.known else ""

    def _wait(self, key: str, waits: bool) -> None:
        if waits != (key in self._waiting):
            self._waiting ^= {key}
            self._counted[self._kinds[key]] += 1 if waits else -1

    def _look(self, job: Job) -> None:
        """Has it read how far a dataset or a training is, if the last time is a while ago, and notes what was read."""
        now = time.monotonic()
        seen = self._trainings.get(job.key) or self._makings.get(job.key)
        if job.stage not in ("datasets", *TRAINED) or (seen and now - seen.looked < LOOK_SECONDS):
            return
        look = self._looks.get(job.key)
        if look is None:
            look = self._looks[job.key] = self.aside.submit(self._read, job)
        if not look.done():
            return
        del self._looks[job.key]
        found, of = look.result()
        if job.stage == "datasets":
            self._makings[job.key] = _Making(found, of, now)
        else:
            self._note(job, found, of, now)

    def _note(self, job: Job, history: list[dict[str, float]], of: int, now: float) -> None:
        known, epochs = self._trainings.get(job.key), [epoch.get("seconds", 0.0) for epoch in history]
        if known is None:
            since = self.started_at.get(job.key, self.begun)
            self._trainings[job.key] = _Training(epochs, of, sum(epochs), since, now)
            return
        if len(epochs) != len(known.epochs):
            known.since = now
        if len(epochs) < len(known.epochs):  # it began anew
            known.before = 0.0
        known.epochs, known.of, known.looked = epochs, of, now

    def _read(self, job: Job) -> tuple[Any, int]:
        watched = self.store.watched(job.key)
        return read_how_far(watched) if job.stage == "datasets" else read_history(watched)

    def _under_way(self, job: Job) -> UnderWay:
        now, kind = time.monotonic(), self._kinds[job.key]
        gone, training = now - self.started_at.get(job.key, now), self._trainings.get(job.key)
        if training is None:
            return UnderWay(kind, gone)
        return UnderWay(kind, gone, training.epochs, training.of, now - training.since)
