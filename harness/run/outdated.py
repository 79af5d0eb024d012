"""Artifacts made from a network that was trained again since, and is another one under the same key.

A training on the same kind of machine gives the same bytes; on another one, on a GPU or with another torch it may not.
Where a stored classifier was damaged or removed and is trained again there, what was made from the one before would
stand beside what is made from the new one, as if one network had judged all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from harness.run.stages import Abouts
from harness.spec.schema import TRAINED

WHY = "made from {}, which was trained again since and is another network"


def outdated_in(jobs: Mapping[str, Mapping[str, Any]], about: Abouts) -> Callable[[str], str | None]:
    """Tells of an artifact, by its key, from which network it was made that is not what is stored.

    Args:
        jobs: Of a run's ``plan.json``, by key.
        about: What the artifacts of the run's store say of themselves.

    Returns:
        A function from a job's key to that of the network: of an input, or of what an input was made from. None where
        there is none, and where it cannot be told, as one of both is gone or an older version stored it.
    """

    @cache
    def outdated(key: str) -> str | None:
        job = jobs[key]
        trained = {role: key for role, (stage, key) in job["inputs"].items() if stage in TRAINED}
        said = (about(job["stage"], key) if trained else None) or {}
        for role, parent in trained.items():
            made_from = said.get("made_from", {}).get(role)
            stored = (about(jobs[parent]["stage"], parent) or {}).get("network")
            if made_from is not None and stored is not None and made_from != stored:
                return parent
        return next((cause for _, parent in job["inputs"].values() if (cause := outdated(parent)) is not None), None)

    return outdated
