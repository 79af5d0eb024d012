"""What counts against a job, or a search's trial, whose worker was lost or that could not reach the store."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

RETRIES = 4
"""How often in a row a job is run again that was lost with its worker process or node and had come no further."""
BLAMELESS_RETRIES = 11
"""How often in a row it is run again that was lost while its process was starting or with its node: not its doing.

Also how often one is that could not reach the store.
"""
PAUSE_SECONDS = 0.5
"""Before the first of them; before each further one twice as long."""
LONGEST_PAUSE_SECONDS = 60.0
NODE_LOST = "its node was lost"
PROCESS_DIED = "its worker process died"
OUT_OF_MEMORY = "its worker process was stopped: the node was out of memory"
ASKED_TO_END = "its worker process was asked to end"
ALONE_ON_A_GPU = "the GPU had no memory left; run again alone on a whole GPU"
_RAY_SAYS = {"its node has died": NODE_LOST, "running low on memory": OUT_OF_MEMORY, "SIGTERM": ASKED_TO_END}


def why_actor_died(said: str) -> str:
    """In our words. said: Ray's text of the error, which is of one class whatever the actor died of."""
    found = said.partition("Some common causes")[0]
    return next((ours for theirs, ours in _RAY_SAYS.items() if theirs in found), PROCESS_DIED)


@dataclass(frozen=True)
class LostTask:
    """A task whose process or node was lost.

    reason: why, in a sentence. host, log: where it was and printed, if it began. blamed: whether the job may be the
    reason: it had begun, and its process died alone. preempted: its process was asked to end (SIGTERM), which says
    nothing of its jobs.
    """

    reason: str
    host: str = ""
    log: str = ""
    blamed: bool = True
    preempted: bool = False


@dataclass(frozen=True)
class Consequence:
    """What becomes of what was lost. why: in a sentence. seconds: how long to wait before it is run again."""

    why: str
    seconds: float = 0.0
    given_up: bool = False


@dataclass
class Losses:
    """How often a job was lost since it last came further.

    place: how far it had come by then. blamed: where it may have been the reason. blameless: where it was not.
    """

    place: Hashable = None
    in_a_row: int = 0
    blamed: int = 0
    blameless: int = 0

    def add(self, lost: LostTask, place: Hashable) -> Consequence:
        """Counts one more. place: how far the job has come."""
        if place != self.place:
            self.place, self.in_a_row, self.blamed, self.blameless = place, 0, 0, 0
        self.in_a_row += 1
        if lost.preempted:
            return Consequence(f"{lost.reason}; run again", pause(self.in_a_row))
        self.blamed += lost.blamed
        self.blameless += not lost.blamed
        times, retries, where = (
            (self.blamed, RETRIES, " at the same place")
            if lost.blamed
            else (self.blameless, BLAMELESS_RETRIES, ", before it came to the job or with its node")
        )
        if times > retries:
            return Consequence(f"its worker process was lost {times} times{where}: {lost.reason}", given_up=True)
        return Consequence(f"{lost.reason}; retry {times} of {retries}", pause(self.in_a_row))


def gpu_too_small(setting: str) -> str:
    """Why something failed that had all of a GPU's memory. setting: which of a spec's has it run on CPUs, if any."""
    on_cpus = f", or have it run on CPUs ({setting}: 0)" if setting else ""
    return f"a whole GPU has too little memory for it: lower its batch size or width{on_cpus}"


def without_store(times: int, why: str) -> Consequence:
    """What becomes of a job that could not reach the store so many times. why: what was said the last time."""
    if times > BLAMELESS_RETRIES:
        return Consequence(f"the store could not be reached in {times} tries: {why}", given_up=True)
    return Consequence(f"the store could not be reached; retry {times} of {BLAMELESS_RETRIES}", pause(times))


def pause(in_a_row: int) -> float:
    """Seconds before a job is run again."""
    return min(PAUSE_SECONDS * 2 ** (in_a_row - 1), LONGEST_PAUSE_SECONDS)
