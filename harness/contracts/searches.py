"""What a search leaves behind, as reports read it: its trials and the one that won."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

TrialStatus = Literal["finished", "stopped", "failed", "unfinished"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training of a search. Trial 0 is its start: the paper's setting, or the method's defaults.

    Attributes:
        number: In the order in which trials were chosen.
        chosen: The values of the parameters that are searched.
        status: ``finished`` its whole training, ``stopped`` early by the scheduler, ``failed``, or ``unfinished`` when
            the search's budget ended.
        accuracy: 0 to 1, on the validation images, decoded to 8 bits; of the last epoch measured, None: of none.
        epochs: Done.
        of: Epochs of a whole training.
        seconds: Of training.
        error: How it failed, in one line.
        key: Of its artifact in the store.
        history: Each epoch's metrics.
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

    Attributes:
        dataset: Its short name, as in tables.
        classifier: Likewise.
        variant: Likewise.
        level: The number of colors.
        space: Parameter -> kind of domain -> its values.
        start: The searched parameters in trial 0: each the paper's, or else the method's default.
        algorithm: What chose the trials.
        scheduler: What stopped them early.
        seed: Of the search, and of every training in it.
        train: Images that trials were trained on.
        validation: Images that they were measured on.
        classifier_accuracy: The classifier's on the validation images as they are, 0 to 1.
        cpus: What one trial occupied.
        gpus: Likewise.
        cycle: After how many epochs, and multiples, a trial could be stopped.
        device: With its model.
        trials: All that were begun.
        best: The number of the finished trial with the highest accuracy, the first of equals; None: none finished.
        classifier_seconds: What the classifier's training took.
        published: The searched parameters that the method's ``paper`` names.
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
    published: tuple[str, ...] = ()

    @property
    def start_words(self) -> str:
        """What trial 0 is called: a method of no paper, or whose paper names none of this, has defaults alone."""
        return "the paper's setting" if self.published else "the method's defaults"
