"""The ColorCNN network: a backbone, a head of two 1x1 convolutions, and the test-time pass over 8-bit images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.contracts import Images, Normalization, Palettized
from harness.learning import freeze, normalize, tensor_of
from methods.colorcnn import equations
from methods.colorcnn.dncnn import dncnn
from methods.colorcnn.unet import UNet

_BACKBONES: dict[str, Callable[[int], nn.Module]] = {"unet": UNet, "dncnn": dncnn}
_PIXELS_AT_A_TIME = {"cpu": 2**16, "cuda": 2**18}
"""By kind of device; each takes some 4 kB at width 64."""
_MAPS_AT_A_TIME = 2**21
"""Pixels times the backbone's width, on a CPU, so that wide networks take no more memory than others."""


class ColorCNN(nn.Module):
    """``[B, 3, H, W]``, normalized -> the probability map m(x) ``[B, C, H, W]`` (Section 4.2).

    The normalization it was trained with is kept beside the weights, as buffers ``mean`` and ``std``.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: str, width: int, colors: int, normalization: Normalization) -> None:
        super().__init__()
        self.colors, self.width = colors, width
        self.backbone = _BACKBONES[backbone](width)
        self.head = nn.Sequential(
            nn.Conv2d(width, 4 * width, 1), nn.ReLU(inplace=True), nn.Conv2d(4 * width, colors, 1, bias=False)
        )
        self.register_buffer("mean", torch.tensor(normalization.mean))
        self.register_buffer("std", torch.tensor(normalization.std))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x)).float().softmax(dim=1)

    def at_each(self) -> Sequence[ColorCNN]:
        """Networks of the same weights, one for each color count that is trained: this one alone."""
        return (self,)

    @property
    def normalization(self) -> Normalization:
        mean, std = (tuple(buffer.tolist()) for buffer in (self.mean, self.std))
        return Normalization(mean, std)


def restore(backbone: str, width: int, state: Mapping[str, Any]) -> ColorCNN:
    """The frozen network of a ``state_dict``.

    Args:
        backbone: ``unet`` or ``dncnn``.
        width: The backbone's channels at full resolution.
        state: Tensors or arrays by their names in the network; the head's last weight tells how many colors there are.

    Returns:
        The network in eval mode, in channels-last memory on the CPU.

    Raises:
        KeyError: The state has no head.
        RuntimeError: Names or shapes are those of another network.
    """
    colors = len(state["head.2.weight"])
    network = ColorCNN(backbone, width, colors, Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)))
    network.load_state_dict({name: torch.as_tensor(value) for name, value in state.items()})
    freeze(network)
    return network.to(memory_format=torch.channels_last)


@torch.no_grad()
def palettize(network: ColorCNN, images: Images) -> Palettized:
    """The test-time pass, Eq. 3 and 4, with palettes rounded to 8 bits; Eq. 5 is ``Palettized.render``.

    Always fp32. As many images at once as have 2^18 pixels together, on a CPU 2^16 (of a wide network 2^21 through its
    width), at least one.

    Args:
        network: In eval mode.
        images: ``uint8 [N, H, W, 3]``.

    Returns:
        Indices ``uint8 [N, H, W]`` and palettes ``uint8 [N, C, 3]``.
    """
    count, height, width, _ = images.shape
    indices = np.empty((count, height, width), np.uint8)
    palettes = np.empty((count, network.colors, 3), np.uint8)
    step = max(1, _pixels_at_a_time(network) // (height * width))
    for start in range(0, count, step):
        part = slice(start, start + step)
        pixels = tensor_of(images[part]).to(network.mean.device)
        index = equations.index_map(network(normalize(pixels, network.normalization)))
        indices[part] = index.byte().cpu().numpy()
        palettes[part] = equations.palette(pixels, index, network.colors).round().byte().cpu().numpy()
    return Palettized(indices, palettes)


def _pixels_at_a_time(network: ColorCNN) -> int:
    device = network.mean.device.type
    most = _PIXELS_AT_A_TIME[device]
    return min(most, _MAPS_AT_A_TIME // network.width) if device == "cpu" else most
