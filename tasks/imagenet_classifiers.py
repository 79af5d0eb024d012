"""Networks in their form for ImageNet as classifiers: with torchvision's weights out of a file, or trained here."""

from __future__ import annotations

import difflib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from harness.contracts import BadInput, Lesson, Needs
from harness.registry import classifier
from tasks.training import PaperRecipe

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.imagenet_networks import Form, OwnNormalization


_VALIDATED_AT_ONCE = 32
"""Images: activations at 224 pixels are large."""


@dataclass(kw_only=True, eq=False)
class ImageNetClassifier(PaperRecipe):
    """A network that sees images by its own normalization, with weights out of a file or trained here.

    Weights whose last layer has as many outputs as the dataset has classes are used as they are. Of weights with more,
    ``outputs`` names those of the classes; the others are left out, so that the network chooses among the classes. In
    both cases nothing is trained, unless ``fine_tune`` is stated. Without weights the network is trained from its
    random start, as the paper's are.

    Args:
        weights: A .pth file of tensors as torchvision publishes it, or the same as safetensors; nothing is downloaded.
        outputs: One output of ``weights`` for each class of the dataset, in the order of the classes (of an image
            folder, the alphabetical order of its folders): its number from 0, or its name in torchvision's list of the
            classes of ImageNet.
        fine_tune: What is trained on from ``weights``, with the training's parameters: ``head``, the last layer alone,
            or ``all``; the last layer starts anew unless it fits. Null: nothing.
        epochs: How often training goes through the training images; without effect where nothing is trained, as are
            all parameters of the training.
        batch_size: Images in a step of training; null: the dataset's.
    """

    outputs: list[int | str] | None = None
    fine_tune: Literal["head", "all"] | None = None

    needs: ClassVar[Needs] = Needs(memory=2_000_000_000)  # to judge, and where nothing is trained
    paper: ClassVar[Mapping[str, object]] = {}
    departures_of: ClassVar[tuple[str, ...]] = ()
    scales: ClassVar[Mapping[str, Mapping[str, object]]] = {"small": {"epochs": 6, "batch_size": 32, "rate": 0.03}}

    def departures(self, dataset: str, classifiers: tuple[str, ...]) -> list[str]:  # noqa: ARG002
        """Says nothing: the paper has no such networks.

        Args:
            dataset: The dataset plugin's name.
            classifiers: The names of the classifiers' plugins.

        Returns:
            No sentence.
        """
        return []

    @abstractmethod
    def build(self, classes: int) -> OwnNormalization:
        """Makes the untrained network, which takes images as they come.

        Args:
            classes: How many classes it tells apart.

        Returns:
            A network from normalized ``float32 [B, 3, H, W]`` to logits ``[B, classes]``.
        """

    @abstractmethod
    def form(self) -> Form:
        """Looks up what has to be known of the network.

        Returns:
            The name of its last layer, its normalization, and the sides of images that it takes.
        """

    def check(self) -> None:
        """Looks whether ``weights`` are those of this network and ``outputs`` are in them.

        Raises:
            BadInput: They are not, or parameters do not go together.
        """
        for name, value in (("outputs", self.outputs), ("fine_tune", self.fine_tune)):
            if value is not None and self.weights is None:
                raise BadInput(f"{name}: it says what is done with weights, and there are none; state weights.")
        if self.weights is not None:
            import torch

            from tasks.imagenet_weights import classes_in, read_state

            state = read_state(self.weights)
            classes = len(self.outputs) if self.outputs else classes_in(state, self.form().head, self.weights)
            with torch.device("meta"):  # names and shapes without memory
                self._with_weights(state, classes)

    def fit(self, lesson: Lesson) -> OwnNormalization:
        """Takes the network in ``weights``, trains it on, or trains a new one on the lesson.

        Args:
            lesson: Images, labels, augmentation and seed.

        Returns:
            The network in eval mode on the lesson's device.

        Raises:
            BadInput: ``weights`` are not of this network or tell other classes apart, or images have a wrong size.
            FloatingPointError: An epoch's mean loss is not finite.
        """
        from harness import learning

        _check_side(self.form(), lesson)
        with learning.seeded(lesson.seed, "weights"):
            network = self._start(lesson)
        if self.weights is None or self.fine_tune is not None:
            self.train_network(network, lesson, at_once=_VALIDATED_AT_ONCE)
        return network.to(lesson.device).eval()

    def _start(self, lesson: Lesson) -> OwnNormalization:
        """The network before training."""
        from tasks.imagenet_weights import classes_in, read_state

        classes = len(lesson.classes)
        if self.weights is None:
            return self.build(classes)
        if self.outputs is not None and len(self.outputs) != classes:
            raise BadInput(
                f"outputs: {len(self.outputs)} are named, {lesson.dataset} has {classes} classes; name one for each."
            )
        state = read_state(self.weights)
        found = classes_in(state, self.form().head, self.weights)
        if self.outputs is None and self.fine_tune is None and found != classes:
            raise BadInput(
                f"weights: {self.weights} tells {found} classes apart, {lesson.dataset} has {classes}; name the output "
                "of each class by outputs, or train a new last layer with fine_tune: head."
            )
        network = self._with_weights(state, classes)
        network.renormalize(self.form().normalization, lesson.normalization)
        if self.fine_tune == "head":
            network.learn_only_head()
        return network

    def _with_weights(self, state: Mapping[str, Tensor], classes: int) -> OwnNormalization:
        """A network for so many classes with these weights; its last layer is new where theirs has to be trained."""
        from tasks.imagenet_weights import classes_in, load_state, only_outputs

        assert self.weights is not None
        network, head = self.build(classes), self.form().head
        if self.outputs is not None:
            state = only_outputs(state, head, indices_of(self.outputs), self.weights)
        fits = classes_in(state, head, self.weights) == classes
        load_state(network.network, state, self.weights, new=None if fits else head)
        return network


