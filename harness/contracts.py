"""What plugins and the engine agree on: images, palettes, datasets, lessons, needs and results.

Images travel as ``uint8 [N, H, W, 3]`` sRGB arrays, in batches. This module loads neither torch nor Ray.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Images = NDArray[np.uint8]
"""``uint8 [N, H, W, 3]``, sRGB."""

LevelKind = Literal["colors", "quality", "none"]
Level = int | None
Precision = Literal["fp32", "bf16"]

MIN_COLORS, MAX_COLORS = 2, 256


class BadInput(ValueError):
    """The user's input cannot be used. The message is one sentence: what is wrong, where, what would be right."""


class ContractError(RuntimeError):
    """A plugin returned something its contract does not allow. The message is one sentence."""


@dataclass(frozen=True, eq=False)
class Palettized:
    """A batch of indexed images, what every quantizer returns.

    indices: ``uint8 [N, H, W]``, each below C.
    palettes: ``uint8 [N, C, 3]``, sRGB, C at most 256. Entries may be unused or repeat a color.
    """

    indices: NDArray[np.uint8]
    palettes: NDArray[np.uint8]

    def render(self) -> Images:
        """The images a decoder shows: ``uint8 [N, H, W, 3]`` (paper Eq. 5)."""
        rows = np.arange(len(self.indices))[:, None, None]
        return self.palettes[rows, self.indices]

    def compact(self) -> Palettized:
        """The same pixels with entries that no pixel uses, and repeated colors, dropped.

        Image n then uses exactly the entries 0 .. ``indices[n].max()``, in ascending RGB order; the palette is as
        wide as the batch's most colorful image needs, padded with black.
        """
        n, entries = self.palettes.shape[:2]
        flat = self.indices.reshape(n, -1).astype(np.int64)
        image = np.arange(n)[:, None]
        used = np.zeros((n, entries), bool)
        used[image, flat] = True
        code = (self.palettes.astype(np.int64) << np.array([16, 8, 0])).sum(-1)
        code[~used] = 1 << 24
        order = np.argsort(code, axis=1, kind="stable")
        ascending = np.take_along_axis(code, order, axis=1)
        fresh = ascending < 1 << 24
        fresh[:, 1:] &= ascending[:, 1:] != ascending[:, :-1]
        rank = np.maximum(np.cumsum(fresh, axis=1) - 1, 0)
        renumber = np.empty_like(rank)
        np.put_along_axis(renumber, order, rank, axis=1)
        palettes = np.zeros((n, int(fresh.sum(1).max(initial=1)), 3), np.uint8)
        rows, columns = np.nonzero(fresh)
        palettes[rows, rank[rows, columns]] = self.palettes[rows, order[rows, columns]]
        return Palettized(renumber[image, flat].astype(np.uint8).reshape(self.indices.shape), palettes)

    def colors(self) -> NDArray[np.int64]:
        """How many distinct colors each image shows: ``int64 [N]``."""
        compacted = self.compact().indices
        return compacted.reshape(len(compacted), -1).max(axis=1).astype(np.int64) + 1


def check_palettized(result: object, images: Images, colors: int) -> Palettized:
    """Hold what a quantizer returned against the contract; returns it compacted, raises ContractError."""
    if not isinstance(result, Palettized):
        raise ContractError(f"palettize returned {type(result).__name__}, it must return a Palettized")
    for name, array, shape in (
        ("indices", result.indices, images.shape[:3]),
        ("palettes", result.palettes, (len(images), "1..256", 3)),
    ):
        if not isinstance(array, np.ndarray):
            raise ContractError(f"{name} are {type(array).__name__}, they must be a numpy array")
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise ContractError(f"{name} contain NaN; they must be uint8 [{', '.join(map(str, shape))}]")
        fits = (
            array.shape == shape
            if name == "indices"
            else (
                array.ndim == 3
                and array.shape[0] == shape[0]
                and array.shape[2] == 3
                and 1 <= array.shape[1] <= MAX_COLORS
            )
        )
        if array.dtype != np.uint8 or not fits:
            wanted = ", ".join(map(str, shape))
            raise ContractError(f"{name} are {array.dtype} {list(array.shape)}, they must be uint8 [{wanted}]")
    if result.indices.size and int(result.indices.max()) >= result.palettes.shape[1]:
        raise ContractError(
            f"an index is {int(result.indices.max())}, the palettes have {result.palettes.shape[1]} entries"
        )
    compacted = result.compact()
    if compacted.palettes.shape[1] > colors:
        worst = int(np.argmax(compacted.indices.reshape(len(images), -1).max(axis=1)))
        raise ContractError(f"image {worst} has {compacted.palettes.shape[1]} colors, at most {colors} were asked for")
    return compacted


