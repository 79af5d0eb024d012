"""Where jobs go on a cluster with GPUs on some of its nodes: CPUs beside a GPU are for the jobs that occupy it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Literal

Turn = Literal["now", "last", "not yet"]
"""When a job may be submitted: now, after all others that can be, or not before another one ends."""


@dataclass(frozen=True)
class Node:
    """What a node has in all. memory: bytes."""

    name: str
    cpus: float
    gpus: float
    memory: float

    def holds(self, work: Work) -> bool:
        return self.cpus >= work.cpus and self.memory >= work.memory


@dataclass(frozen=True)
class Work:
    """What a task occupies. short: it will be over before another has waited for long."""

    cpus: float
    gpus: float
    memory: float
    short: bool


@dataclass
class Placing:
    """The tasks of one run, and where they were sent.

    Those that occupy no GPU go to nodes without one. Once those are full, short ones take any CPU that the others,
    which come first, leave free; long ones take only CPUs that the GPUs beside them can never make use of. Those on
    GPUs wait for the CPUs beside GPUs, while the rest are left to others. On clusters of one kind of nodes, and for
    what no node without a GPU could hold, there is nothing to decide.

    beside: CPUs that the run's jobs take for each GPU, at most; None where none occupies a GPU.
    """

    beside: float | None = None
    _nodes: tuple[Node, ...] = ()
    _placed: dict[Hashable, tuple[Work, Node | None]] = field(default_factory=dict)
    _decided: dict[Work, tuple[Turn, Node | None]] = field(default_factory=dict)

    def look(self, nodes: Iterable[Node]) -> None:
        """Takes note of the nodes that there are now."""
        self._nodes = tuple(nodes)
        self._decided.clear()

    def count(self, cpus: float, gpus: float) -> None:
        """Takes note of a job of the run."""
        if gpus:
            self.beside = max(cpus / gpus, self.beside or 0.0)
            self._decided.clear()

    def decide(self, work: Work) -> tuple[Turn, Node | None]:
        """When it may be submitted, and to which node; None: to any that has room."""
        if work not in self._decided:
            self._decided[work] = self._decide(work)
        return self._decided[work]

    def enter(self, task: Hashable, work: Work, node: Node | None) -> None:
        """A task was submitted to the node."""
        self._placed[task] = work, node
        self._decided.clear()

    def leave(self, task: Hashable) -> None:
        """A task has ended."""
        if self._placed.pop(task, None):
            self._decided.clear()

    def could_hold(self, work: Work) -> bool:
        """Whether any node could, were it empty."""
        return any(node.holds(work) and node.gpus >= work.gpus for node in self._nodes)

    def _decide(self, work: Work) -> tuple[Turn, Node | None]:
        if not self.could_hold(work):
            return "not yet", None
        with_gpus = [node for node in self._nodes if node.gpus and node.cpus]
        without = [node for node in self._nodes if not node.gpus and node.holds(work)]
        placed = self._placed.values()
        if work.gpus:
            taken = sum(other.cpus for other, _ in placed if other.gpus)
            others = any(node.cpus for node in self._nodes if not node.gpus)
            fits = not others or taken + work.cpus <= sum(node.cpus for node in with_gpus)
            return "now" if fits else "not yet", None
        if self.beside is None or not with_gpus or not without:
            return "now", None
        node = self._emptiest(without, work)
        if node is not None:
            return "now", node
        spare = [max(node.cpus - node.gpus * self.beside, 0.0) for node in with_gpus]
        taken = sum(other.cpus for other, node in placed if node is None and not other.gpus and not other.short)
        fits = work.short or (max(spare) >= work.cpus and sum(spare) - taken >= work.cpus)
        return "last" if fits else "not yet", None

    def _emptiest(self, nodes: Iterable[Node], work: Work) -> Node | None:
        """Of the nodes that have room for it now, the one with the most CPUs free."""
        free = {node: [node.cpus, node.memory] for node in nodes}
        for other, node in self._placed.values():
            if node in free:
                free[node][0] -= other.cpus
                free[node][1] -= other.memory
        fitting = [node for node, left in free.items() if left[0] >= work.cpus and left[1] >= work.memory]
        return max(fitting, key=lambda node: free[node][0], default=None)
