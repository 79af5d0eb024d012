"""Networks of timm, and whether class activation maps can be made of them."""

from __future__ import annotations

from typing import Any

import torch
from timm import create_model
from torch import Tensor, nn

from harness.contracts import BadInput
from tasks.imagenet_networks import OwnNormalization, wrapped


def timm_network(name: str, head: str, classes: int) -> OwnNormalization:
    """Makes an untrained network.

    Args:
        name: Timm's name.
        head: The name of its last layer.
        classes: How many classes it tells apart.

    Returns:
        The network, which takes images as they come; with ``features`` where class activation maps can be made.

    Raises:
        BadInput: Its last layer is not linear.
    """
    network = create_model(name, pretrained=False, num_classes=classes)
    if not isinstance(network.get_submodule(head), nn.Linear):
        raise BadInput(f"network: the last layer of {name}, {head!r}, is not linear.")
    return wrapped(network, head, _maps if _pools_maps(network, head) else None)


def _maps(network: Any, images: Tensor) -> Tensor:
    """The last feature maps of a network of timm: ``[B, F, h, w]``."""
    maps: Tensor = network.forward_features(images)
    return maps


def _pools_maps(network: Any, head: str) -> bool:
    """Whether a network's last layer is given the mean of its last feature maps, by what comes of random ones."""
    maps = torch.randn(2, network.num_features, 2, 3, generator=torch.Generator().manual_seed(0))
    mode = network.training
    network.eval()
    try:
        with torch.no_grad():
            found, wanted = network.forward_head(maps), network.get_submodule(head)(maps.mean((2, 3)))
        return found.shape == wanted.shape and torch.allclose(found, wanted, rtol=1e-4, atol=1e-5)
    except (RuntimeError, ValueError, IndexError, TypeError, AssertionError):
        return False
    finally:
        network.train(mode)
