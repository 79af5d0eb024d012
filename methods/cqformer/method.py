"""CQFormer as a plugin: parameters and the way through fit, state, load and palettize."""

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

    from methods.cqformer.network import CQFormer as Network
    from methods.cqformer.training import Recipe


def reference_epochs(colors: int) -> int:
    """Gives how long the reference code trains: 60 epochs for two colors, 20 more for each further one, at most 300.

    Args:
        colors: The color count.

    Returns:
        The number of epochs.
    """
    return min(60 + 20 * (colors - 2), 300)


@quantizer("cqformer", summary="one network names each pixel's color and picks the palette (Su et al. 2023)")
class CQFormer:
    """Learned quantizer of Su, Gu, Yang, Zhang & Harada, ICCV 2023 (arXiv 2212.03434): one network per color count.

    A UNeXt gives each pixel its color's number, and C learned queries that attend to the image give the colors, which
    need not be means of pixels. Trained through all classifiers of the lesson, by the mean of their losses.

    Departures from the authors' code: the classifiers are frozen and have seen original images only, and the last epoch
    counts; the authors train the classifier together with the quantizer, on quantized images, and report the best epoch
    on the test images. So their figures cannot be compared with those found here. The palette is rounded to 8 bits.

    Args:
        width: The annotation branch's channels at the finest level; the palette branch has 16 times as many; 16 is the
            authors'.
        temperature: Of the second softmax that the probability map goes through in training.
        alpha: Weight of R_Colour, the variance of the colors of a cluster's pixels.
        beta: Weight of R_Diversity, which wants each color certain of some pixel.
        gamma: Weight of L_Perceptual, the quantized image's mean squared error.
        palette: ``predicted``, the palette branch's colors; ``means``, each color is the mean of its pixels, as in
            ColorCNN, to see what the palette branch is worth. It changes nothing in training.
        epochs: How often training goes through the training images; null: as the authors' code, 60 for two colors and
            20 more for each further one, at most 300.
        batch_size: Images in a step of training; null: the dataset's, 128 and on STL10 32 as in the authors' code.
        rate: The learning rate's peak, of a cosine that starts anew every ``restart_period`` epochs.
        momentum: Of stochastic gradient descent.
        weight_decay: Of stochastic gradient descent.
        restart_period: Epochs from one start of the learning rate's cosine to the next; null: 20, or all where there
            are fewer.
    """

    width: Annotated[int, Field(ge=1)] = 16
    temperature: Annotated[float, Field(gt=0)] = 0.01
    alpha: Annotated[float, Field(ge=0)] = 1.0
    beta: Annotated[float, Field(ge=0)] = 0.3
    gamma: Annotated[float, Field(ge=0)] = 1.0
    palette: Literal["predicted", "means"] = "predicted"
    epochs: Annotated[int, Field(ge=1)] | None = None
    batch_size: Annotated[int, Field(ge=2)] | None = None
    rate: Annotated[float, Field(gt=0)] = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.5
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    restart_period: Annotated[int, Field(ge=1)] | None = None

    paper: ClassVar[Mapping[str, Any]] = {
        "width": 16,
        "temperature": 0.01,
        "alpha": 1.0,
        "beta": 0.3,
        "gamma": 1.0,
        "palette": "predicted",
        "epochs": 60,
        "batch_size": 128,
        "rate": 0.05,
        "momentum": 0.5,
        "weight_decay": 5e-4,
        "restart_period": 20,
    }
    departures_of: ClassVar[tuple[str, ...]] = ("epochs", "batch_size")

    scales: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {
            "width": 8,
            "temperature": 0.1,
            "alpha": 10.0,
            "beta": 3.0,
            "gamma": 10.0,
            "epochs": 12,
            "batch_size": 32,
            "rate": 0.005,
            "momentum": 0.9,
            "restart_period": 12,
        }
    }

    def departures(self, dataset: str, classifiers: tuple[str, ...]) -> list[str]:  # noqa: ARG002
        """Says what departs from the authors' code on this task.

        Args:
            dataset: The dataset plugin's name.
            classifiers: The names of the classifiers' plugins.

        Returns:
            One sentence each.
        """
        sentences = [
            "the classifier is frozen, the authors train it together with the quantizer and report the best test epoch"
        ]
        if self.epochs is not None:
            rule = "60, 20 more for each color beyond two, and at most 300"
            sentences.append(f"epochs is {self.epochs}, the authors' code has {rule}")
        batch = 32 if dataset.startswith("stl10") else 128
        if self.batch_size not in (None, batch):
            sentences.append(f"batch_size is {self.batch_size} for {dataset}, the authors' code has {batch}")
        return sentences

    def __post_init__(self) -> None:
        self._network: Network | None = None

    def least_memory(self) -> float:
        """Says how many bytes the network's weights have, nearly: their number grows with the width's square.

        Returns:
            Bytes in fp32.
        """
        return 4 * 9900 * self.width**2

    def cycle(self) -> int:
        """Says how many epochs pass until the learning rate starts anew: nobody is judged in the middle of one.

        Returns:
            That many epochs, at least one.
        """
        if self.restart_period is not None:
            return self.restart_period
        return 20 if self.epochs is None else min(20, self.epochs)

    def resolved(self, dataset: str, classifiers: tuple[str, ...]) -> dict[str, Any]:  # noqa: ARG002
        """Fills in what follows from other parameters.

        Args:
            dataset: The dataset plugin's name.
            classifiers: The names of the classifiers' plugins.

        Returns:
            The epochs of a cycle.
        """
        return {"restart_period": self.cycle()}

    def resolved_at(self, colors: int) -> dict[str, Any]:
        """Fills in the epochs that are left to the number of colors.

        Args:
            colors: At most so many an image.

        Returns:
            The epochs.
        """
        return {"epochs": reference_epochs(colors) if self.epochs is None else self.epochs}

    def recipe(self, lesson: Lesson) -> Recipe:
        """Fills in the training's parameters that depend on others, or on the lesson.

        Args:
            lesson: Its color count and batch size count.

        Returns:
            All parameters of the training, none left open.
        """
        from methods.cqformer.training import Recipe

        return Recipe(
            temperature=self.temperature,
            alpha=self.alpha,
            beta=self.beta,
            gamma=self.gamma,
            epochs=self.epochs or reference_epochs(lesson.colors[0]),
            batch_size=self.batch_size or lesson.batch_size,
            rate=self.rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            restart_period=self.cycle(),
            means=self.palette == "means",
        )

    def fit(self, lesson: Lesson) -> None:
        """Trains a new network from the lesson's seed.

        Args:
            lesson: With one color count and at least one frozen classifier.

        Raises:
            ContractError: The lesson has no classifier, or more or fewer color counts than one.
        """
        from harness.learning import seeded
        from methods.cqformer.network import CQFormer as Network
        from methods.cqformer.training import fit

        if not lesson.classifiers:
            raise ContractError("cqformer learns from a frozen classifier, the lesson has none")
        if len(lesson.colors) != 1:
            raise ContractError(f"cqformer learns one color count at a time, the lesson has {list(lesson.colors)}")
        with seeded(lesson.seed, "cqformer"):
            network = Network(self.width, lesson.colors[0])
        fit(network, lesson, self.recipe(lesson))
        self._network = network

    def palettize(self, images: Images, colors: int) -> Palettized:
        """Computes index maps and palettes, rounded to 8 bits.

        Images of more than 2^20 pixels go through the network in overlapping tiles.

        Args:
            images: ``uint8 [N, H, W, 3]``, sRGB.
            colors: The color count it was trained for.

        Returns:
            Indices ``uint8 [N, H, W]`` and palettes ``uint8 [N, C, 3]``.

        Raises:
            BadInput: It was trained for another color count.
            ContractError: It is not trained.
        """
        from methods.cqformer.network import palettize
        from methods.cqformer.tiling import palettize_in_tiles

        network, whole = self._trained_for(colors), self.tiles(*images.shape[1:3]) == 1
        return (palettize if whole else palettize_in_tiles)(network, images, means=self.palette == "means")

    def tiles(self, height: int, width: int) -> int:
        """Says in how many pieces an image of this size goes through the network.

        Args:
            height: The image's, in pixels.
            width: The image's, in pixels.

        Returns:
            The number of tiles, 1 where the image is taken whole.
        """
        from methods.cqformer.tiling import tile_count

        return tile_count(height, width)

    def explain(self, images: Images, colors: int) -> Mapping[str, NDArray[np.uint8]]:
        """Draws where the annotation branch answers, and the image that only training sees.

        Args:
            images: ``uint8 [N, H, W, 3]``, sRGB.
            colors: The color count it was trained for.

        Returns:
            ``activation``, the branch's mean magnitude at each pixel, ``uint8 [N, H, W]``, and ``train-time``, the
            palette mixed by the sharpened probability map, ``uint8 [N, H, W, 3]``.

        Raises:
            BadInput: It was trained for another color count.
            ContractError: It is not trained.
        """
        from methods.cqformer.explaining import explain

        return explain(self._trained_for(colors), images, self.temperature)

    def onnx_module(self, colors: int) -> Module:
        """Gives the test-time pass as one network, in one piece.

        Args:
            colors: The color count it was trained for.

        Returns:
            A network in eval mode from pixels ``uint8 [N, H, W, 3]`` to indices ``uint8 [N, H, W]`` and palettes
            ``uint8 [N, C, 3]``.

        Raises:
            BadInput: It was trained for another color count.
            ContractError: It is not trained.
        """
        from methods.cqformer.export import PixelsToPalettes

        return PixelsToPalettes(self._trained_for(colors), means=self.palette == "means").eval()

    def state(self) -> Mapping[str, Any]:
        """Gives weights and batch statistics.

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
        from methods.cqformer.network import restore

        try:
            self._network = restore(self.width, state).to(device)
        except (KeyError, RuntimeError):
            raise BadInput(f"this is not the state of a cqformer with width {self.width}.") from None

    def _trained_for(self, colors: int) -> Network:
        network = self._trained()
        if colors != network.colors:
            raise BadInput(f"this cqformer was trained for {network.colors} colors and cannot give {colors}.")
        return network

    def _trained(self) -> Network:
        if self._network is None:
            raise ContractError("this cqformer is not trained: fit or load comes before palettize and state")
        return self._network
