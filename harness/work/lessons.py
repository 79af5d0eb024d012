"""A small lesson for testing a learned method, and the checks of its ``fit``, ``state`` and ``load``."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.contracts import IMAGENET_NORMALIZATION, Augmentation, Images, Lesson, Split
from harness.work.applying import palettize_all

if TYPE_CHECKING:
    from torch import Tensor, nn

CLASSES = 4
IMAGES = 16


def small_lesson(colors: Sequence[int], validation: bool) -> Lesson:
    """Sixteen noisy images of 32x32, some of them for validation if asked, and a frozen network of random weights."""
    split = Split.of(
        np.random.default_rng(1).integers(0, 256, (IMAGES, 32, 32, 3), np.uint8), np.arange(IMAGES) % CLASSES
    )
    held_out = IMAGES // 4 if validation else 0
    return Lesson(
        dataset="validate",
        train=split.take(slice(held_out, None)),
        validation=split.take(slice(0, held_out)),
        classes=tuple(map(str, range(CLASSES))),
        normalization=IMAGENET_NORMALIZATION,
        augmentation=Augmentation(flip=True, crop_padding=4),
        seed=0,
        classifiers=(_network(),),
        classifier_names=("validate",),
        colors=tuple(colors),
    )


def fit_twice(make: Callable[[], Any], method: Any, colors: Sequence[int], *, again: bool) -> str:
    """Fits a new method and brings ``method`` to the same state, as another process would.

    Args:
        make: Makes an untrained method.
        method: An untrained one, which is given the fitted one's state.
        colors: The lesson's color counts.
        again: Fit another with the same lesson too, and ask for the same state; else the lesson has images held out.

    Returns:
        What was found, in words.

    Raises:
        ValueError: A promise of the contract is broken; whatever the method raises is passed on.
    """
    import torch

    lesson, fitted = small_lesson(colors, validation=not again), make()
    arrays, weights = _arrays(lesson), _weights(lesson)
    _seed_global_generators(1)
    started = time.perf_counter()
    fitted.fit(lesson)
    seconds = time.perf_counter() - started
    _check_left_alone(lesson, arrays, weights)
    state = _plain(fitted.state())
    if again:
        _seed_global_generators(2)
        other = make()
        other.fit(small_lesson(colors, validation=False))
        if not _same(state, _plain(other.state())):
            raise ValueError(
                "fitted again with the same lesson its state differs; draw all randomness from lesson.seed"
            )
    method.load({name: tensor.clone() for name, tensor in state.items()}, "cpu")
    probe = np.array(lesson.train.images[:4])
    for count in colors:
        if not np.array_equal(_reduced(fitted, probe, count), _reduced(method, probe, count)):
            raise ValueError("after load(state()) palettize gives other images")
    if not _same(state, {name: torch.as_tensor(value) for name, value in method.state().items()}):
        raise ValueError("after load(state()) state gives other tensors")
    twice = ", the same again" if again else ""
    return f"{len(state)} tensors in {seconds:.1f} s on {len(lesson.train)} images{twice}, the lesson as it was"


def _network() -> nn.Module:
    import torch

    from harness.learning import freeze, seeded

    with seeded("validate"):
        network = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, 2, 1),
            torch.nn.BatchNorm2d(8),
            torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Flatten(),
            torch.nn.Linear(8, CLASSES),
        )
    return freeze(network)


def _arrays(lesson: Lesson) -> dict[str, NDArray[Any]]:
    parts = {"train": lesson.train, "validation": lesson.validation}
    names = ("images", "labels", "groups")
    return {f"{part}.{name}": getattr(split, name).copy() for part, split in parts.items() for name in names}


def _weights(lesson: Lesson) -> list[Tensor]:
    return [tensor.clone() for network in lesson.classifiers for tensor in network.state_dict().values()]


def _check_left_alone(lesson: Lesson, arrays: Mapping[str, NDArray[Any]], weights: Sequence[Tensor]) -> None:
    import torch

    for name, array in _arrays(lesson).items():
        if not np.array_equal(array, arrays[name]):
            raise ValueError(f"fit changed lesson.{name}; it must work on a copy")
    if not all(torch.equal(old, new) for old, new in zip(weights, _weights(lesson), strict=True)):
        raise ValueError("fit changed the weights or running statistics of a frozen classifier")
    for network in lesson.classifiers:
        if network.training or any(parameter.requires_grad for parameter in network.parameters()):
            raise ValueError("fit left a frozen classifier in training mode, or with weights that ask for gradients")
        if any(parameter.grad is not None for parameter in network.parameters()):
            raise ValueError("fit left gradients on a frozen classifier's weights")


def _seed_global_generators(seed: int) -> None:
    """With two seeds, a method that draws from a global generator gives itself away."""
    import torch

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - it is the global state that a plugin may have used
    torch.manual_seed(seed)


def _plain(state: Mapping[str, Any]) -> dict[str, Tensor]:
    import torch

    return {name: torch.as_tensor(value).clone() for name, value in state.items()}


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(bool((one[name] == other[name]).all()) for name in one)


def _reduced(method: Any, images: Images, colors: int) -> Images:
    return palettize_all(method, images, colors).render()
