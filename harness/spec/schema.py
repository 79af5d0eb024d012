"""A spec as it is written: its keys, their types and their defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

import pydantic

from harness.complaints import describe, did_you_mean, shown
from harness.contracts import BadInput, Precision, check_share

Stage = Literal["datasets", "classifiers", "quantizers", "applied", "cells"]
STAGES: tuple[Stage, ...] = get_args(Stage)
DEFAULT_COLORS = (2, 4, 8, 16, 64)
DEFAULT_METRICS = ("mse", "ssim")
"""The cheap ones: CIEDE2000 costs some four times as much as SSIM."""


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _named(value: object) -> object:
    if not isinstance(value, str | dict):
        raise ValueError("it should be a name, or a mapping with a name and params")
    return {"name": value} if isinstance(value, str) else value


_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def _run_name(name: str) -> str:
    if not _RUN_NAME.fullmatch(name):
        raise ValueError("it names a folder: letters, digits, '.', '_' and '-', the first a letter or digit")
    return name


class _Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)


class Entry(_Model):
    """A plugin with parameters; a list as a parameter's value stands for one variant per item."""

    name: str
    params: dict[str, Any] = {}


Levels = Annotated[list[int], pydantic.BeforeValidator(_listed), pydantic.Field(min_length=1)]


class DatasetEntry(Entry):
    """A dataset. train_images: so many of its training images are used at most, each class with its share."""

    train_images: Annotated[int, pydantic.Field(ge=1)] | None = None


class MethodEntry(Entry):
    """A method, with its own levels where it does not take the spec's ``colors``, and what a search may try."""

    colors: Levels | None = None
    quality: Levels | None = None
    search: dict[str, Any] | None = None


class Resources(_Model):
    """What a job of one stage may occupy, instead of what the plugin and the stage state."""

    cpus: Annotated[float, pydantic.Field(gt=0)] | None = None
    gpus: Annotated[float, pydantic.Field(ge=0)] | Literal["required"] | None = None
    memory: Annotated[int, pydantic.Field(gt=0)] | None = None
    seconds: Annotated[float, pydantic.Field(gt=0)] | None = None

    @pydantic.field_validator("cpus", "gpus")
    @classmethod
    def _valid_share(cls, amount: float | str | None, info: pydantic.ValidationInfo) -> float | str | None:
        if isinstance(amount, float):
            check_share(str(info.field_name), amount)
        return amount


AnEntry = Annotated[Entry, pydantic.BeforeValidator(_named)]
ADataset = Annotated[DatasetEntry, pydantic.BeforeValidator(_named)]
AMethod = Annotated[MethodEntry, pydantic.BeforeValidator(_named)]
Seed = Annotated[int, pydantic.Field(ge=0, lt=2**31)]


class SearchSettings(_Model):
    """How ``fewcolors tune`` searches.

    reduction_factor: of ASHA; one in so many trials gets past a rung, and rungs are so many times apart. trials,
    seconds: the budget of one search. concurrency: trials at a time. validation: the share of the training images,
    whole groups, that neither classifier nor quantizer of the search learns from. wandb: a project; mlflow: a
    tracking URI.
    """

    algorithm: Literal["optuna", "random", "grid"] = "optuna"
    scheduler: Literal["asha", "none"] = "asha"
    reduction_factor: Annotated[int, pydantic.Field(ge=2)] = 2
    trials: Annotated[int, pydantic.Field(ge=1)] | None = None
    seconds: Annotated[float, pydantic.Field(gt=0)] | None = None
    concurrency: Annotated[int, pydantic.Field(ge=1)] | None = None
    validation: Annotated[float, pydantic.Field(gt=0, le=0.5)] = 0.15
    seed: Seed = 0
    wandb: str | None = None
    mlflow: str | None = None


class SpecFile(_Model):
    """A spec as it is written; see ``docs/spec.md``."""

    name: Annotated[str, pydantic.AfterValidator(_run_name)]
    datasets: Annotated[list[ADataset], pydantic.Field(min_length=1)]
    classifiers: Annotated[list[AnEntry], pydantic.Field(min_length=1)]
    methods: Annotated[list[AMethod], pydantic.Field(min_length=1)]
    colors: Levels = list(DEFAULT_COLORS)
    seeds: Annotated[list[Seed], pydantic.BeforeValidator(_listed), pydantic.Field(min_length=1)] | None = None
    baseline: str | None = None
    recognized: Annotated[float, pydantic.Field(gt=0, le=1)] = 0.9
    metrics: list[AnEntry] = [Entry(name=name) for name in DEFAULT_METRICS]
    precision: Precision = "fp32"
    reports: Annotated[list[str], pydantic.Field(min_length=1)] = ["tables", "html"]
    resources: dict[Stage, Resources] = {}
    search: SearchSettings | None = None


def read_file(content: Mapping[str, Any]) -> SpecFile:
    """A spec's content, its keys and types checked. Raises BadInput with one sentence."""
    try:
        return SpecFile.model_validate(content)
    except pydantic.ValidationError as error:
        raise BadInput(_one_sentence(error, content)) from None


def _one_sentence(error: pydantic.ValidationError, content: Mapping[str, Any]) -> str:
    first = error.errors(include_url=False)[0]
    *parents, key = first["loc"]
    if first["type"] == "extra_forbidden":
        inner: dict[str, type[_Model]] = {"datasets": DatasetEntry, "methods": MethodEntry, "resources": Resources}
        inner["search"] = SearchSettings
        known = list((inner.get(str(parents[0]), Entry) if parents else SpecFile).model_fields)
        what, hint = "key", " (parameters go under params)" if "params" in known else ""
    elif parents[:1] == ["resources"] and key == "[key]":
        *parents, key = parents
        what, known, hint = "stage", list(STAGES), ""
    else:
        sentence = describe(error, content)
        return f"spec{sentence}" if sentence.startswith(":") else sentence.lstrip(".")
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parents).lstrip(".") or "spec"
    return f"{where}: unknown {what} {shown(key)}{did_you_mean(key, known)} (known: {', '.join(known)}){hint}."
