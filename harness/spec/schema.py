"""A spec as it is written: its keys, their types, their defaults and what they mean."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Annotated, Any, Literal, get_args

import pydantic
from pydantic import BeforeValidator, Field, PrivateAttr, WithJsonSchema

from harness.complaints import LARGEST
from harness.contracts import MAX_COLORS, MIN_COLORS, BitsKind, JudgeKind, Precision, check_share
from harness.spec import traps
from harness.spec.space import DomainKind

Stage = Literal["datasets", "classifiers", "quantizers", "applied", "cells"]
STAGES: tuple[Stage, ...] = get_args(Stage)
TRAINED: tuple[Stage, ...] = ("classifiers", "quantizers")
"""Stages whose jobs train, and leave checkpoints on the way."""
DEFAULT_COLORS = (2, 4, 8, 16, 64)
DEFAULT_METRICS = ("mse", "ssim")
"""The cheap ones: CIEDE2000 takes two to three times as long as SSIM."""
LONGEST_LABEL = 60

_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def _run_name(name: str) -> str:
    if not _RUN_NAME.fullmatch(name):
        raise ValueError("it names a folder: letters, digits, '.', '_' and '-', the first a letter or digit")
    return name


def _label(text: str) -> str:
    if not text.isprintable() or text != text.strip() or not 0 < len(text) <= LONGEST_LABEL:
        raise ValueError(
            f"it names the dataset in tables: 1 to {LONGEST_LABEL} characters in one line, no space around"
        )
    return text


class Model(pydantic.BaseModel):
    """A mapping of a spec: no other keys, and no value is converted to another type."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


NumberList = Annotated[list[int], Field(min_length=1)]
Levels = Annotated[NumberList, BeforeValidator(traps.levels, json_schema_input_type=int | NumberList)]
_Color = Annotated[int, Field(ge=MIN_COLORS, le=MAX_COLORS)]  # for editors; a spec's colors are checked when it is read
_Colors = _Color | Annotated[list[_Color], Field(min_length=1)]
Colors = Annotated[NumberList, BeforeValidator(traps.levels, json_schema_input_type=_Colors)]
Params = Annotated[dict[str, Any], BeforeValidator(traps.params, json_schema_input_type=dict[str, Any])]
_DOMAIN = {
    "type": "object",
    "properties": {kind: {"type": "array", "minItems": 1} for kind in get_args(DomainKind)},
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
}
Space = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": _DOMAIN})]


class Entry(Model):
    """A plugin with parameters."""

    name: str = Field(description="The plugin's name; fewcolors list shows all.")
    params: Params = Field(
        default={}, description="Its parameters by name; a list as a value means one variant per item."
    )
    _where: str = PrivateAttr("")
    _whole: bool = PrivateAttr(True)

    @property
    def where(self) -> str:
        """Its place in the spec: ``methods[1]``."""
        return self._where

    @property
    def whole(self) -> bool:
        """Whether nothing of it had to be left out."""
        return self._whole

    def place(self, where: str, whole: bool) -> None:
        """Remembers its place in the spec, and whether nothing of the entry had to be left out."""
        self._where, self._whole = where, whole


class DatasetEntry(Entry):
    """A dataset."""

    label: Annotated[str, pydantic.AfterValidator(_label)] | None = Field(
        default=None, description="What it is called in tables and figures, instead of its plugin's name."
    )
    train_images: Annotated[int, Field(ge=1, le=LARGEST)] | None = Field(
        default=None, description="The most training images to use, with every class in proportion."
    )
    test_images: Annotated[int, Field(ge=1, le=LARGEST)] | None = Field(
        default=None,
        description="The most test images to use, with every class in proportion; images of one source stay together.",
    )


TaughtBy = Annotated[
    str | Annotated[list[str], Field(min_length=1)],
    BeforeValidator(traps.taught_by, json_schema_input_type=str | list[str]),
]


class MethodEntry(Entry):
    """A method, optionally with its own levels and the values a search may try."""

    colors: Colors | None = Field(default=None, description="Its color counts, instead of the spec's.")
    quality: Levels | None = Field(default=None, description="A codec's qualities, instead of its defaults.")
    search: Space | None = Field(
        default=None,
        description="For fewcolors tune: the values to try of each parameter, such as gamma: {loguniform: [0.01, 10]}.",
    )
    taught_by: TaughtBy = Field(
        default="own",
        description="The classifier that a learned method is trained through: own, the one that judges it; each, one "
        "training for each classifier of the spec, all of them judged by all; all, or a list: one training through "
        "several at once.",
    )


