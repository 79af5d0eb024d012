"""What a search leaves behind, as reports read it: its trials and the one that won."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

TrialStatus = Literal["finished", "stopped", "failed", "unfinished"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training of a search. Trial 0 is the paper's setting.

    chosen: the values of the parameters that are searched. status: ``finished`` its whole training, ``stopped`` early
    by the scheduler, ``failed`` (``error`` says how), or ``unfinished`` when the search's budget ended. accuracy: on
    the validation split, of images decoded to 8 bits; of the last epoch measured, None where none was. epochs: done,
    of ``of``. seconds: of training. history: each epoch's metrics.
    """

    number: int
    chosen: Mapping[str, Any]
    status: TrialStatus
    accuracy: float | None
    epochs: int
    of: int
    seconds: float
    error: str = ""
    key: str = ""
    history: tuple[Mapping[str, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """One search: a method at one color count on one task, on training images held out from classifier and quantizer.

    dataset, classifier, variant: short names as in tables; space: parameter -> kind of domain -> its values. start: the
    searched parameters in the paper's setting. train, validation: how many images. best: the number of the finished
    trial with the highest accuracy (the first of equals), None where none finished. cpus, gpus: what one trial
    occupies. cycle: after how many epochs, and multiples, a trial may be stopped. classifier_accuracy: the
    classifier's on the originals of the validation split; classifier_seconds: what its training took.
    """

    dataset: str
    classifier: str
    variant: str
    level: int
    space: Mapping[str, Mapping[str, Any]]
    start: Mapping[str, Any]
    algorithm: str
    scheduler: str
    seed: int
    train: int
    validation: int
    classifier_accuracy: float
    cpus: float
    gpus: float
    cycle: int
    device: str
    trials: tuple[Trial, ...]
    best: int | None
    classifier_seconds: float = 0.0
