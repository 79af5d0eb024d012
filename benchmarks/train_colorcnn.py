"""ColorCNN's training, ours against the authors' reference code: time of a step, peak memory, and equal losses.

``python benchmarks/train_colorcnn.py --reference PATH``, from the root; PATH is a checkout of the authors' public
repository ``hou-yz/color_distillation``. Without it ours alone is timed. Both train the paper's ColorCNN (U-Net of
width 64) through the same frozen classifier on batches of 64 images of 32x32: forward, backward and optimizer step.

Ours is timed from stored uint8 images on, augmentation included; the reference gets float batches ready made. Its step
is timed twice: as its trainer computes it, with a variance of the colors whose weight in the loss is 0 by default, and
``lean``, without that variance (its networks and optimizer; the same loss, written down again here). Each runs in
a process of its own, a step of each in turn, ours set up as a run's jobs are. Ratios are of medians: of time by the
clock, and of processor time, which says more on a machine shared with others, best with ``--threads 1``. Memory is
what a process grows by at its peak, beyond libraries, networks and images.

Losses of both are compared over 20 steps from the same weights, on the same batches, with the same jitter, at a lower
rate than the paper's: at 0.01 rounding grows tenfold every four to six steps, and the reference code in fp32 is about
as far from itself in double precision as ours is (``docs/performance.md``).

Of the reference code its ColorCNN, its classifiers and its trainer are imported as they are. Its trainer asks for
OpenCV and matplotlib, which it only plots with: where they are not installed, empty modules stand in. It asks for CUDA:
what stands in for a batch answers ``.cuda()`` with tensors on ``--device``.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import itertools
import multiprocessing
import resource
import statistics
import sys
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from harness.contracts import CIFAR10_NORMALIZATION, Augmentation, Lesson, Split
from harness.environment import set_torch_up
from harness.learning import Batches, descend, freeze, seeded
from methods.colorcnn import equations
from methods.colorcnn.network import ColorCNN
from methods.colorcnn.training import Recipe, frozen_classifiers, objective
from tasks.networks import alexnet, resnet18

BATCH, SIDE, CLASSES, IMAGES = 64, 32, 10, 64 * 32
CLASSIFIERS = {"alexnet": alexnet, "resnet18": resnet18}
PRECISIONS = ("fp32", "bf16")
PARTS = ("losses", "steps")
LOSS_STEPS, WARM_UP = 20, 3
RECIPE = Recipe(
    gamma=1.0,
    regularizer="color",
    xi=1.0,
    jitter="scalar",
    palette_norm=4.0,
    epochs=1,
    batch_size=BATCH,
    rate=0.01,
    momentum=0.5,
    weight_decay=5e-4,
    restart_period=10**9,
)
"""The paper's; its rate, held at its peak, as the reference holds it without a scheduler."""


@dataclass(frozen=True)
class Setting:
    """What figures are of."""

    classifier: str
    colors: int
    device: str
    rate: float = RECIPE.rate

    def __str__(self) -> str:
        return f"{self.classifier}, C = {self.colors}"

    def lesson(self, precision: str = "fp32", **changes: Any) -> Lesson:
        """Random images and labels, and the frozen classifier."""
        draw = np.random.default_rng(0)
        images = draw.integers(0, 256, (IMAGES, SIDE, SIDE, 3), np.uint8)
        nothing = Split.of(images[:0], np.zeros(0))
        with seeded("classifier"):
            network = freeze(CLASSIFIERS[self.classifier](CLASSES))
        given = {
            "dataset": "noise",
            "train": Split.of(images, draw.integers(0, CLASSES, IMAGES)),
            "validation": nothing,
            "classes": tuple("0123456789"),
            "normalization": CIFAR10_NORMALIZATION,
            "augmentation": Augmentation(flip=True, crop_padding=4),
            "seed": 0,
            "classifiers": (network.to(self.device),),
            "classifier_names": (self.classifier,),
            "colors": (self.colors,),
            "device": self.device,
            "precision": precision,
        }
        return Lesson(**given | changes)

    def network(self) -> ColorCNN:
        with seeded("colorcnn"):
            return ColorCNN("unet", 64, self.colors, CIFAR10_NORMALIZATION).to(self.device)


class Ours:
    """Our training, a step at a time: what ``training.fit`` repeats."""

    def __init__(self, setting: Setting, precision: str, batch: int = BATCH) -> None:
        self.lesson = setting.lesson(precision)
        self.network = setting.network().to(memory_format=torch.channels_last).train()
        self.loss = objective(self.network, frozen_classifiers(self.lesson), setting.device, RECIPE)
        self.optimizer = torch.optim.SGD(
            self.network.parameters(),
            lr=setting.rate,
            momentum=RECIPE.momentum,
            weight_decay=RECIPE.weight_decay,
            fused=True,
        )
        self.batches = endless_batches(self.lesson, batch)

    def step(self) -> float:
        return float(descend(self.optimizer, self.loss, *next(self.batches), self.lesson))


