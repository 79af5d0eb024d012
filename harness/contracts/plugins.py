"""What plugins and the engine agree on: datasets, lessons, needs, and what the classes of plugins have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from harness.contracts.images import ContractError, Images, Palettized, Precision

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Split:
    """Images with labels.

    Attributes:
        images: ``uint8 [N, H, W, 3]``, sRGB.
        labels: ``int64 [N]``, from 0.
        groups: ``int64 [N]``, equal where images share a source and are not independent.
        names: What each image is called, such as its file's path within the dataset; empty: images have no names.
    """

    images: Images
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    names: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, images: Images, labels: NDArray[Any], groups: NDArray[Any] | None = None, names: Iterable[str] = ()
    ) -> Split:
        """Makes a split of arrays with integers of any type.

        Args:
            images: ``uint8 [N, H, W, 3]``, sRGB.
            labels: Integers ``[N]``, from 0.
            groups: Integers ``[N]``, equal where images share a source; None: each image is its own group.
            names: One an image, or none at all. What a terminal does not print (line breaks, bytes that are no UTF-8)
                is stored as an escape, such as ``\\n``.

        Returns:
            The split, labels and groups as ``int64``.
        """
        own = np.arange(len(images)) if groups is None else groups
        return cls(images, np.asarray(labels, np.int64), np.asarray(own, np.int64), tuple(names))

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: NDArray[np.int64] | slice) -> Split:
        """Takes some of the images, with their labels, groups and names.

        Args:
            rows: Which: ``int64`` numbers of images, or a slice.

        Returns:
            A split of these rows, in their order.
        """
        names = tuple(np.array(self.names, object)[rows]) if self.names else ()
        return Split(self.images[rows], self.labels[rows], self.groups[rows], names)


@dataclass(frozen=True)
class Normalization:
    """Per channel mean and standard deviation of images scaled to 0..1: ``(x - mean) / std``.

    Attributes:
        mean: Of red, green and blue.
        std: Of red, green and blue.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


