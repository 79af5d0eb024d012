"""What classifiers and learned quantizers share: on-device batches, schedules, the training loop, prediction.

One training is a pure function of its lesson: each epoch's shuffle, augmentation and dropout are drawn from the
lesson's seed and the epoch's number, so a training resumed from a checkpoint ends with the same bits on the same CPU.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from harness.contracts import (
    Augmentation,
    ContractError,
    DamagedCheckpoint,
    Images,
    Lesson,
    Normalization,
    Precision,
    Split,
)

CHECKPOINT = "training.safetensors"

Schedule = Callable[[int], tuple[float, float]]
"""Step (counted from 0 over the whole training) -> (learning rate, momentum)."""


def derive_seed(*parts: object) -> int:
    """A seed from anything with a stable ``repr``.

    Args:
        parts: What the seed is for; other parts give another seed.

    Returns:
        A whole number of 63 bits.
    """
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1


@contextlib.contextmanager
def seeded(*parts: object) -> Iterator[None]:
    """A context with torch's random state set from ``derive_seed(*parts)``; outside it is untouched.

    Args:
        parts: As of ``derive_seed``.

    Yields:
        Nothing; what torch draws inside depends on the parts alone.
    """
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive_seed(*parts))
        yield


def tensor_of(array: NDArray[Any]) -> Tensor:
    """The array as a tensor that shares its memory, memory-mapped files too. Nothing may write to it.

    Args:
        array: Any array.

    Returns:
        A tensor of the same shape and dtype; a copy only where the array is not writable or not contiguous.
    """
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def normalize(pixels: Tensor, normalization: Normalization) -> Tensor:
    """Images as networks take them.

    Args:
        pixels: ``uint8 [B, H, W, 3]``.
        normalization: The dataset's mean and standard deviation.

    Returns:
        ``float32 [B, 3, H, W]`` in channels-last memory.
    """
    mean = torch.tensor(normalization.mean, device=pixels.device)
    std = torch.tensor(normalization.std, device=pixels.device)
    return ((pixels.float() / 255 - mean) / std).permute(0, 3, 1, 2)


def freeze(network: nn.Module) -> nn.Module:
    """Puts a network into eval mode and takes the gradients of its parameters away.

    Args:
        network: It is changed in place.

    Returns:
        The same network.
    """
    return network.eval().requires_grad_(False)


def autocast(device: str, precision: Precision) -> torch.autocast:
    """bf16 autocast, or a context that changes nothing for fp32.

    Args:
        device: ``cpu`` or ``cuda``.
        precision: ``fp32`` or ``bf16``.

    Returns:
        A context for the forward pass and the loss.
    """
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=precision == "bf16")


def augment(pixels: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Flips each image at random and crops it at random from its zero-padded self.

    Args:
        pixels: ``uint8 [B, H, W, 3]``.
        augmentation: Whether images are flipped, and by how many pixels they are padded.
        generator: Of the CPU; what is drawn comes from it.

    Returns:
        ``uint8 [B, H, W, 3]``.
    """
    batch, height, width, _ = pixels.shape
    device, pad = pixels.device, augmentation.crop_padding

    def draw(high: int) -> Tensor:
        return torch.randint(high, (batch, 1), generator=generator).to(device)

    rows = torch.arange(height, device=device)[None]
    columns = torch.arange(width, device=device)[None]
    if augmentation.flip:
        columns = torch.where(draw(2) == 1, width - 1 - columns, columns)
    if pad:
        pixels = nn.functional.pad(pixels, (0, 0, pad, pad, pad, pad))
        rows, columns = rows + draw(2 * pad + 1), columns + draw(2 * pad + 1)
    if not augmentation.flip and not pad:
        return pixels
    image = torch.arange(batch, device=device)[:, None, None]
    return pixels[image, rows.expand(batch, -1)[:, :, None], columns.expand(batch, -1)[:, None, :]]


