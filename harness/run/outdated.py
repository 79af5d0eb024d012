"""Artifacts made from a network that was trained again since, and is another one under the same key.

A training on the same kind of machine gives the same bytes; on another one, on a GPU or with another torch it may not.
Where a stored classifier was damaged or removed and is trained again there, what was made from the one before would
stand beside what is made from the new one, as if one network had judged all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from harness.run.stages import Abouts
from harness.spec.schema import TRAINED

WHY = "made from {}, which was trained again since and is another network"


def outdated_in(
    jobs: Mapping[str, Mapping[str, Any]], about: Abouts, cells: Iterable[str], *, far: bool
) -> Callable[[str], str | None]:
    """Tells of an artifact, by its key, from which network it was made that is not what is stored.

    Where all that finished cells rest on was made from one network a key, nothing is outdated, whatever is stored by
    now; and no network is read, which takes long from far away.

    Args:
        jobs: Of a run's ``plan.json``, by key.
        about: What the artifacts of the run's store say of themselves.
        cells: The keys of finished cells.
        far: Whether the store is, so that retrained classifiers are not read either unless others differ.

    Returns:
        A function from a job's key to that of the network: of an input, or of what an input was made from. None where
        there is none, and where it cannot be told, as one of both is gone or an older version stored it.
    """

    def made_from(key: str) -> dict[str, str]:
        """The digests of what a stored artifact's trained inputs were, by their keys."""
        trained = {role: parent for role, (stage, parent) in jobs[key]["inputs"].items() if stage in TRAINED}
        said = (about(jobs[key]["stage"], key) if trained else None) or {}
        return {trained[role]: digest for role, digest in said.get("made_from", {}).items() if role in trained}

    @cache
    def outdated(key: str) -> str | None:
        for parent, digest in made_from(key).items():
            if (about(jobs[parent]["stage"], parent) or {}).get("network", digest) != digest:
                return parent
        return next((cause for _, parent in jobs[key]["inputs"].values() if (cause := outdated(parent))), None)

    networks: dict[str, set[str]] = {}
    for key in _rested_on(jobs, cells):
        if not (far and jobs[key]["stage"] == "classifiers"):
            for parent, digest in made_from(key).items():
                networks.setdefault(parent, set()).add(digest)
    return outdated if any(len(digests) > 1 for digests in networks.values()) else lambda _key: None


def _rested_on(jobs: Mapping[str, Mapping[str, Any]], cells: Iterable[str]) -> set[str]:
    """The cells, their inputs, those of these, and so on."""
    found, further = set[str](), list(cells)
    while further:
        key = further.pop()
        if key not in found:
            found.add(key)
            further += [parent for _, parent in jobs[key]["inputs"].values()]
    return found