class OnDevice:
    """A batch whose ``.cuda()`` is on any device."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def cuda(self) -> Tensor:
        return self.tensor


class Reference:
    """The authors' networks with our weights, their optimizer and their trainer."""

    def __init__(self, setting: Setting) -> None:
        def import_from_reference(name: str) -> Any:
            return importlib.import_module(f"color_distillation.{name}")

        lesson = setting.lesson()
        norm, xi = RECIPE.palette_norm, RECIPE.xi
        network = import_from_reference("models.color_cnn").ColorCNN("unet", setting.colors, 1, norm, xi)
        classifier = import_from_reference("models").create(setting.classifier, CLASSES, False)
        copy_weights(setting.network(), network)
        copy_weights(lesson.classifiers[0], classifier)
        self.network, self.classifier = network.to(setting.device), freeze(classifier.to(setting.device))
        self.optimizer = torch.optim.SGD(
            [*network.parameters(), *classifier.parameters()],
            lr=setting.rate,
            momentum=RECIPE.momentum,
            weight_decay=RECIPE.weight_decay,
        )
        self.trainer = import_from_reference("trainer").CNNTrainer(
            self.network, nn.CrossEntropyLoss(), setting.colors, self.classifier, None, RECIPE.gamma, 0, 0
        )
        self.batches = [
            (images.contiguous(), labels) for images, labels in itertools.islice(endless_batches(lesson), 2)
        ]
        self.turn = itertools.cycle(self.batches)

    def step(self) -> float:
        """A step by the authors' trainer."""
        return self.step_on(*next(self.turn))

    def step_on(self, images: Tensor, labels: Tensor) -> float:
        with contextlib.redirect_stdout(io.StringIO()):
            loss, _ = self.trainer.train(1, [(OnDevice(images), OnDevice(labels))], self.optimizer)
        return loss

    def lean_step(self) -> float:
        """The same step by Eq. 2 alone."""
        images, labels = next(self.turn)
        self.network.train()
        self.optimizer.zero_grad()
        quantized, m, _ = self.network(images)
        r = np.log2(m.shape[1]) * (1 - m.flatten(2).amax(dim=2).mean())
        loss = nn.functional.cross_entropy(self.classifier(quantized), labels) + RECIPE.gamma * r
        loss.backward()
        self.optimizer.step()
        return loss.item()


def copy_weights(ours: nn.Module, theirs: nn.Module) -> None:
    """Layer by layer in their order; biases that ours leaves out, before batch normalization, keep their values."""

    def layers(network: nn.Module) -> Iterator[nn.Module]:
        return (layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.BatchNorm2d | nn.Linear))

    for mine, other in zip(layers(ours), layers(theirs), strict=True):
        other.load_state_dict({name: value.clone() for name, value in mine.state_dict().items()}, strict=False)


