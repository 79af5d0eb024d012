"""The anchored quantizer as a plugin: parameters and the way through fit, state, load and palettize."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from harness.contracts import BadInput, ContractError, Images, Lesson, Palettized
from harness.registry import quantizer
from methods.spaces import Space

if TYPE_CHECKING:
    from torch.nn import Module

    from methods.anchored.network import AnchoredNetwork
    from methods.anchored.training import Recipe


@quantizer(
    "anchored", summary="ColorCNN's network learns what to change of each image's k-means; for few and many colors"
)
class Anchored:
    """A learned quantizer that starts at a clustering of each image and learns where to leave it; of this project.

    The index map's probabilities are m = softmax(g + kappa a): g are the logits of ColorCNN's network (Hou, Zheng &
    Gould, CVPR 2020), whose last layer starts at zero, a the log posterior of a k-means of the image itself, whose
    centers are in the order of their luminance. Palette and image are ColorCNN's, by Eq. 6 and 7 in training, by Eq. 3
    to 5 afterwards. So is the loss of Eq. 2, here with a smaller regularizer, without jitter, and with distillation.
    One network per color count, or one for all of them.

    Args:
        backbone: The network that sees the image: ``unet`` or ``dncnn``.
        width: The backbone's channels at full resolution, the head has four times as many.
        kappa: How strongly the index map leans on the clustering.
        learn_kappa: Whether kappa is trained too, from that value on.
        steps: Moves of the clustering's centers.
        space: Where distances of the clustering are taken: ``rgb``, normalized values, or ``lab``, CIELAB.
        palette: ``mean``, Eq. 4 and 6: each color is the mean of its pixels; ``corrected``: to which a small network,
            learned along, adds what the classifier recognizes more by.
        gamma: Weight of the regularizer R.
        regularizer: ``color``, R of Eq. 8, wants each color certain of some pixel; ``pixel`` wants each pixel certain
            of some color.
        xi: Weight of the color jitter, normal noise on the normalized quantized image.
        jitter: What shares one draw of the color jitter: ``scalar``, the whole batch; ``image``, an image; ``channel``,
            an image's channel; ``pixel``, nothing.
        palette_norm: The normalized palette is divided by it in training only.
        distillation: Weight of the divergence of the classifier's answers from those to the original images.
        straight_through: Whether the classifier is shown in training each pixel's most probable color alone, as at test
            time, with the gradient of the mixture of Eq. 7.
        gumbel: Weight of Gumbel noise on the logits in training, which only certain pixels withstand.
        joint_colors: Whether one training serves all color counts: they share everything but the last layer's weights,
            and each step of training is of one of them, drawn by chance, so the epochs are divided among them.
        epochs: How often training goes through the training images.
        batch_size: Images in a step of training; null: the dataset's.
        rate: The learning rate's peak, of a cosine that starts anew every ``restart_period`` epochs.
        momentum: Of stochastic gradient descent.
        weight_decay: Of stochastic gradient descent.
        restart_period: Epochs from one start of the learning rate's cosine to the next; null: a third of the epochs, at
            least one.
    """

    backbone: Literal["unet", "dncnn"] = "unet"
    width: Annotated[int, Field(ge=1)] = 64
    kappa: Annotated[float, Field(gt=0)] = 0.5
    learn_kappa: bool = False
    steps: Annotated[int, Field(ge=0)] = 6
    space: Space = "rgb"
    palette: Literal["mean", "corrected"] = "mean"
    gamma: Annotated[float, Field(ge=0)] = 0.3
    regularizer: Literal["color", "pixel"] = "color"
    xi: Annotated[float, Field(ge=0)] = 0.0
    jitter: Literal["scalar", "image", "channel", "pixel"] = "scalar"
    palette_norm: Annotated[float, Field(gt=0)] = 1.0
    distillation: Annotated[float, Field(ge=0)] = 0.5
    straight_through: bool = False
    gumbel: Annotated[float, Field(ge=0)] = 0.0
    joint_colors: bool = False
    epochs: Annotated[int, Field(ge=1)] = 60
    batch_size: Annotated[int, Field(ge=2)] | None = None
    rate: Annotated[float, Field(gt=0)] = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.5
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    restart_period: Annotated[int, Field(ge=1)] | None = None

    scales: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {"width": 16, "epochs": 4, "batch_size": 32, "rate": 0.0125, "momentum": 0.9, "restart_period": 4}
    }

    def __post_init__(self) -> None:
        self._network: AnchoredNetwork | None = None

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

    def resolved(self, dataset: str, classifiers: tuple[str, ...]) -> dict[str, Any]:  # noqa: ARG002
        """Fills in what follows from other parameters.

        Args:
            dataset: The dataset plugin's name.
            classifiers: The names of the classifiers' plugins.

        Returns:
            The epochs of a cycle.
        """
        return {"restart_period": self.cycle()}

    def recipe(self, lesson: Lesson) -> Recipe:
        """Fills in the training's parameters that depend on others, or on the lesson.

        Args:
            lesson: Its batch size counts.

        Returns:
            All parameters of the training, none left open.
        """
        from methods.anchored.training import Recipe

        return Recipe(
            gamma=self.gamma,
            regularizer=self.regularizer,
            xi=self.xi,
            jitter=self.jitter,
            palette_norm=self.palette_norm,
            distillation=self.distillation,
            straight_through=self.straight_through,
            gumbel=self.gumbel,
            epochs=self.epochs,
            batch_size=self.batch_size or lesson.batch_size,
            rate=self.rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            restart_period=self.cycle(),
        )

    def fit(self, lesson: Lesson) -> None:
        """Trains a new network from the lesson's seed.

        Args:
            lesson: With at least one frozen classifier, and one color count unless ``joint_colors`` is true.

        Raises:
            ContractError: The lesson has no classifier, no color count, or more color counts than it may.
        """
        from harness.learning import seeded
        from methods.anchored.network import AnchoredNetwork
        from methods.anchored.training import objective
        from methods.colorcnn.training import fit

        if not lesson.classifiers:
            raise ContractError("anchored learns from a frozen classifier, the lesson has none")
        if not lesson.colors or (len(lesson.colors) > 1 and not self.joint_colors):
            raise ContractError(f"anchored learns one color count at a time, the lesson has {list(lesson.colors)}")
        with seeded(lesson.seed, "anchored"):
            network = AnchoredNetwork(
                self.backbone,
                self.width,
                lesson.colors,
                lesson.normalization,
                kappa=self.kappa,
                learn_kappa=self.learn_kappa,
                steps=self.steps,
                space=self.space,
                corrected=self.palette == "corrected",
            )
        fit(network, lesson, self.recipe(lesson), objective)
        self._network = network

    def palettize(self, images: Images, colors: int) -> Palettized:
        """Computes index maps by Eq. 3 and palettes by Eq. 4, rounded to 8 bits; in fp32.

        Images of more than 2^20 pixels go through the network in overlapping tiles, and evenly spaced pixels of theirs
        are clustered.

        Args:
            images: ``uint8 [N, H, W, 3]``, sRGB.
            colors: A color count it was trained for.

        Returns:
            Indices ``uint8 [N, H, W]`` and palettes ``uint8 [N, C, 3]``.

        Raises:
            BadInput: It was not trained for that color count.
            ContractError: It is not trained.
        """
        from methods.anchored.network import corrected, palettize_in_tiles
        from methods.colorcnn.network import palettize

        network = self._trained_for(colors)
        whole = self.tiles(*images.shape[1:3]) == 1
        return corrected(network, palettize(network, images) if whole else palettize_in_tiles(network, images))

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
        """Draws where the backbone answers, and the image that only training sees.

        Args:
            images: ``uint8 [N, H, W, 3]``, sRGB.
            colors: A color count it was trained for.

        Returns:
            ``activation``, the backbone's mean magnitude at each pixel, ``uint8 [N, H, W]``, and ``train-time``, x~ of
            Eq. 7 with the colors of Eq. 6, ``uint8 [N, H, W, 3]``.

        Raises:
            BadInput: It was not trained for that color count.
            ContractError: It is not trained.
        """
        from methods.colorcnn.explaining import explain

        return explain(self._trained_for(colors), images)

    def onnx_module(self, colors: int) -> Module:
        """Gives the test-time pass as one network, clustering and normalization inside, in one piece.

        Args:
            colors: A color count it was trained for.

        Returns:
            A network in eval mode from pixels ``uint8 [N, H, W, 3]`` to indices ``uint8 [N, H, W]`` and palettes
            ``uint8 [N, C, 3]``.

        Raises:
            BadInput: It was not trained for that color count.
            ContractError: It is not trained.
        """
        from methods.anchored.export import PixelsToPalettes

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
        from methods.anchored.network import restore

        try:
            self._network = restore(self.backbone, self.width, self.steps, self.space, state).to(device)
        except (KeyError, RuntimeError):
            raise BadInput(
                f"this is not the state of an anchored quantizer with backbone {self.backbone} and width {self.width}."
            ) from None

    def _trained_for(self, colors: int) -> AnchoredNetwork:
        network = self._trained()
        counts = network.counts.tolist()
        if colors not in counts:
            known = ", ".join(map(str, counts))
            raise BadInput(f"this anchored quantizer was trained for {known} colors and cannot give {colors}.")
        return network.at(colors)

    def _trained(self) -> AnchoredNetwork:
        if self._network is None:
            raise ContractError("this quantizer is not trained: fit or load comes before palettize and state")
        return self._network