@dataclass(frozen=True, eq=False)
class Split:
    """Images with labels.

    images: ``uint8 [N, H, W, 3]``; labels: ``int64 [N]``; groups: ``int64 [N]``, equal where images share a source and
    are not independent (by default each image is its own group).
    """

    images: Images
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]

    @classmethod
    def of(cls, images: Images, labels: NDArray[Any], groups: NDArray[Any] | None = None) -> Split:
        own = np.arange(len(images)) if groups is None else groups
        return cls(images, np.asarray(labels, np.int64), np.asarray(own, np.int64))

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: NDArray[np.int64] | slice) -> Split:
        return Split(self.images[rows], self.labels[rows], self.groups[rows])


@dataclass(frozen=True)
class Normalization:
    """Per channel mean and standard deviation of images scaled to 0..1: ``(x - mean) / std``."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


CIFAR10_NORMALIZATION = Normalization((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
IMAGENET_NORMALIZATION = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Augmentation:
    """What may be done to a training image: a horizontal flip, a random crop after zero padding of so many pixels."""

    flip: bool = False
    crop_padding: int = 0


@dataclass(frozen=True, eq=False)
class DatasetArrays:
    """What a dataset plugin's ``load`` returns.

    classes: the class names in label order. batch_size: that of trainings which state none.
    """

    train: Split
    test: Split
    classes: tuple[str, ...]
    normalization: Normalization = IMAGENET_NORMALIZATION
    augmentation: Augmentation = Augmentation()
    batch_size: int = 128

    def check(self) -> DatasetArrays:
        """Returns itself; raises ContractError where shapes, dtypes or labels are off."""
        if len(self.classes) < 2:
            raise ContractError(f"the dataset has {len(self.classes)} class(es), at least two are needed")
        for name, split in (("train", self.train), ("test", self.test)):
            shape = split.images.shape
            if split.images.dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or not len(split):
                raise ContractError(
                    f"{name} images are {split.images.dtype} {list(shape)}, not uint8 [N >= 1, H, W, 3]"
                )
            if not len(split.labels) == len(split.groups) == len(split):
                raise ContractError(
                    f"{name} has {len(split)} images, {len(split.labels)} labels and {len(split.groups)} groups"
                )
            if split.labels.min() < 0 or split.labels.max() >= len(self.classes):
                raise ContractError(f"{name} labels leave the range 0..{len(self.classes) - 1}")
        if self.train.images.shape[1:] != self.test.images.shape[1:]:
            raise ContractError(f"train images are {self.train.images.shape[1:]}, test {self.test.images.shape[1:]}")
        return self


EpochCallback = Callable[[int, int, Mapping[str, float]], "bool | None"]
"""Called after each epoch with (epochs done, epochs in all, metrics); a true answer ends the training."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """All that a classifier or a learned quantizer is trained with.

    dataset: the dataset plugin's name. validation: may be empty. classifiers: frozen networks in eval mode that give
    logits for normalized ``float [B, 3, H, W]`` (none when a classifier itself is trained); classifier_names: their
    plugins' names. colors: the color counts to learn (one, unless the method sets ``joint_colors``). seed: of this
    training. batch_size: the dataset's, for a training that states none. checkpoints: a folder to resume from, or None.
    """

    dataset: str
    train: Split
    validation: Split
    classes: tuple[str, ...]
    normalization: Normalization
    augmentation: Augmentation
    seed: int
    classifiers: tuple[torch.nn.Module, ...] = ()
    classifier_names: tuple[str, ...] = ()
    colors: tuple[int, ...] = ()
    batch_size: int = 128
    device: str = "cpu"
    precision: Precision = "fp32"
    on_epoch: EpochCallback | None = None
    checkpoints: Path | None = None


@dataclass(frozen=True)
class Needs:
    """What one job of a plugin occupies, as class data ``needs = Needs(...)``.

    cpus: also the number of threads. gpus: the share of a GPU it takes where there are GPUs, or "required" (a whole
    one, and nothing runs without it). memory: bytes. seconds: after so long the job is stopped and failed. None: as
    usual for this kind of job.
    """

    cpus: float | None = None
    gpus: float | Literal["required"] | None = None
    memory: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name, amount in (("cpus", self.cpus), ("gpus", self.gpus)):
            if isinstance(amount, int | float):
                check_share(name, amount)


def check_share(name: str, amount: float) -> None:
    """Raises ValueError where Ray can't give out so many CPUs or GPUs: steps of 0.01 below one, whole ones above."""
    if amount > 1 and amount != int(amount):
        raise ValueError(f"more than one of {name} must be a whole number")
    if amount < 0 or 0 < amount < 0.01:
        raise ValueError(f"{name} must be 0.01 or more")


@runtime_checkable
class Quantizer(Protocol):
    """Reduces images to at most ``colors`` colors each, whatever batch they come in."""

    def palettize(self, images: Images, colors: int) -> Palettized: ...


