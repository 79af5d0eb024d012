"""ColorCNN as a plugin: parameters and the way through fit, state, load and palettize."""

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

    from methods.colorcnn.network import ColorCNN as Network
    from methods.colorcnn.training import Recipe


def reference_palette_norm(dataset: str, classifiers: tuple[str, ...]) -> float:
    """Gives what the reference code divides the normalized palette by in training: 4, but 1 for AlexNet off CIFAR.

    The article says 4 for all. With several classifiers AlexNet among them decides.

    Args:
        dataset: The dataset plugin's name.
        classifiers: The names of the classifiers' plugins.

    Returns:
        The divisor.
    """
    return 1.0 if "alexnet" in classifiers and not dataset.startswith("cifar") else 4.0


@quantizer("colorcnn", summary="a network learns which few colors keep images recognizable (Hou et al. 2020)")
class ColorCNN:
    """Learned quantizer of Hou, Zheng & Gould, CVPR 2020, Section 4: one network per color count.

    Trained through all classifiers of the lesson, by the mean of their losses.

    Args:
        backbone: The network that sees the image: ``unet`` or ``dncnn``.
        width: The backbone's channels at full resolution, the head has four times as many; 64 is the paper's.
        gamma: Weight of the regularizer R.
        regularizer: ``color``, R of Eq. 8, wants each color certain of some pixel; ``pixel``, as the article's text has
            it, wants each pixel certain of some color.
        xi: Weight of the color jitter, normal noise on the normalized quantized image.
        jitter: What shares one draw of the color jitter: ``scalar``, the whole batch, as the authors' code has it;
            ``image``, an image; ``channel``, an image's channel; ``pixel``, nothing: each pixel's channels have their
            own, as the article's text can be read.
        palette_norm: The normalized palette is divided by it in training only; null: 4, but 1 for AlexNet on a dataset
            other than CIFAR, as the authors' code has it.
        epochs: How often training goes through the training images.
        batch_size: Images in a step of training; null: the dataset's, 128 and on STL10 32 as in the paper.
        rate: The learning rate's peak, of a cosine that starts anew every ``restart_period`` epochs.
        momentum: Of stochastic gradient descent.
        weight_decay: Of stochastic gradient descent.
        restart_period: Epochs from one start of the learning rate's cosine to the next; null: a third of the epochs, at
            least one.
    """

    backbone: Literal["unet", "dncnn"] = "unet"
    width: Annotated[int, Field(ge=1)] = 64
    gamma: Annotated[float, Field(ge=0)] = 1.0
    regularizer: Literal["color", "pixel"] = "color"
    xi: Annotated[float, Field(ge=0)] = 1.0
    jitter: Literal["scalar", "image", "channel", "pixel"] = "scalar"
    palette_norm: Annotated[float, Field(gt=0)] | None = None
    epochs: Annotated[int, Field(ge=1)] = 60
    batch_size: Annotated[int, Field(ge=2)] | None = None
    rate: Annotated[float, Field(gt=0)] = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.5
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    restart_period: Annotated[int, Field(ge=1)] | None = None

    paper: ClassVar[Mapping[str, Any]] = {
        "backbone": "unet",
        "width": 64,
        "gamma": 1.0,
        "regularizer": "color",
        "xi": 1.0,
        "jitter": "scalar",
        "palette_norm": 4.0,
        "epochs": 60,
        "batch_size": 128,
        "rate": 0.01,
        "momentum": 0.5,
        "weight_decay": 5e-4,
        "restart_period": 20,
    }
    departures_of: ClassVar[tuple[str, ...]] = ("jitter", "batch_size", "palette_norm")

    scales: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {
            "width": 16,
            "palette_norm": 1.0,
            "epochs": 4,
            "batch_size": 32,
            "rate": 0.0125,
            "momentum": 0.9,
            "restart_period": 4,
        }
    }

    def departures(self, dataset: str, classifiers: tuple[str, ...]) -> list[str]:
        """Says what departs from the paper on this task, or from the code where the paper leaves it open.

        Args:
            dataset: The dataset plugin's name.
            classifiers: The names of the classifiers' plugins.

        Returns:
            One sentence each.
        """
        sentences = []
        if self.jitter != "scalar":
            sentences.append(f"jitter is {self.jitter}, the authors' code has scalar, the paper can be read either way")
        batch = 32 if dataset.startswith("stl10") else 128
        if self.batch_size not in (None, batch):
            sentences.append(f"batch_size is {self.batch_size} for {dataset}, the paper has {batch}")
        norm, code = self.resolved(dataset, classifiers)["palette_norm"], reference_palette_norm(dataset, classifiers)
        if norm != self.paper["palette_norm"]:
            as_code = len(classifiers) == 1 and norm == code
            task = f" for {classifiers[0]} on {dataset} as in the authors' code" if as_code else ""
            sentences.append(f"palette_norm is {norm:g}{task}, the paper has 4")
        return sentences

    def __post_init__(self) -> None:
        self._network: Network | None = None

    def least_memory(self) -> float:
        """Says how many bytes the network's weights have, nearly: their number grows with the width's square.

        Returns:
            Bytes in fp32.
        """
        return 4 * (3271 if self.backbone == "unet" else 148) * self.width**2

    def cycle(self) -> int:
        """Says how many epochs pass until the learning rate starts anew: nobody is judged in the middle of one.

        Returns:
            That many epochs, at least one.
        """
        return max(1, self.epochs // 3) if self.restart_period is None else self.restart_period

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
        from methods.colorcnn.training import Recipe

        filled_in = self.resolved(lesson.dataset, lesson.classifier_names)
        return Recipe(
            gamma=self.gamma,
            regularizer=self.regularizer,
            xi=self.xi,
            jitter=self.jitter,
            epochs=self.epochs,
            batch_size=self.batch_size or lesson.batch_size,
            rate=self.rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            **filled_in,
        )

    def fit(self, lesson: Lesson) -> None:
        """Trains a new network from the lesson's seed (paper Section 4.3).

        Args:
            lesson: With one color count and at least one frozen classifier.

        Raises:
            ContractError: The lesson has no classifier, or more or fewer color counts than one.
        """
        from harness.learning import seeded
        from methods.colorcnn.network import ColorCNN as Network
        from methods.colorcnn.training import fit

        if not lesson.classifiers:
            raise ContractError("colorcnn learns from a frozen classifier, the lesson has none")
        if len(lesson.colors) != 1:
            raise ContractError(f"colorcnn learns one color count at a time, the lesson has {list(lesson.colors)}")
        with seeded(lesson.seed, "colorcnn"):
            network = Network(self.backbone, self.width, lesson.colors[0], lesson.normalization)
        fit(network, lesson, self.recipe(lesson))
        self._network = network

    def palettize(self, images: Images, colors: int) -> Palettized:
        """Computes index maps by Eq. 3 and palettes by Eq. 4, rounded to 8 bits; in fp32.

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
        from methods.colorcnn.network import palettize
        from methods.colorcnn.tiling import palettize_in_tiles

        network, whole = self._trained_for(colors), self.tiles(*images.shape[1:3]) == 1
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
        """Draws where the backbone answers, and the image that only training sees (Fig. 3, 6 and 8 of the article).

        Args:
            images: ``uint8 [N, H, W, 3]``, sRGB.
            colors: The color count it was trained for.

        Returns:
            ``activation``, the backbone's mean magnitude at each pixel, ``uint8 [N, H, W]``, and ``train-time``, x~ of
            Eq. 7, ``uint8 [N, H, W, 3]``.

        Raises:
            BadInput: It was trained for another color count.
            ContractError: It is not trained.
        """
        from methods.colorcnn.explaining import explain

        return explain(self._trained_for(colors), images)

    def onnx_module(self, colors: int) -> Module:
        """Gives the test-time pass as one network, normalization inside, in one piece.

        Args:
            colors: The color count it was trained for.

        Returns:
            A network in eval mode from pixels ``uint8 [N, H, W, 3]`` to indices ``uint8 [N, H, W]`` and palettes
            ``uint8 [N, C, 3]``.

        Raises:
            BadInput: It was trained for another color count.
            ContractError: It is not trained.
        """
        from methods.colorcnn.export import PixelsToPalettes

        return PixelsToPalettes(self._trained_for(colors)).eval()

    def state(self) -> Mapping[str, Any]:
        """Gives weights, batch statistics and normalization constants.

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
        from methods.colorcnn.network import restore

        try:
            self._network = restore(self.backbone, self.width, state).to(device)
        except (KeyError, RuntimeError):
            raise BadInput(
                f"this is not the state of a colorcnn with backbone {self.backbone} and width {self.width}."
            ) from None

    def _trained_for(self, colors: int) -> Network:
        network = self._trained()
        if colors != network.colors:
            raise BadInput(f"this colorcnn was trained for {network.colors} colors and cannot give {colors}.")
        return network

    def _trained(self) -> Network:
        if self._network is None:
            raise ContractError("this colorcnn is not trained: fit or load comes before palettize and state")
        return self._network