CIFAR10_NORMALIZATION = Normalization((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
IMAGENET_NORMALIZATION = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Augmentation:
    """What may be done to a training image.

    Attributes:
        flip: It may be mirrored from left to right.
        crop_padding: It may be padded with zeros by so many pixels on each side and cropped at random to its size.
    """

    flip: bool = False
    crop_padding: int = 0


@dataclass(frozen=True, eq=False)
class DatasetArrays:
    """What a dataset plugin's ``load`` returns.

    Attributes:
        train: The training images.
        test: The test images, of the same size.
        classes: The class names in the order of their labels.
        normalization: What networks are shown: (x - mean) / std of images scaled to 0..1.
        augmentation: What may be done to training images (digits are not mirrored).
        batch_size: Images a batch in trainings that state no size of their own.
    """

    train: Split
    test: Split
    classes: tuple[str, ...]
    normalization: Normalization = IMAGENET_NORMALIZATION
    augmentation: Augmentation = Augmentation()
    batch_size: int = 128

    def check(self) -> DatasetArrays:
        """Returns itself.

        Raises:
            ContractError: Shapes, dtypes, labels or names are not what they must be.
        """
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
            if len(split.names) not in (0, len(split)) or not all(isinstance(each, str) for each in split.names):
                raise ContractError(
                    f"{name} has {len(split)} images and {len(split.names)} names, each image needs one, a string, or "
                    "none has any"
                )
            if split.labels.min() < 0 or split.labels.max() >= len(self.classes):
                raise ContractError(f"{name} labels leave the range 0..{len(self.classes) - 1}")
        if self.train.images.shape[1:] != self.test.images.shape[1:]:
            raise ContractError(f"train images are {self.train.images.shape[1:]}, test {self.test.images.shape[1:]}")
        return self


VALIDATION_ACCURACY = "validation_accuracy"
"""The metric, among those of a training's epoch, by which trials are compared and stopped early; 0 to 1."""

EpochCallback = Callable[[int, int, Mapping[str, float]], "bool | None"]
"""Called after each epoch with (epochs done, epochs in all, metrics); a true answer ends the training."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """All that a classifier or a learned quantizer is trained with. Nothing in it may be changed.

    Attributes:
        dataset: The dataset plugin's name.
        train: The images to learn from, not yet augmented.
        validation: Images to measure on while learning; empty outside of a search.
        classes: The class names in the order of their labels.
        normalization: What the classifiers are shown: (x - mean) / std of images scaled to 0..1.
        augmentation: What may be done to training images.
        seed: All randomness of the training is drawn from it.
        classifiers: Frozen networks in eval mode: normalized ``float32 [B, 3, H, W]`` -> logits ``[B, classes]``; none
            when a classifier itself is trained.
        classifier_names: Their plugins' names.
        colors: The color counts to learn: one, unless the method's ``joint_colors`` is true.
        batch_size: The dataset's, for a training that states none: a parameter ``batch_size`` that is None means it,
            and counts in keys as this number.
        device: ``cpu`` or ``cuda``.
        precision: ``fp32``, or ``bf16``: compute in ``torch.autocast`` to bfloat16.
        on_epoch: To be called after each epoch with the epochs done, the epochs in all and the epoch's metrics; a true
            answer asks the training to end. None: nobody listens.
        checkpoints: A folder in which to keep what the training resumes from, or None.
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
    """What one job of a plugin occupies, as class data ``needs = Needs(...)``; None: as usual for this kind of job.

    ``needs`` is of the plugin's own work: a dataset is made, a classifier or a method trained, what learns nothing
    applied. ``needs_in_use = Needs(...)`` is of jobs after a training: the method is applied, the classifier judges.

    Attributes:
        cpus: CPU cores; also the number of threads.
        gpus: The share of a GPU it takes where there are GPUs, or ``"required"``: a whole one, nothing runs without it.
        memory: Bytes.
        seconds: After so long the job is stopped and has failed.
    """

    cpus: float | None = None
    gpus: float | Literal["required"] | None = None
    memory: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name, amount in (("cpus", self.cpus), ("gpus", self.gpus)):
            if isinstance(amount, int | float):
                check_share(name, amount)
            elif amount is not None and (name, amount) != ("gpus", "required"):
                wanted = "a number or 'required'" if name == "gpus" else "a number"
                raise ValueError(f"{name} must be {wanted}, got {amount!r}")


def check_share(name: str, amount: float) -> None:
    """Checks that Ray can give out so many CPUs or GPUs: steps of 0.01 below one, whole ones above.

    Args:
        name: What there is a number of, for the message.
        amount: How many.

    Raises:
        ValueError: It cannot.
    """
    if amount > 1 and amount != int(amount):
        raise ValueError(f"more than one of {name} must be a whole number")
    if amount < 0 or 0 < amount < 0.01:
        raise ValueError(f"{name} must be 0.01 or more")


class PluginHooks:
    """What any plugin may have besides; its decorator gives it those that it lacks, as they stand here."""

    def check(self) -> None:
        """Looks, before anything runs, at whatever the plugin will need.

        Raises:
            BadInput: Something is not there.
        """

    def fingerprint(self) -> str | None:
        """Names the content of everything the plugin reads besides its parameters, such as files; it goes into keys.

        Returns:
            A text that changes with the content, such as a hash; None where it reads nothing else.
        """
        return None

    def least_memory(self) -> float:
        """Says what its parameters need of memory in any case, so that far too large ones are refused at once.

        Returns:
            Bytes, at most as many as a job of it will take: of a network those of its weights, of a dataset those of
            its images.
        """
        return 0

    def departures(self, dataset: str, classifiers: Sequence[str]) -> Sequence[str]:  # noqa: ARG002
        """Says where its parameters depart from the published recipe on this task.

        For parameters whose published value depends on the task; those the class data ``departures_of`` names are
        left to it, all others are compared with the class data ``paper``.

        Args:
            dataset: The dataset plugin's name.
            classifiers: The names of the classifiers' plugins.

        Returns:
            One sentence each.
        """
        return ()

    def resolved(self, dataset: str, classifiers: Sequence[str]) -> Mapping[str, Any]:  # noqa: ARG002
        """Says what those parameters become on a task that depend on it, or on others.

        Keys contain these values instead of the stated ones, so that a value means the same whether it is stated or
        follows from a rule. A ``batch_size`` that is None need not be in it: see ``Lesson``.

        Args:
            dataset: The dataset plugin's name; of a dataset its own.
            classifiers: The names of the plugins of the classifiers that it is trained through, if any.

        Returns:
            Plain JSON values by parameter; what is left out counts as it is stated.
        """
        return {}


class DatasetHooks(PluginHooks):
    """What a dataset may have besides, with what holds where it does not."""

    def known_batch_size(self) -> int | None:
        """Says what ``DatasetArrays.batch_size`` will be, so that keys can contain it.

        Returns:
            That many images; None where ``load`` has to find out.
        """
        return None

    def known_sizes(self) -> tuple[int, int] | None:
        """Says how large the test split will be, so that a spec that asks for too much of it is refused at once.

        Returns:
            The number of classes and the number of test images; None where ``load`` has to find out.

        Raises:
            BadInput: The files that it counts are not as they must be.
        """
        return None


class MethodHooks(PluginHooks):
    """What a quantizer or codec may have besides, with what holds where it does not."""

    def cycle(self) -> int:
        """Says after how many epochs its training has come to rest; a search stops trials only then.

        Returns:
            That many epochs; it is at rest after all multiples of them.
        """
        return 1

    def resolved_at(self, colors: int) -> Mapping[str, Any]:  # noqa: ARG002
        """Says what those parameters become that depend on the number of colors; asked where it is one number.

        Args:
            colors: At most so many an image.

        Returns:
            As ``resolved``.
        """
        return {}

    def tiles(self, height: int, width: int) -> int:  # noqa: ARG002
        """Says in how many pieces it works on an image.

        Args:
            height: The image's, in pixels.
            width: The image's, in pixels.

        Returns:
            The number of pieces, 1 where the image is taken whole.
        """
        return 1

    def explain(self, images: Images, level: Any) -> Mapping[str, NDArray[np.uint8]]:  # noqa: ARG002
        """Draws pictures of what it does with each image.

        Args:
            images: ``uint8 [N, H, W, 3]``.
            level: The number of colors, or a codec's quality.

        Returns:
            By name, ``uint8 [N, H, W]`` (gray) or ``[N, H, W, 3]``.
        """
        return {}

    def payload(self, files: list[bytes]) -> list[int] | None:  # noqa: ARG002
        """Counts, for a codec, the bytes of each file that are coded pixels: without container, headers and tables.

        Args:
            files: What ``encode`` gave.

        Returns:
            One number a file, from 0 to its length; None where it is not known.
        """
        return None

    def onnx_module(self, colors: int) -> torch.nn.Module | None:  # noqa: ARG002
        """Gives its test-time pass as a network, which is exported as ONNX.

        Args:
            colors: How many colors, 2 to 256.

        Returns:
            A network from pixels ``uint8 [N, H, W, 3]`` to indices ``uint8 [N, H, W]`` and palettes
            ``uint8 [N, C, 3]``; None where it cannot be written as one.
        """
        return None


@runtime_checkable
class Quantizer(Protocol):
    """Reduces images to few colors, each by itself, whatever batch it comes in."""

    def palettize(self, images: Images, colors: int) -> Palettized:
        """Gives each image at most so many colors.

        Args:
            images: ``uint8 [N, H, W, 3]``, sRGB; not to be changed.
            colors: At most so many in each image, 2 to 256.

        Returns:
            Indices ``uint8 [N, H, W]`` and palettes ``uint8 [N, C, 3]``; unused and repeated entries do no harm, more
            than ``colors`` colors in an image are an error.
        """


@runtime_checkable
class LearnedQuantizer(Quantizer, Protocol):
    """A quantizer that is trained first: ``fit``, then ``state`` is stored; ``load`` brings it back for ``palettize``.

    A method that puts ``VALIDATION_ACCURACY`` among its epochs' metrics can be stopped early by a search, whose lessons
    have validation images.

    Attributes:
        joint_colors: Class data, or a parameter where a spec may choose; true: one training serves all color counts of
            the lesson.
    """

    joint_colors: bool

    def fit(self, lesson: Lesson) -> None:
        """Learns from a lesson; the same lesson always teaches the same.

        Args:
            lesson: Images, frozen classifiers, color counts and seed; nothing in it may be changed.
        """

    def state(self) -> Mapping[str, Any]:
        """Gives what ``palettize`` needs beyond the parameters; it is stored as safetensors.

        Returns:
            Tensors or arrays by name.
        """

    def load(self, state: Mapping[str, Any], device: str) -> None:
        """Takes over what another's ``state`` gave.

        Args:
            state: By name, as tensors on the CPU.
            device: Where to work from now on, ``cpu`` or ``cuda``.
        """


@runtime_checkable
class Codec(Protocol):
    """Turns each image into a file and back."""

    def encode(self, images: Images, quality: int | None) -> list[bytes]:
        """Turns each image into a file.

        Args:
            images: ``uint8 [N, H, W, 3]``, sRGB; not to be changed.
            quality: Within the range that its decorator states; None where the codec has no level.

        Returns:
            The content of one file for each image, in order.
        """

    def decode(self, files: list[bytes]) -> Images:
        """Turns files into images again.

        Args:
            files: What ``encode`` gave.

        Returns:
            ``uint8 [N, H, W, 3]``, of the same size as before.
        """


@runtime_checkable
class Metric(Protocol):
    """Measures what reduced images lost, each by itself, whatever batch it comes in."""

    def measure(self, original: Images, decoded: Images) -> NDArray[np.float64]:
        """One finite or infinite number an image, ``float64 [N]``, of two batches ``uint8 [N, H, W, 3]``."""


def check_measured(result: object, name: str, images: int) -> NDArray[np.float64]:
    """Holds what a metric returned against its contract.

    Args:
        result: What ``measure`` returned.
        name: The metric's, for the message.
        images: How many images it was handed.

    Returns:
        The result, ``float64 [images]``.

    Raises:
        ContractError: It is no array of that shape and dtype, or contains NaN.
    """
    wanted = f"it must return float64 [{images}], one number an image"
    if not isinstance(result, np.ndarray):
        raise ContractError(f"metric {name!r}: measure returned {type(result).__name__}, {wanted}")
    if result.dtype != np.float64 or result.shape != (images,):
        raise ContractError(f"metric {name!r}: measure returned {result.dtype} {list(result.shape)}, {wanted}")
    if np.isnan(result).any():
        raise ContractError(f"metric {name!r}: measure returned NaN for image {int(np.isnan(result).argmax())}")
    return result


def check_payload(result: object, files: Sequence[bytes]) -> list[int] | None:
    """Holds what a codec's ``payload`` returned against its contract.

    Args:
        result: What it returned.
        files: What it was handed.

    Returns:
        The result.

    Raises:
        ContractError: It is neither None nor a list with one whole number a file, from 0 to the file's length.
    """
    wanted = f"it must return None or a list of {len(files)} whole numbers of bytes, one for each file"
    if result is None:
        return None
    if not isinstance(result, list) or len(result) != len(files):
        got = f"a list of {len(result)}" if isinstance(result, list) else type(result).__name__
        raise ContractError(f"payload returned {got}, {wanted}")
    for number, (part, file) in enumerate(zip(result, files, strict=True)):
        if type(part) is not int:
            raise ContractError(f"payload returned {type(part).__name__} for file {number}, {wanted}")
        if not 0 <= part <= len(file):
            raise ContractError(f"payload returned {part} for file {number}, which has {len(file)} bytes")
    return result


@runtime_checkable
class Dataset(Protocol):
    """Gives images with labels."""

    def load(self) -> DatasetArrays:
        """Reads or makes all images, the same every time.

        Returns:
            Training and test images with labels, and how networks are shown them.
        """


@runtime_checkable
class Classifier(Protocol):
    """Makes and trains networks: normalized ``float32 [B, 3, H, W]`` -> logits ``[B, classes]``.

    A network that also has ``features`` (``[B, F, h, w]``) and ``head`` (the final linear layer) can be looked into
    with class activation maps (Zhou et al. 2016).
    """

    def build(self, classes: int) -> torch.nn.Module:
        """Makes the untrained network.

        Args:
            classes: How many classes it tells apart.

        Returns:
            A network from normalized ``float32 [B, 3, H, W]`` to logits ``[B, classes]``.
        """

    def fit(self, lesson: Lesson) -> torch.nn.Module:
        """Trains a new network on the lesson's images; the same lesson always teaches the same.

        Args:
            lesson: Images, labels, augmentation and seed; nothing in it may be changed.

        Returns:
            The trained network.
        """
