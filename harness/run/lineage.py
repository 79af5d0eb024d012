"""What cells of a run were made of, as its plan tells, and in what two of different runs differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

Part = Literal["dataset", "classifier", "variant"]
"""What of a cell has a name that two runs may use for different things; a classifier is meant before retraining."""
_IN_WORDS = {
    "precision": "trained in {}",
    "train_images": "{} training images at most",
    "test_images": "{} test images at most",
    "held_out": "held out {}",
    "levels": "trained for {} colors",
    "retraining": "retrained with {}",
    "metrics": "measured by {}",
}
_UNTOLD = "what no plan tells: the files that were read, or this program's own part of the keys"


class Lineage:
    """A run's jobs by key."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._jobs: dict[str, Mapping[str, Any]] = {job["key"]: job for job in plan["jobs"]}
        self._recipes: dict[str, str] = {}

    def job(self, key: str) -> Mapping[str, Any]:
        return self._jobs[key]

    def part(self, cell: str, part: Part) -> str:
        """The key of a part of the cell with this key."""
        if part == "variant":
            return cell
        inputs = self._jobs[cell]["inputs"]
        role = "original" if part == "classifier" and "original" in inputs else part
        key: str = inputs[role][1]
        return key

    def recipe(self, key: str) -> str:
        """Text that is equal for jobs that differ in nothing but seeds and the level they are done for."""
        if key not in self._recipes:
            job = self._jobs[key]
            inputs = {role: self.recipe(other) for role, (_, other) in sorted(job["inputs"].items())}
            self._recipes[key] = json.dumps([_own(job), inputs], sort_keys=True)
        return self._recipes[key]


def _own(job: Mapping[str, Any]) -> dict[str, Any]:
    """What a job is, without its inputs, seed and, unless it serves several, level."""
    several = {"levels": job["levels"]} if len(job["levels"]) > 1 else {}
    fields = ("plugin", "source", "params", *(name for name in _IN_WORDS if name != "levels"))
    return {name: job.get(name) for name in fields} | several


def reasons(own: tuple[Lineage, str], other: tuple[Lineage, str]) -> tuple[str, ...]:
    """In what two artifacts of equal names differ, in words.

    Args:
        own: The run and the key of the one that the words are about.
        other: Of the one that it is compared with.
    """
    return tuple(dict.fromkeys(_walk(own, other))) or (_UNTOLD,)


def _walk(own: tuple[Lineage, str], other: tuple[Lineage, str]) -> Iterator[str]:
    (lineage, key), (others, other_key) = own, other
    if key == other_key:
        return
    job, there = lineage.job(key), others.job(other_key)
    for role in sorted(job["inputs"].keys() | there["inputs"].keys()):
        if role in job["inputs"] and role in there["inputs"]:
            yield from _walk((lineage, job["inputs"][role][1]), (others, there["inputs"][role][1]))
    yield from _unlike(job, there)


def _unlike(job: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[str]:
    """What differs between two jobs of one stage, apart from their inputs."""
    plugin, fields, others = job["plugin"], _own(job), _own(there)
    if plugin != there["plugin"]:
        yield f"{plugin}, not {there['plugin']}"
        return
    if fields["source"] != others["source"]:
        yield f"another state of the code of {plugin}, or of a library that it uses"
    for name in sorted(job["params"].keys() | there["params"].keys()):
        if job["params"].get(name) != there["params"].get(name):
            yield f"{plugin}: {name} is {_said(job['params'].get(name))}, not {_said(there['params'].get(name))}"
    for name, words in _IN_WORDS.items():
        if fields.get(name) != others.get(name):
            yield f"{job['name']}: {words.format(_said(fields.get(name)))}, not {_said(others.get(name))}"


def _said(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return ", ".join(metric["column"] for metric in value)
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