class Batches:
    """A split on the device as uint8, of which each epoch gives shuffled, augmented, normalized batches.

    It is brought there once, unless it lies there already. Its length is the number of batches an epoch.

    Args:
        split: Images and labels.
        lesson: Its seed, augmentation, normalization and device count.
        batch_size: Images a batch, at most all of them.

    Attributes:
        pixels: ``uint8 [N, H, W, 3]`` on the lesson's device.
        labels: ``int64 [N]``, likewise.
        lesson: The lesson.
        batch_size: Images a batch; the last of an epoch may have fewer.
    """

    def __init__(self, split: Split, lesson: Lesson, batch_size: int) -> None:
        self.pixels = tensor_of(split.images).to(lesson.device)
        self.labels = tensor_of(split.labels).to(lesson.device)
        self.lesson = lesson
        self.batch_size = min(batch_size, len(split))

    def __len__(self) -> int:
        """Batches an epoch. A rest of one image is left out: batch normalization can't take it."""
        rest = len(self.labels) % self.batch_size
        return len(self.labels) // self.batch_size + (rest > 1)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Gives the batches of one epoch, drawn from the lesson's seed and the epoch's number.

        Args:
            number: The epoch, counted from 0.

        Yields:
            Normalized images ``float32 [B, 3, H, W]`` in channels-last memory, and labels ``int64 [B]``.
        """
        generator = torch.Generator().manual_seed(derive_seed(self.lesson.seed, "batches", number))
        order = torch.randperm(len(self.labels), generator=generator).to(self.pixels.device)
        for rows in order.split(self.batch_size)[: len(self)]:
            pixels = augment(self.pixels[rows], self.lesson.augmentation, generator)
            yield normalize(pixels, self.lesson.normalization), self.labels[rows]


def one_cycle(total: int, peak: float, momenta: tuple[float, float] = (0.85, 0.95), warm: float = 0.3) -> Schedule:
    """The 1cycle policy with cosine annealing (Smith & Topin 2018).

    The rate goes from peak/25 up to peak and down to peak/250000, while momentum goes from the higher of ``momenta`` to
    the lower and back.

    Args:
        total: Steps of the whole training.
        peak: The highest learning rate.
        momenta: The lowest and the highest momentum.
        warm: Share of the steps before the peak.

    Returns:
        The schedule.
    """
    low, high = momenta
    top, end = max(warm * total - 1, 0.0), total - 1

    def at(step: int) -> tuple[float, float]:
        if step <= top and top > 0:
            return _cosine(peak / 25, peak, step / top), _cosine(high, low, step / top)
        share = (step - top) / max(end - top, 1)
        return _cosine(peak, peak / 25 / 1e4, share), _cosine(low, high, share)

    return at


def cosine_restarts(period: int, peak: float, momentum: float) -> Schedule:
    """Cosine annealing from peak to 0 with warm restarts (Loshchilov & Hutter 2017).

    Args:
        period: Steps from one restart to the next.
        peak: The highest learning rate.
        momentum: The same at every step.

    Returns:
        The schedule.
    """
    return lambda step: (_cosine(peak, 0.0, step % period / period), momentum)


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


def descend(
    optimizer: torch.optim.Optimizer,
    loss: Callable[[Tensor, Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    lesson: Lesson,
) -> Tensor:
    """One training step.

    Args:
        optimizer: Of what is trained.
        loss: From images and labels to a scalar.
        images: Normalized, ``float32 [B, 3, H, W]``.
        labels: ``int64 [B]``.
        lesson: Its device and precision count.

    Returns:
        The loss before the step, a scalar without gradient.
    """
    optimizer.zero_grad()  # before the forward pass, so that gradients and activations do not take memory together
    with autocast(lesson.device, lesson.precision):
        value = loss(images, labels)
    value.backward()
    optimizer.step()
    return value.detach()


def train(
    network: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    lesson: Lesson,
    *,
    epochs: int,
    batch_size: int,
    schedule: Callable[[int], Schedule],
    weight_decay: float,
    measure: Callable[[], Mapping[str, float]] = dict,
) -> None:
    """Trains a network in place with SGD; resumes from and writes to ``lesson.checkpoints``.

    Args:
        network: What is trained; it ends in eval mode.
        loss: From normalized images ``float32 [B, 3, H, W]`` and labels ``int64 [B]`` to a scalar.
        lesson: Images, labels, augmentation, seed, device, precision and callback.
        epochs: How often all training images are gone through.
        batch_size: Images a step, at most all of them.
        schedule: From the number of batches an epoch to the Schedule.
        weight_decay: Of SGD.
        measure: Further metrics at the end of an epoch.

    Raises:
        FloatingPointError: An epoch's mean loss is not finite.
    """
    network.to(lesson.device).to(memory_format=torch.channels_last)
    data = Batches(lesson.train, lesson, batch_size)
    at = schedule(len(data))
    optimizer = torch.optim.SGD(network.parameters(), weight_decay=weight_decay, fused=True)
    for epoch in range(_resume(network, optimizer, lesson.checkpoints), epochs):
        network.train()
        summed = torch.zeros((), device=lesson.device)
        with seeded(lesson.seed, "epoch", epoch):
            for step, (images, labels) in enumerate(data.epoch(epoch), start=epoch * len(data)):
                for group in optimizer.param_groups:
                    group["lr"], group["momentum"] = at(step)
                summed += descend(optimizer, loss, images, labels, lesson)
        mean = float(summed) / len(data)
        if not math.isfinite(mean):
            raise FloatingPointError(f"training diverged: the mean loss of epoch {epoch + 1} is {mean}")
        network.eval()
        metrics = {"loss": mean, **measure()}
        _save_checkpoint(network, optimizer, lesson.checkpoints, epoch + 1)
        if lesson.on_epoch is not None and lesson.on_epoch(epoch + 1, epochs, metrics):
            break
    network.eval()


def _save_checkpoint(network: nn.Module, optimizer: torch.optim.SGD, folder: Path | None, epochs_done: int) -> None:
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        if "momentum_buffer" in optimizer.state.get(parameter, {}):
            tensors[f"momentum.{name}"] = optimizer.state[parameter]["momentum_buffer"]
    tensors = {name: t.detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
    partial = folder / f"{CHECKPOINT}.{uuid.uuid4().hex}"
    save_file(
        tensors, partial, metadata={"epochs_done": str(epochs_done), "sha256": _digest(tensors, str(epochs_done))}
    )
    partial.replace(folder / CHECKPOINT)


def _digest(tensors: Mapping[str, Tensor], epochs_done: str) -> str:
    """sha256 over names, types, shapes and bytes of contiguous tensors on the CPU, and the epochs done."""
    digest = hashlib.sha256(epochs_done.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name}\0{tensor.dtype}\0{list(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _resume(network: nn.Module, optimizer: torch.optim.SGD, folder: Path | None) -> int:
    """Loads the checkpoint, where there is a sound one; returns how many epochs are done."""
    if folder is None or not (folder / CHECKPOINT).is_file():
        return 0
    try:
        tensors, done = _read_checkpoint(folder / CHECKPOINT, network)
    except (safetensors.SafetensorError, KeyError, ValueError, TypeError, RuntimeError, OSError) as error:
        sentence = f"its checkpoint is damaged ({error}), training starts anew"
        warnings.warn(sentence, DamagedCheckpoint, stacklevel=2)
        return 0
    network.load_state_dict({name: tensors[f"network.{name}"] for name in network.state_dict()})
    for name, parameter in network.named_parameters():
        if f"momentum.{name}" in tensors:
            # In the parameter's memory format: torch's fused step on a CPU goes through both in memory's order.
            momentum = torch.empty_like(parameter, requires_grad=False).copy_(tensors[f"momentum.{name}"])
            optimizer.state[parameter]["momentum_buffer"] = momentum
    return done


def _read_checkpoint(path: Path, network: nn.Module) -> tuple[dict[str, Tensor], int]:
    """A checkpoint's tensors and its epochs done; ValueError where they are not as written or of another network."""
    with safetensors.safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        metadata = file.metadata()
    if metadata["sha256"] != _digest(tensors, metadata["epochs_done"]):
        raise ValueError("its tensors are not as they were written")
    for name, tensor in network.state_dict().items():
        if tensors[f"network.{name}"].shape != tensor.shape:
            raise ValueError(f"{name} has another shape")
    return tensors, int(metadata["epochs_done"])


@torch.no_grad()
def predict(
    network: nn.Module, images: Images, normalization: Normalization, device: str = "cpu", batch_size: int = 256
) -> NDArray[np.float32]:
    """Logits of a network in eval mode, always in fp32.

    Args:
        network: From normalized images to logits.
        images: ``uint8 [N, H, W, 3]``.
        normalization: The dataset's mean and standard deviation.
        device: Where the network is.
        batch_size: Images at once.

    Returns:
        ``float32 [N, classes]``.

    Raises:
        ContractError: The network gives something else, or values that are not finite.
    """
    pixels = tensor_of(images)
    outputs = []
    for part in pixels.split(batch_size):
        logits = network(normalize(part.to(device), normalization))
        if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(part):
            shape = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ContractError(
                f"the classifier gave {shape} for {len(part)} images, not logits [{len(part)}, classes]"
            )
        outputs.append(logits.float().cpu().numpy())
    whole = np.concatenate(outputs)
    if not np.isfinite(whole).all():
        raise ContractError("the classifier gave logits that are not finite")
    return whole