def endless_batches(lesson: Lesson, size: int = BATCH) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of a training that goes on for ever."""
    data = Batches(lesson.train, lesson, size)
    return itertools.chain.from_iterable(data.epoch(number) for number in itertools.count())


def compare_losses(setting: Setting) -> None:
    """Prints how far the losses of both are apart, from the same weights on the same batches with the same jitter."""
    jitter = np.random.default_rng(1).standard_normal(LOSS_STEPS).tolist()
    mine, reference = Ours(setting, "fp32"), Reference(setting)
    with mock.patch.object(equations, "draw_jitter", side_effect=jitter):
        ours = [mine.step() for _ in range(LOSS_STEPS)]
    batches = itertools.islice(endless_batches(setting.lesson()), LOSS_STEPS)
    with mock.patch.object(np.random, "randn", side_effect=jitter):
        theirs = [reference.step_on(images.contiguous(), labels) for images, labels in batches]
    apart = max(abs(one - other) for one, other in zip(ours, theirs, strict=True))
    print(
        f"{setting}: {LOSS_STEPS} steps at rate {setting.rate:g}, loss {theirs[0]:.4f} to {theirs[-1]:.4f}, "
        f"at most {apart:.1e} apart",
        flush=True,
    )


def make_step(setting: Setting, title: str) -> Callable[[], float]:
    """What trains for a step and returns its loss."""
    if title.startswith("ours"):
        return Ours(setting, title.removeprefix("ours ")).step
    reference = Reference(setting)
    return reference.lean_step if title.endswith("lean") else reference.step


@dataclass(frozen=True)
class Cost:
    """Of one step: seconds by the clock and on all processor cores together, and MB the process has grown by so far."""

    seconds: float
    busy: float
    grown: float


def serve(commands: Connection, setting: Setting, title: str, threads: int, reference: str | None) -> None:
    """Makes a step for each message and answers with its Cost."""
    prepare(threads, reference)
    if title.startswith("ours"):
        set_torch_up(threads)
    step = make_step(setting, title)
    before = peak_memory(setting.device)
    while commands.recv():
        start, busy = time.perf_counter(), time.process_time()
        step()
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        commands.send(Cost(seconds, busy, (peak_memory(setting.device) - before) / 1e6))


def peak_memory(device: str) -> int:
    """Bytes: of the process on a CPU, of tensors on a GPU."""
    if device == "cpu":
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return torch.cuda.max_memory_allocated(device)


def compare_steps(setting: Setting, titles: list[str], threads: int, reference: str | None, repeats: int) -> None:
    """Trains by each title in a process of its own, a step of each in turn; prints times, memory and ratios."""
    costs = train_in_turn(setting, titles, threads, reference, WARM_UP + repeats)
    timed = {title: costs[title][WARM_UP:] for title in titles}
    middle = {
        title: Cost(
            statistics.median(cost.seconds for cost in timed[title]),
            statistics.median(cost.busy for cost in timed[title]),
            timed[title][-1].grown,
        )
        for title in titles
    }
    print(f"\n{setting}: ms a step (least to most), images/s, ms of processor time, MB")
    for title in titles:
        own, seconds = middle[title], [cost.seconds for cost in timed[title]]
        line = f"  {title:16}{1e3 * own.seconds:6.0f} ({1e3 * min(seconds):.0f} to {1e3 * max(seconds):.0f})"
        line += f"{BATCH / own.seconds:8.1f}{1e3 * own.busy:7.0f}{own.grown:7.0f}"
        for other in titles if title.startswith("ours") else []:
            if other.startswith("reference"):
                faster, leaner = middle[other].seconds / own.seconds, middle[other].busy / own.busy
                share = own.grown / middle[other].grown
                line += (
                    f"   {faster:.2f} times as fast as {other}, {leaner:.2f} by processor time, {share:.2f} of its MB"
                )
        print(line, flush=True)


def train_in_turn(
    setting: Setting, titles: list[str], threads: int, reference: str | None, steps: int
) -> dict[str, list[Cost]]:
    """What ``serve`` answers step by step, by title."""
    spawn = multiprocessing.get_context("spawn")
    workers = {}
    for title in titles:
        workers[title], theirs = spawn.Pipe()
        spawn.Process(target=serve, args=(theirs, setting, title, threads, reference), daemon=True).start()
    costs: dict[str, list[Cost]] = {title: [] for title in titles}
    for _ in range(steps):
        for title, worker in workers.items():
            worker.send(True)
            costs[title].append(worker.recv())
    for worker in workers.values():
        worker.send(False)
    return costs


def prepare(threads: int, reference: str | None) -> None:
    """Threads, fp32 that is fp32, and where the reference code is imported from."""
    torch.set_num_threads(threads)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    if reference is None:
        return
    if not (Path(reference) / "color_distillation").is_dir():
        sys.exit(f"{reference} is no checkout of the authors' code: it has no folder color_distillation")
    sys.path.append(reference)
    for name in ("cv2", "matplotlib", "matplotlib.pyplot"):
        try:
            importlib.import_module(name)
        except ImportError:
            sys.modules[name] = types.ModuleType(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", metavar="PATH", help="a checkout of the authors' code")
    parser.add_argument("--classifiers", nargs="+", choices=CLASSIFIERS, default=list(CLASSIFIERS))
    parser.add_argument("--colors", type=int, nargs="+", default=[2, 64], help="numbers of colors (2 64)")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (cpu)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (2)")
    parser.add_argument("--repeats", type=int, default=11, help="timed steps of each, in turn (11)")
    parser.add_argument("--loss-rate", type=float, default=1e-3, help="learning rate where losses are compared (0.001)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    arguments = parser.parse_args()
    prepare(arguments.threads, arguments.reference)
    titles = [f"ours {name}" for name in arguments.precisions]
    if arguments.reference is not None:
        titles = ["reference", "reference lean", *titles]
    settings = [
        Setting(classifier, colors, arguments.device)
        for colors in arguments.colors
        for classifier in arguments.classifiers
    ]
    print(f"U-Net of width 64, {BATCH} images of {SIDE}x{SIDE}, {arguments.threads} threads, {arguments.device}")
    for setting in settings:
        if "losses" in arguments.only and arguments.reference is not None:
            compare_losses(replace(setting, rate=arguments.loss_rate))
    for setting in settings:
        if "steps" in arguments.only:
            compare_steps(setting, titles, arguments.threads, arguments.reference, arguments.repeats)


if __name__ == "__main__":
    main()
