"""How long the rest of a run takes, from how long jobs like those to come took and from the epochs of trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.run.durations import Durations, Kind
from harness.spec.schema import STAGES, Stage

RECENT = 5
"""How many epochs tell how long the next one takes."""
OVERDUE = 2.0
"""A job that runs for so many times as long as others of its kind is not expected to end any moment."""


@dataclass(frozen=True)
class UnderWay:
    """A job that runs.

    gone: seconds since it started. epochs: the seconds of each that its training has done, before a restart too.
    of: how many there will be, 0 where that is not known. since: seconds since the last one ended or, if none has ended
    since the start, since that.
    """

    kind: Kind
    gone: float
    epochs: Sequence[float] = ()
    of: int = 0
    since: float = 0.0

    def left(self) -> float | None:
        """Seconds to the end of its training by the pace of its epochs; None where none has ended."""
        pace = self._pace()
        return None if pace is None else max((self.of - len(self.epochs)) * pace - min(self.since, pace), 0.0)

    def whole(self) -> float | None:
        """Seconds that its training takes from first to last epoch."""
        pace = self._pace()
        return None if pace is None else sum(self.epochs) + (self.of - len(self.epochs)) * pace

    def _pace(self) -> float | None:
        if not self.epochs or self.of < len(self.epochs):
            return None
        recent = self.epochs[1:][-RECENT:] or self.epochs  # the first one also compiles and fills caches
        return sum(recent) / len(recent)


def with_projected(measured: Durations, running: Sequence[UnderWay]) -> Durations:
    """What was measured, and what trainings under way will have taken by the pace of their epochs."""
    both = measured.copy()
    for job in running:
        if (whole := job.whole()) is not None:
            both.add(job.kind, whole)
    return both


@dataclass(frozen=True)
class TimeLeft:
    """uncounted: the stages of which jobs run or wait whose length nothing is known of; they are not in the seconds."""

    seconds: float
    uncounted: tuple[Stage, ...] = ()

    def __str__(self) -> str:
        if not self.uncounted:
            return f"about {duration(self.seconds)} left"
        return f"at least {duration(self.seconds)} left, not counting {' and '.join(self.uncounted)}"

    @property
    def known(self) -> bool:
        """Whether there is anything to say."""
        return not self.uncounted or self.seconds > 0


def time_left(
    running: Sequence[UnderWay], waiting: Mapping[Kind, int], measured: Durations, room: tuple[float, float]
) -> TimeLeft:
    """No less than the work that is left takes on all CPUs, on all GPUs, and one after the other for want of inputs.

    Args:
        running: Jobs that run.
        waiting: How many wait, of each kind.
        measured: How long jobs have taken.
        room: CPUs and GPUs in all.
    """
    known = with_projected(measured, running)
    on_cpus = on_gpus = 0.0
    uncounted = set[Stage]()
    ends, steps = dict[Stage, float](), dict[Stage, float]()
    for job in running:
        left = job.left()
        if left is None:
            usual = known.usual(job.kind)
            left = None if usual is None or job.gone > OVERDUE * usual else max(usual - job.gone, 0.0)
        if left is None:
            uncounted.add(job.kind.stage)
            left = 0.0
        on_cpus, on_gpus = on_cpus + left * job.kind.cpus, on_gpus + left * job.kind.gpus
        ends[job.kind.stage] = max(left, ends.get(job.kind.stage, 0.0))
    for kind, count in waiting.items():
        usual = known.usual(kind)
        if count > 0 and usual is None:
            uncounted.add(kind.stage)
        elif count > 0 and usual is not None:
            on_cpus, on_gpus = on_cpus + count * usual * kind.cpus, on_gpus + count * usual * kind.gpus
            steps[kind.stage] = max(usual, steps.get(kind.stage, 0.0))
    chain = _longest_chain(ends, steps)
    seconds = max(on_cpus / max(room[0], 1.0), on_gpus / room[1] if room[1] else 0.0, chain)
    return TimeLeft(seconds, tuple(stage for stage in STAGES if stage in uncounted))


def _longest_chain(ends: Mapping[Stage, float], steps: Mapping[Stage, float]) -> float:
    """Jobs of a stage wait for those of earlier ones. ends: seconds to the last end of those that run; steps: the
    longest of those that wait."""
    reached = 0.0
    for stage in STAGES:
        reached = max(ends.get(stage, 0.0), reached + steps.get(stage, 0.0))
    return reached


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
