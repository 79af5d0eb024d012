"""ColorCNN+ as a plugin: parameters and the way through fit, state, load and palettize."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from harness.contracts import BadInput, ContractError, Images, Lesson, Palettized
from harness.registry import quantizer

if TYPE_CHECKING:
    from torch.nn import Module

    from methods.colorcnn_plus.network import AtColors
    from methods.colorcnn_plus.network import ColorCNNPlus as Network
    from methods.colorcnn_plus.training import Recipe

_LONGEST_PERIOD = 20
"""Epochs from one start of the learning rate's cosine to the next, in the authors' code."""


def reference_palette_norm(dataset: str, classifiers: tuple[str, ...]) -> float:
    """Gives what the authors' code divides the normalized palette by in training: 4, but 1 for AlexNet off CIFAR.

    With several classifiers it is 4, unlike what ColorCNN has here.

    Args:
        dataset: The dataset plugin's name.
        classifiers: The names of the classifiers' plugins.

    Returns:
        The divisor.
    """
    return 1.0 if set(classifiers) == {"alexnet"} and not dataset.startswith("cifar") else 4.0


@quantizer("colorcnn-plus", summary="one network for 2 to 64 colors, imitates MedianCut at many (Hou et al. 2024)")
class ColorCNNPlus:
    """Learned quantizer of Hou, Gould & Zheng, IEEE TIP 2024 (arXiv 2208.08438): one network for all color counts.

    Counts are 2, 4, 8, 16, 32 or 64. Trained through all classifiers of the lesson, by the mean of their losses; a
    classifier without ``features`` and ``head`` is compared by its logits instead of its features. Where the article
    leaves a thing open it is as in the authors' code (``docs/fidelity.md``).

    Args:
        width: The U-Net's channels at full resolution; 64 is the authors'.
        bottleneck: Channels in front of the 256 logits, with batch normalization; null: none, the U-Net's own.
        grouped: Whether a color's logit is the mean of 256 / C logits that all color counts share; if not, each count
            has C logits of its own.
        top: Each pixel's softmax is over so many of its largest logits; null: over all.
        palette_norm: Up to 8 colors the normalized palette is divided by it, in training only; null: 4, but 1 for
            AlexNet alone on a dataset other than CIFAR, as the authors' code has it.
        color_jitter: Up to 8 colors so many times a normal number over log2 C is added to the palette.
        tone_jitter: Above 8 colors brightness, contrast and saturation are changed by factors within 1 plus or minus
            this.
        augmentation: Whether quantized images are flipped, cropped, rotated and partly erased in training, flip and
            crop as the dataset allows: ``batch``, all images of a batch alike, as the authors' code has it; ``image``,
            each by itself; ``none``, not at all: then they are flipped and cropped before, as for ``colorcnn``.
        feature_weight: Weight of the squared distance between the classifier's features of the quantized and of the
            original image.
        present_weight: Weight of the loss that wants each color certain of some pixel.
        entropy_weight: Weight of the entropy of color usage, which is wanted high.
        similarity_weight: Weight of PixelSim, which imitates MedianCut.
        similarity_by_colors: Whether that weight is multiplied by sigmoid(log2 C - 4).
        similarity_share: The share of an image's pixels that PixelSim looks at in a step.
        redraw: Steps of training until another of the color counts is drawn.
        joint_colors: Whether one training serves all color counts; if not, each has one of its own, of as many epochs.
        epochs: How often training goes through the training images.
        batch_size: Images in a step of training; null: the dataset's.
        rate: The learning rate's peak, of a cosine that starts anew every ``restart_period`` epochs.
        momentum: Of stochastic gradient descent.
        weight_decay: Of stochastic gradient descent.
        restart_period: Epochs from one start of the learning rate's cosine to the next; null: 20, or all if there are
            fewer.
    """

    width: Annotated[int, Field(ge=1)] = 64
    bottleneck: Annotated[int, Field(ge=1)] | None = 16
    grouped: bool = True
    top: Annotated[int, Field(ge=1)] | None = 4
    palette_norm: Annotated[float, Field(gt=0)] | None = None
    color_jitter: Annotated[float, Field(ge=0)] = 1.0
    tone_jitter: Annotated[float, Field(ge=0, le=1)] = 0.5
    augmentation: Literal["batch", "image", "none"] = "batch"
    feature_weight: Annotated[float, Field(ge=0)] = 1.0
    present_weight: Annotated[float, Field(ge=0)] = 0.1
    entropy_weight: Annotated[float, Field(ge=0)] = 0.1
    similarity_weight: Annotated[float, Field(ge=0)] = 3.0
    similarity_by_colors: bool = True
    similarity_share: Annotated[float, Field(gt=0, le=1)] = 0.3
    redraw: Annotated[int, Field(ge=1)] = 20
    joint_colors: bool = True
    epochs: Annotated[int, Field(ge=1)] = 300
    batch_size: Annotated[int, Field(ge=2)] | None = None
    rate: Annotated[float, Field(gt=0)] = 0.005
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    restart_period: Annotated[int, Field(ge=1)] | None = None

    color_counts = (2, 4, 8, 16, 32, 64)

    paper: ClassVar[Mapping[str, Any]] = {
        "width": 64,
        "bottleneck": 16,
        "grouped": True,
        "top": 4,
        "palette_norm": 4.0,
        "color_jitter": 1.0,
        "tone_jitter": 0.5,
        "augmentation": "batch",
        "feature_weight": 1.0,
        "present_weight": 0.1,
        "entropy_weight": 0.1,
        "similarity_weight": 3.0,
        "similarity_by_colors": True,
        "similarity_share": 0.3,
        "redraw": 20,
        "joint_colors": True,
        "epochs": 300,
        "batch_size": 128,
        "rate": 0.005,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "restart_period": 20,
    }
    departures_of: ClassVar[tuple[str, ...]] = ("bottleneck", "top", "palette_norm", "batch_size")

    scales: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {
            "width": 16,
            "palette_norm": 1.0,
            "redraw": 5,
            "epochs": 8,
            "batch_size": 32,
            "rate": 0.03,
            "restart_period": 8,
        }
    }

    def departures(self, dataset: str, classifiers: tuple[str, ...]) -> list[str]:
        """Says what departs from the authors' setting on this task.

        Args:
            dataset: The dataset plugin's name.
            classifiers: The names of the classifiers' plugins.

        Returns:
            One sentence each.
        """
        sentences = [
            f"{name} is {'off' if value is None else value}, the paper has {self.paper[name]}"
            for name, value in (("bottleneck", self.bottleneck), ("top", self.top))
            if value != self.paper[name]
        ]
        batch = 32 if dataset.startswith("stl10") else 128
        if self.batch_size not in (None, batch):
            sentences.append(f"batch_size is {self.batch_size} for {dataset}, the paper has {batch}")
        norm, code = self.resolved(dataset, classifiers)["palette_norm"], reference_palette_norm(dataset, classifiers)
        if norm != self.paper["palette_norm"]:
            task = f" for {classifiers[0]} on {dataset} as in the authors' code" if norm == code else ""
            sentences.append(f"palette_norm is {norm:g}{task}, the paper has 4")
        return sentences

    def __post_init__(self) -> None:
        self._network: Network | None = None

    def least_memory(self) -> float:
        """Says how many bytes the network's weights have, nearly: their number grows with the width's square.

        Returns:
            Bytes in fp32.
        """
        return 4 * 3267 * self.width**2

    def cycle(self) -> int:
        """Says how many epochs pass until the learning rate starts anew: nobody is judged in the middle of one.

        Returns:
            That many epochs, at least one.
        """
        return min(self.epochs, _LONGEST_PERIOD) if self.restart_period is None else self.restart_period

    def resolved(self, dataset: str, classifiers: tuple[str, ...]) -> dict[str, Any]:
        """Fills in what follows from the task or from other parameters.

        Args:
            dataset: The dataset plugin's name.
            classifiers: The names of the classifiers' plugins.

        Returns:
            The divisor of the palette and the epochs of a cycle.
        """
        norm = reference_palette_norm(dataset, classifiers) if self.palette_norm is None else self.palette_norm
        return {"palette_norm": norm, "restart_period": self.cycle()}

    def recipe(self, lesson: Lesson) -> Recipe:
        """Fills in the training's parameters that depend on others, or on the lesson.

        Args:
            lesson: Its dataset, classifiers and batch size count.

        Returns:
            All parameters of the training, none left open.
        """
        from methods.colorcnn_plus.training import Recipe

        filled_in = self.resolved(lesson.dataset, lesson.classifier_names)
        return Recipe(
            color_jitter=self.color_jitter,
            tone_jitter=self.tone_jitter,
            augmentation=self.augmentation,
            feature_weight=self.feature_weight,
            present_weight=self.present_weight,
            entropy_weight=self.entropy_weight,
            similarity_weight=self.similarity_weight,
            similarity_by_colors=self.similarity_by_colors,
            similarity_share=self.similarity_share,
            redraw=self.redraw,
            epochs=self.epochs,
            batch_size=self.batch_size or lesson.batch_size,
            rate=self.rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            **filled_in,
        )

    def fit(self, lesson: Lesson) -> None:
        """Trains a new network from the lesson's seed.

        Args:
            lesson: With color counts among 2, 4, 8, 16, 32 and 64, and at least one frozen classifier.

        Raises:
            BadInput: The lesson has other color counts.
            ContractError: The lesson has no classifier.
        """
        from harness.learning import seeded
        from methods.colorcnn_plus.network import ColorCNNPlus as Network
        from methods.colorcnn_plus.training import fit

        if others := [count for count in lesson.colors if count not in self.color_counts]:
            raise BadInput(f"colorcnn-plus gives 2, 4, 8, 16, 32 or 64 colors, not {', '.join(map(str, others))}.")
        if not lesson.classifiers:
            raise ContractError("colorcnn-plus learns from frozen classifiers, the lesson has none")
        with seeded(lesson.seed, "colorcnn-plus"):
            network = Network(
                self.width, self.bottleneck, self.top, lesson.colors, lesson.normalization, grouped=self.grouped
            )
        fit(network, lesson, self.recipe(lesson))
        self._network = network

    def palettize(self, images: Images, colors: int) -> Palettized:
        """Computes each pixel's most probable color and palettes by Eq. 4 of ColorCNN, rounded to 8 bits; in fp32.

        Images of more than 2^20 pixels go through the network in overlapping tiles.

        Args:
            images: ``uint8 [N, H, W, 3]``, sRGB.
            colors: One of the color counts it was trained for.

        Returns:
            Indices ``uint8 [N, H, W]`` and palettes ``uint8 [N, C, 3]``.

        Raises:
            BadInput: It was not trained for that color count.
            ContractError: It is not trained.
        """
        from methods.colorcnn.network import palettize
        from methods.colorcnn.tiling import palettize_in_tiles

        network, whole = self._at(colors), self.tiles(*images.shape[1:3]) == 1
        return (palettize if whole else palettize_in_tiles)(network, images)

    def tiles(self, height: int, width: int) -> int:
        """Says in how many pieces an image of this size goes through the network.

        Args:
            height: The image's, in pixels.
            width: The image's, in pixels.

        Returns:
            The number of tiles, 1 where the image is taken whole.
        """
        from methods.colorcnn.tiling import tile_count

        return tile_count(height, width)

    def explain(self, images: Images, colors: int) -> Mapping[str, NDArray[np.uint8]]:
        """Draws where the U-Net answers, and the image that only training sees.

        Args:
            images: ``uint8 [N, H, W, 3]``, sRGB.
            colors: One of the color counts it was trained for.

        Returns:
            ``activation``, the U-Net's mean magnitude at each pixel, ``uint8 [N, H, W]``, and ``train-time``, x~ of
            ColorCNN's Eq. 7 without jitter, ``uint8 [N, H, W, 3]``.

        Raises:
            BadInput: It was not trained for that color count.
            ContractError: It is not trained.
        """
        from methods.colorcnn.explaining import explain

        return explain(self._at(colors, self.top), images)

    def onnx_module(self, colors: int) -> Module:
        """Gives the test-time pass at one color count as one network, normalization inside, in one piece.

        Args:
            colors: One of the color counts it was trained for.

        Returns:
            A network in eval mode from pixels ``uint8 [N, H, W, 3]`` to indices ``uint8 [N, H, W]`` and palettes
            ``uint8 [N, C, 3]``.

        Raises:
            BadInput: It was not trained for that color count.
            ContractError: It is not trained.
        """
        from methods.colorcnn.export import PixelsToPalettes

        return PixelsToPalettes(self._at(colors)).eval()

    def state(self) -> Mapping[str, Any]:
        """Gives weights, batch statistics, normalization constants and color counts.

        Returns:
            Tensors on the CPU by name.

        Raises:
            ContractError: It is not trained.
        """
        return {name: tensor.cpu().contiguous() for name, tensor in self._trained().state_dict().items()}

    def load(self, state: Mapping[str, Any], device: str) -> None:
        """Takes a state over.

        Args:
            state: What another's ``state`` gave, tensors by name.
            device: Where to work from now on, ``cpu`` or ``cuda``.

        Raises:
            BadInput: It is not of a network with these parameters.
        """
        from methods.colorcnn_plus.network import restore

        try:
            self._network = restore(self.width, self.bottleneck, self.top, state, grouped=self.grouped).to(device)
        except (KeyError, RuntimeError):
            parts = f"width {self.width}, bottleneck {self.bottleneck} and grouped {self.grouped}"
            raise BadInput(f"this is not the state of a colorcnn-plus with {parts}.") from None

    def _at(self, colors: int, top: int | None = None) -> AtColors:
        from methods.colorcnn_plus.network import AtColors

        network = self._trained()
        counts = network.counts.tolist()
        if colors not in counts:
            known = ", ".join(map(str, counts))
            raise BadInput(f"this colorcnn-plus was trained for {known} colors and cannot give {colors}.")
        return AtColors(network, colors, top)

    def _trained(self) -> Network:
        if self._network is None:
            raise ContractError("this colorcnn-plus is not trained: fit or load comes before palettize and state")
        return self._network
