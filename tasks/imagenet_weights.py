"""Weights as torchvision and timm publish them: tensors by name, in a ``.pth`` or safetensors file."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import safetensors

from harness.contracts import BadInput

if TYPE_CHECKING:
    from torch import Tensor, nn


def read_state(file: str) -> dict[str, Tensor]:
    """Reads a file of weights; a ``.pth`` file, which is a pickle, with nothing in it executed but tensors made.

    Args:
        file: Safetensors by its suffix ``.safetensors``, else what ``torch.save(network.state_dict(), file)`` writes.

    Returns:
        Tensors on the CPU by name.

    Raises:
        BadInput: There is no such file, or it holds something else.
    """
    import torch
    from safetensors.torch import load_file

    path = Path(file).expanduser()
    if not path.is_file():
        raise BadInput(f"weights: there is no file {file}.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (safetensors.SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError):
        raise BadInput(
            f"weights: {file} cannot be read; it must be a safetensors file, or a .pth file of tensors alone."
        ) from None
    if not isinstance(state, Mapping) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise BadInput(
            f"weights: {file} holds something other than tensors by name; it must be what "
            "torch.save(network.state_dict(), file) writes."
        )
    return dict(state)


def classes_in(state: Mapping[str, Tensor], head: str, file: str) -> int:
    """Looks up how many classes weights tell apart.

    Args:
        state: Tensors by name.
        head: The name of the last layer.
        file: Where they are from, for the message.

    Returns:
        The number of rows of the last layer.

    Raises:
        BadInput: They have no such layer.
    """
    weight = state.get(f"{head}.weight")
    if weight is None or weight.ndim != 2:
        raise BadInput(f"weights: {file} lacks the last layer of this network, '{head}.weight'.")
    return len(weight)


def only_outputs(state: Mapping[str, Tensor], head: str, outputs: Sequence[int], file: str) -> dict[str, Tensor]:
    """Keeps some classes of a network's last layer and leaves the others out.

    Args:
        state: Tensors by name.
        head: The name of the last layer.
        outputs: Which of its outputs, in the order wanted.
        file: Where they are from, for the message.

    Returns:
        The same tensors, but with so many rows in the last layer.

    Raises:
        BadInput: The layer is missing or has fewer outputs.
    """
    classes = classes_in(state, head, file)
    for output in outputs:
        if output >= classes:
            raise BadInput(f"outputs: there is no {output}, {file} has {classes} outputs, 0 to {classes - 1}.")
    chosen = {name: state[name][list(outputs)] for name in (f"{head}.weight", f"{head}.bias") if name in state}
    return {**state, **chosen}


def load_state(network: nn.Module, state: Mapping[str, Tensor], file: str, new: str | None = None) -> None:
    """Copies weights into a network, by the network's own rules for names of older versions.

    Args:
        network: It is changed in place. On the device ``meta`` it takes the tensors themselves.
        state: Tensors by name.
        file: Where they are from, for the message.
        new: The name of a layer that keeps what the network has and is not taken from the file.

    Raises:
        BadInput: A tensor is missing, has another shape, or belongs to another network; the first is named.
    """
    wanted = network.state_dict()
    taken = {name: tensor for name, tensor in state.items() if new is None or not name.startswith(f"{new}.")}
    for name, tensor in taken.items():
        if name in wanted and tensor.shape != wanted[name].shape:
            needed = list(wanted[name].shape)
            raise BadInput(f"weights: {name!r} in {file} is {list(tensor.shape)}, this network needs {needed}.")
    try:
        found = network.load_state_dict(taken, strict=False, assign=any(each.is_meta for each in wanted.values()))
    except RuntimeError:
        raise BadInput(f"weights: {file} holds the weights of another network.") from None
    for name in found.missing_keys:
        if new is None or not name.startswith(f"{new}."):
            shape = list(wanted[name].shape)
            raise BadInput(f"weights: {file} lacks the tensor {name!r} {shape} of this network.")
    for name in found.unexpected_keys:
        raise BadInput(f"weights: {file} holds a tensor {name!r} that this network does not have.")
