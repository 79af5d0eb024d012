"""What ``plan.json`` may hold: a run's folder may come from anyone, and what is looked for and written follows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NotRequired

import pydantic
from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from harness.complaints import by_place, escaped, sentence_about
from harness.contracts import JudgeKind, Level, LevelKind, Needs, Precision
from harness.spec.schema import Stage
from harness.writing import plain_json

_DEEPEST = 8
"""How many jobs a chain of inputs may have: of those there are, a retrained judge has the longest."""


def _as_needs(needs: dict[str, Any]) -> dict[str, Any]:
    Needs(**needs)
    return needs


def _no_control_characters(text: str) -> str:
    if any(ord(each) < ord(" ") for each in text):
        raise ValueError("it should name a folder or a URI")
    return text


Key = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Params = dict[str, Any]
_open, _closed = pydantic.with_config(extra="ignore"), pydantic.with_config(extra="forbid")
"""What is unknown is left alone where nobody reads it."""


@_closed
class _Needs(TypedDict, total=False):
    cpus: float | None
    gpus: float | str | None
    memory: float | None
    seconds: float | None


@_open
class _Retraining(TypedDict):
    recipe: Params


@_open
class _Job(TypedDict):
    stage: Stage
    key: Key
    name: str
    plugin: str
    params: Params
    inputs: dict[str, tuple[Stage, Key]]
    needs: Annotated[_Needs, AfterValidator(_as_needs)]
    levels: NotRequired[list[Level]]
    retraining: NotRequired[_Retraining | None]
    train_images: NotRequired[int | None]
    test_images: NotRequired[int | None]
    source: NotRequired[str]


@_closed
class _Cell(TypedDict):
    dataset: str
    classifier: str
    method: str
    variant: str
    params: Params
    level_kind: LevelKind
    level: Level
    seed: int
    fitted_on: str
    precision: Precision
    key: Key
    judge: NotRequired[JudgeKind]


@_open
class _Recipe(TypedDict):
    what: str
    name: str
    plugin: str
    params: Params
    differs: list[str]


@_open
class _Spec(TypedDict):
    name: str
    reports: list[str]
    baseline: NotRequired[str | None]
    margin: NotRequired[float | None]
    recognized: NotRequired[float | None]


@_closed
class _Plan(TypedDict):
    spec: _Spec
    store: Annotated[str, Field(min_length=1), AfterValidator(_no_control_characters)]
    jobs: list[_Job]
    cells: list[_Cell]
    recipes: list[_Recipe]


_PLANS = pydantic.TypeAdapter(_Plan)
_MISSING: dict[str, Any] = {"levels": [], "retraining": None}
"""What jobs of older runs lack."""


def checked_plan(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a ``plan.json``. Raises ValueError that says what in it is not as runs write it."""
    try:
        _PLANS.validate_json(plain_json(content), strict=True)
    except pydantic.ValidationError as error:
        path, complaints = next(iter(by_place(error, content).items()))
        raise ValueError(escaped(sentence_about(path, complaints)).removeprefix(".").removesuffix(".")) from None
    _check_links(content["jobs"], content["cells"])
    return {**content, "jobs": [_MISSING | job for job in content["jobs"]]}


def _check_links(jobs: Sequence[Mapping[str, Any]], cells: Sequence[Mapping[str, Any]]) -> None:
    """Each job follows its inputs, and each cell has a job that judges what was applied."""
    found: dict[str, tuple[Mapping[str, Any], int]] = {}
    for number, job in enumerate(jobs):
        before = [key for _, key in job["inputs"].values()]
        if any(key not in found or stage != found[key][0]["stage"] for stage, key in job["inputs"].values()):
            raise ValueError(f"jobs[{number}].inputs: it names a job that does not stand before it")
        depth = 1 + max((found[key][1] for key in before), default=0)
        if depth > _DEEPEST:
            raise ValueError(f"jobs[{number}].inputs: more than {_DEEPEST} jobs rest on each other")
        found[job["key"]] = job, depth
    for number, cell in enumerate(cells):
        job, _ = found.get(cell["key"], ({}, 0))
        if job.get("stage") != "cells" or not {"dataset", "classifier", "applied"} <= job["inputs"].keys():
            raise ValueError(f"cells[{number}].key: no job judges this cell")
