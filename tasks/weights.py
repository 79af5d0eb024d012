"""A user's own trained weights: a safetensors file whose names and shapes are those of the network's ``state_dict``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import safetensors

from harness.contracts import BadInput

if TYPE_CHECKING:
    from torch import nn


def check_weights(file: str) -> None:
    """BadInput where there is no such file or it is not a whole safetensors file."""
    path = Path(file).expanduser()
    if not path.is_file():
        raise BadInput(f"weights: there is no file {file}.")
    try:
        with safetensors.safe_open(path, framework="numpy"):
            pass
    except (safetensors.SafetensorError, OSError) as error:
        raise BadInput(f"weights: {file} is not a safetensors file ({error}).") from None


def digest_of_weights(file: str) -> str:
    """sha256 of the file's content."""
    with Path(file).expanduser().open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def load_weights(network: nn.Module, file: str) -> None:
    """Copies the file's tensors into the network; BadInput names the first tensor that does not fit."""
    from safetensors.torch import load_file

    check_weights(file)
    wanted = network.state_dict()
    found = load_file(Path(file).expanduser())
    for name, tensor in wanted.items():
        if name not in found:
            raise BadInput(f"weights: {file} lacks the tensor {name!r} {list(tensor.shape)} of this network.")
        if found[name].shape != tensor.shape:
            raise BadInput(
                f"weights: {name!r} in {file} is {list(found[name].shape)}, this network needs {list(tensor.shape)}."
            )
    for name in found:
        if name not in wanted:
            raise BadInput(f"weights: {file} holds a tensor {name!r} that this network does not have.")
    network.load_state_dict(found)