ResourcesKey = Annotated[str, Field(pattern=rf"^({'|'.join(STAGES)})(/[\s\S]*)?$")]
"""A stage, or a stage and the name of one of its plugins: ``quantizers/colorcnn``."""


class Resources(Model):
    """What a job of one stage, or of one plugin in it, occupies instead of the values of its plugin and the stage."""

    cpus: Annotated[float, Field(gt=0)] | None = Field(default=None, description="CPUs, and threads, of one job.")
    gpus: Annotated[float, Field(ge=0)] | Literal["required"] | None = Field(
        default=None,
        description="A share of a GPU, if the cluster has GPUs; required: a whole GPU, and nothing runs without it.",
    )
    memory: Annotated[int, Field(gt=0, le=LARGEST)] | None = Field(default=None, description="Bytes that Ray reserves.")
    seconds: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="The time limit of one job; a job that exceeds it is stopped and counts as failed."
    )

    @pydantic.field_validator("cpus", "gpus")
    @classmethod
    def _valid_share(cls, amount: float | str | None, info: pydantic.ValidationInfo) -> float | str | None:
        if isinstance(amount, float):
            check_share(str(info.field_name), amount)
        return amount


def _keys(model: type[Model]) -> list[str]:
    return list(model.model_fields)


AnEntry = Annotated[Entry, BeforeValidator(partial(traps.entry, keys=_keys(Entry)), json_schema_input_type=str | Entry)]
ADataset = Annotated[
    DatasetEntry,
    BeforeValidator(partial(traps.entry, keys=_keys(DatasetEntry)), json_schema_input_type=str | DatasetEntry),
]
AMethod = Annotated[
    MethodEntry,
    BeforeValidator(partial(traps.entry, keys=_keys(MethodEntry)), json_schema_input_type=str | MethodEntry),
]
Bits = Annotated[BitsKind, BeforeValidator(traps.bits, json_schema_input_type=BitsKind)]
Judges = Annotated[list[JudgeKind], Field(min_length=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Seeds = Annotated[list[Seed], Field(min_length=1)]


class Headline(Model):
    """The comparison with the baseline that a report speaks of first, named before any result is known."""

    method: str = Field(description="A variant, by its name in tables.")
    level: Annotated[int, Field(ge=0, le=LARGEST)] | None = Field(
        default=None, description="Its number of colors, or a codec's quality; default: its lowest."
    )


class SearchSettings(Model):
    """How ``fewcolors tune`` searches."""

    algorithm: Literal["optuna", "random", "grid"] = Field(
        default="optuna", description="What proposes the next trial."
    )
    scheduler: Literal["asha", "none"] = Field(default="asha", description="What stops trials that do badly.")
    reduction_factor: Annotated[int, Field(ge=2, le=LARGEST)] = Field(
        default=2,
        description="Of ASHA, a number n: one in n trials passes a rung, and rungs are a factor of n apart.",
    )
    trials: Annotated[int, Field(ge=1, le=LARGEST)] | None = Field(
        default=None, description="How many trials one search runs."
    )
    seconds: Annotated[float, Field(gt=0)] | None = Field(default=None, description="The time limit of one search.")
    concurrency: Annotated[int, Field(ge=1, le=LARGEST)] | None = Field(
        default=None, description="How many trials run at a time."
    )
    validation: Annotated[float, Field(gt=0, le=0.5)] = Field(
        default=0.15,
        description="The share of the training images, whole groups, that neither classifier nor quantizer of the "
        "search learns from.",
    )
    seed: Seed = Field(default=0, description="Of split, classifier and trials; not one of the spec's seeds.")
    wandb: str | None = Field(default=None, description="A project of Weights & Biases.")
    mlflow: str | None = Field(default=None, description="A tracking URI of MLflow.")


class Precisions(Model):
    """The arithmetic of each kind of training."""

    classifiers: Precision = Field(default="fp32", description="Of the classifiers' trainings.")
    quantizers: Precision = Field(default="fp32", description="Of the learned quantizers' trainings.")

    def written_out(self) -> str | dict[str, str]:
        """As a spec has it: one word where both are the same."""
        return self.classifiers if self.classifiers == self.quantizers else self.model_dump()


class RetrainingSettings(Model):
    """How far a classifier is trained further on reduced images; null: a tenth of what its own training has."""

    epochs: Annotated[int, Field(ge=1, le=LARGEST)] | None = Field(
        default=None, description="Passes over the reduced training images."
    )
    rate: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="The peak of the learning rate's one cycle."
    )


class SpecFile(Model):
    """A spec of fewcolors; docs/spec.md explains it with examples."""

    name: Annotated[str, pydantic.AfterValidator(_run_name)] = Field(
        default="run", description="The run's name and that of its folder; default: the file's name."
    )
    datasets: Annotated[
        list[ADataset], Field(min_length=1), BeforeValidator(partial(traps.entries, keys=_keys(DatasetEntry)))
    ] = Field(description="Datasets, each a name alone or a name with parameters.")
    classifiers: Annotated[
        list[AnEntry], Field(min_length=1), BeforeValidator(partial(traps.entries, keys=_keys(Entry)))
    ] = Field(description="Classifiers that are trained on each dataset and then judge.")
    methods: Annotated[
        list[AMethod], Field(min_length=1), BeforeValidator(partial(traps.entries, keys=_keys(MethodEntry)))
    ] = Field(description="Methods to compare.")
    colors: Colors = Field(
        default=list(DEFAULT_COLORS),
        description="Color counts, 2 to 256, for quantizers that have none of their own.",
    )
    seeds: Annotated[Seeds, BeforeValidator(traps.seeds, json_schema_input_type=Seeds)] | None = Field(
        default=None, description="A list; each trains its own classifiers and learned quantizers. Default: [0]."
    )
    baseline: str | None = Field(
        default=None, description="The variant every other one is tested against; without it there are no tests."
    )
    recognized: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.9, description="The share of the original accuracy that counts as still recognized."
    )
    metrics: Annotated[list[AnEntry], BeforeValidator(partial(traps.entries, keys=_keys(Entry)))] = Field(
        default=[Entry(name=name) for name in DEFAULT_METRICS],
        description="How near reduced images are to the originals; a name, or a name with parameters.",
    )
    margin: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        default=0.01,
        description="Accuracies that differ by less count as the same; a fraction, 0.01 is one percentage point.",
    )
    headline: Headline | None = Field(
        default=None,
        description="The comparison that the report speaks of first. Default: the variant furthest from the baseline "
        "at the lowest level, with an interval that allows for the choice.",
    )
    precision: Annotated[
        Precisions, BeforeValidator(traps.precision, json_schema_input_type=Precision | Precisions)
    ] = Field(default=Precisions(), description="Of trainings; images are always judged in fp32.")
    judge: Annotated[Judges, BeforeValidator(traps.judge, json_schema_input_type=JudgeKind | Judges)] = Field(
        default=["frozen"],
        description="Who judges: the classifier as it was trained (frozen), one that was trained further on each "
        "method's own reduced training images (retrained), or both.",
    )
    retraining: RetrainingSettings = Field(
        default=RetrainingSettings(), description="How the retrained judges are trained."
    )
    bits: Bits = Field(
        default="file",
        description="The bits that the report draws accuracies against at first: of the whole file, of its payload "
        "(coded pixels alone), or the entropy of indices and palette, which codecs do not have.",
    )
    reports: Annotated[list[str], Field(min_length=1), BeforeValidator(partial(traps.entries, keys=()))] = Field(
        default=["tables", "html"], description="The reports to write at the end."
    )
    resources: dict[ResourcesKey, Resources] = Field(
        default={},
        description="What a job of one stage occupies, instead of the values of its plugin; quantizers/colorcnn: a job "
        "of that dataset, classifier or method alone.",
        json_schema_extra={
            "additionalProperties": False,
            "properties": {stage: {} for stage in STAGES},  # for editors to offer
        },
    )
    search: SearchSettings | None = Field(default=None, description="How fewcolors tune searches.")


def json_schema() -> str:
    """The JSON Schema of a spec, for editors."""
    content = {"$schema": "https://json-schema.org/draft/2020-12/schema", **SpecFile.model_json_schema()}
    return json.dumps(content, indent=2) + "\n"