@runtime_checkable
class LearnedQuantizer(Quantizer, Protocol):
    """A quantizer that is trained first: ``fit``, then ``state`` is stored; ``load`` brings it back for ``palettize``.

    state: named tensors or arrays, stored as safetensors; whatever ``palettize`` needs beyond the parameters.
    ``joint_colors = True`` as class data: one training serves all color counts of the lesson. Any quantizer may have
    ``explain(images, colors)``, which gives pictures of what it does: by name ``uint8 [N, H, W]`` or ``[N, H, W, 3]``.
    ``cycle() -> int``: after so many epochs, and multiples, its training has come to rest and can be compared with
    others; a search stops trials there only (without it: after any epoch). In a search the lesson's validation split is
    not empty; a method that puts ``validation_accuracy`` among its metrics can be stopped early.
    """

    joint_colors: ClassVar[bool]

    def fit(self, lesson: Lesson) -> None: ...
    def state(self) -> Mapping[str, Any]: ...
    def load(self, state: Mapping[str, Any], device: str) -> None: ...


@runtime_checkable
class Codec(Protocol):
    """Turns each image into a file and back. ``quality`` is None where the codec has no level."""

    def encode(self, images: Images, quality: int | None) -> list[bytes]: ...
    def decode(self, files: list[bytes]) -> Images: ...


@runtime_checkable
class Dataset(Protocol):
    """Gives arrays.

    Optional: ``check()`` raises BadInput before anything runs; ``fingerprint()`` names the content of files it reads.
    """

    def load(self) -> DatasetArrays: ...


@runtime_checkable
class Classifier(Protocol):
    """``build`` makes the untrained network (logits for normalized ``float [B, 3, H, W]``); ``fit`` trains a new one.

    A network that also has ``features`` (``[B, F, h, w]``) and ``head`` (the final linear layer) can be looked into
    with class activation maps. Optional: ``check()``, ``fingerprint()`` as for datasets.
    """

    def build(self, classes: int) -> torch.nn.Module: ...
    def fit(self, lesson: Lesson) -> torch.nn.Module: ...


CellStatus = Literal["ok", "failed", "blocked"]


@dataclass(frozen=True)
class PlannedCell:
    """A cell's place in the tables, task x variant x level x seed, and the key of its artifact.

    dataset, classifier, variant: short names as in tables; method: the plugin's name; params: all parameters, defaults
    written out. fitted_on: the classifier a quantizer was trained against, or empty.
    """

    dataset: str
    classifier: str
    method: str
    variant: str
    params: Mapping[str, Any]
    level_kind: LevelKind
    level: Level
    seed: int
    fitted_on: str
    precision: Precision
    key: str


@dataclass(frozen=True)
class Pictures:
    """One test image in one cell, as PNG files of the image's size.

    maps: what there is to see besides, by name. ``cam`` and ``cam-original``, 8-bit gray: the class activation map of
    the true class (Zhou et al. 2016) on the decoded and on the original image, 0..255 from the map's least to its
    greatest value. The others are the method's own (``explain``). original_p_true: the probability of the true class on
    the original image.
    """

    original: Path
    decoded: Path
    maps: Mapping[str, Path] = field(default_factory=dict)
    original_p_true: float | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Cell(PlannedCell):
    """One cell of a run, as reports see it.

    records: its ``records.parquet`` (None unless ok). gallery: pictures of a few test images, by their number. notes:
    what the artifact says of itself (``original_accuracy``, ``seconds``, ``device``, ...).
    """

    split: str
    status: CellStatus
    error: str = ""
    records: Path | None = None
    gallery: Mapping[int, Pictures] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


VALIDATION_ACCURACY = "validation_accuracy"
"""The metric, among those of a training's epoch, by which trials are compared and stopped early; 0 to 1."""

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


@dataclass(frozen=True)
class Failure:
    """A job that failed: what it was, its one-line message, the whole traceback, and how many cells it cost."""

    job: str
    message: str
    traceback: str
    cells: int


@dataclass(frozen=True, eq=False)
class Results:
    """All of a run that a report may use.

    spec: as run, defaults written out. classes: class names per dataset short name. recipes: one entry a dataset and a
    trained thing (``what``, ``name``, ``params``, ``differs``: where it is not the paper's, as sentences; ``credit`` of
    a dataset). environment: library versions, device, host facts. searches: those that chose parameters of this run's
    variants.
    """

    name: str
    spec: Mapping[str, Any]
    cells: tuple[Cell, ...]
    failures: tuple[Failure, ...] = ()
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    recipes: tuple[Mapping[str, Any], ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    searches: tuple[SearchResult, ...] = ()


@runtime_checkable
class Report(Protocol):
    """Writes files into ``folder``; returns the one to open first."""

    def write(self, results: Results, folder: Path) -> Path: ...