def _check_side(form: Form, lesson: Lesson) -> None:
    """BadInput where a network does not take images of this size."""
    height, width = lesson.train.images.shape[1:3]
    are = f"those of {lesson.dataset} are {width} x {height}; an image-folder has the parameter side."
    if form.only_side is not None and (height, width) != (form.only_side, form.only_side):
        raise BadInput(f"this network takes images of {form.only_side} x {form.only_side} pixels, {are}")
    if min(height, width) < form.least_side:
        raise BadInput(f"this network takes images of at least {form.least_side} x {form.least_side} pixels, {are}")


def indices_of(outputs: Sequence[int | str]) -> list[int]:
    """Finds the outputs that names mean.

    Args:
        outputs: Numbers from 0, or names of ImageNet's classes as torchvision has them.

    Returns:
        Their numbers, in the same order.

    Raises:
        BadInput: A number is negative, there is no class of that name or two, or one output is named twice.
    """
    from tasks.imagenet_networks import categories

    names, found = categories(), list[int]()
    for output in outputs:
        if isinstance(output, int) and output < 0:
            raise BadInput(f"outputs: there is no {output}, outputs are numbered from 0.")
        meant = [output] if isinstance(output, int) else [n for n, name in enumerate(names) if name == output]
        if not meant:
            near = difflib.get_close_matches(str(output), names, n=1)
            guess = f", did you mean {near[0]!r}?" if near else "; torchvision's list of its classes has the names."
            raise BadInput(f"outputs: ImageNet has no class {output!r}{guess}")
        if len(meant) > 1:
            several = " and ".join(map(str, meant))
            raise BadInput(f"outputs: ImageNet has several classes {output!r}; name one by its number, {several}.")
        if meant[0] in found:
            raise BadInput(f"outputs: {output!r} is the output of two classes; each needs one of its own.")
        found += meant
    return found


@dataclass(kw_only=True, eq=False)
class TorchvisionClassifier(ImageNetClassifier):
    """A network of torchvision in its form for ImageNet."""

    network: ClassVar[str]

    def build(self, classes: int) -> OwnNormalization:
        from tasks.imagenet_networks import torchvision_network

        return torchvision_network(self.network, classes)

    def form(self) -> Form:
        from tasks.imagenet_networks import FORMS

        return FORMS[self.network]


@classifier("imagenet-resnet18", summary="ResNet18 in its form for ImageNet, 11.7 M parameters at 1,000 classes")
class ImageNetResNet18(TorchvisionClassifier):
    """Torchvision's ``resnet18`` (He et al. 2016), whose published weights are ``resnet18-f37072fd.pth``.

    An image folder with ``side: 224`` and ``resize: 256`` shows images as torchvision does.
    """

    network = "resnet18"


@classifier("imagenet-resnet50", summary="ResNet50 in its form for ImageNet, 25.6 M parameters at 1,000 classes")
class ImageNetResNet50(TorchvisionClassifier):
    """Torchvision's ``resnet50`` (He et al. 2016); weights are ``resnet50-0676ba61.pth``, or ``resnet50-11ad3fa6.pth``.

    An image folder with ``side: 224`` and ``resize: 256``, for the latter 232, shows images as torchvision does.
    """

    network = "resnet50"


@classifier("imagenet-convnext-tiny", summary="ConvNeXt-Tiny, 28.6 M parameters at 1,000 classes; sides from 32")
class ImageNetConvNeXtTiny(TorchvisionClassifier):
    """Torchvision's ``convnext_tiny`` (Liu et al. 2022), whose published weights are ``convnext_tiny-983f1562.pth``.

    An image folder with ``side: 224`` and ``resize: 236`` shows images as torchvision does.
    """

    network = "convnext_tiny"


@classifier("imagenet-vit-b-16", summary="ViT-B/16, 86.6 M parameters at 1,000 classes; images of 224 x 224")
class ImageNetViT(TorchvisionClassifier):
    """Torchvision's ``vit_b_16`` (Dosovitskiy et al. 2021), whose published weights are ``vit_b_16-c867db91.pth``.

    An image folder with ``side: 224`` and ``resize: 256`` shows images as torchvision does. There are no class
    activation maps: the last layer is given a class token, not the mean of a feature map.
    """

    network = "vit_b_16"
