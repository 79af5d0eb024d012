"""CQFormer's network: the annotation branch, the palette branch, and the test-time pass over 8-bit images."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.contracts import Images, Palettized
from harness.learning import freeze, tensor_of
from methods.colorcnn import equations
from methods.cqformer.unext import SCALE, UNeXt

HEADS = 4
_PIXELS_AT_A_TIME = {"cpu": 2**16, "cuda": 2**20}
"""By kind of device."""


class PaletteBranch(nn.Module):
    """``[B, 3, H, W]``, 0 to 1 -> C colors ``[B, C, 3]``, 0 to 1.

    Two convolutions make tokens of patches four pixels apart, a depth-wise convolution tells their positions, and C
    learned queries attend to them. Neither the queries nor the tokens are added to what attention gives, as in the
    authors' figure.
    """

    def __init__(self, channels: int, colors: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(
            nn.Conv2d(3, channels // 2, 3, stride=2, padding=1),
            nn.BatchNorm2d(channels // 2),
            nn.GELU(),
            nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1),
            nn.BatchNorm2d(channels),
        )
        self.position = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.queries = nn.Parameter(torch.randn(colors, channels))
        self.key = nn.Linear(channels, channels, bias=False)
        self.value = nn.Linear(channels, channels, bias=False)
        self.project = nn.Linear(channels, channels)
        self.mlp = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, 4 * channels),
            nn.GELU(),
            nn.Linear(4 * channels, channels),
        )
        self.color = nn.Sequential(nn.Linear(channels, channels), nn.GELU(), nn.Linear(channels, 3))
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.colors(self.attend(self.patches(x).flatten(2).mT)[0])

    def patches(self, x: Tensor) -> Tensor:
        """Embedded patches with their positions: ``[B, 3, H, W]`` -> ``[B, K, H / 4, W / 4]``, rounded up."""
        embedded = self.embed(x)
        return embedded + self.position(embedded)

    def attend(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Attention of the queries to ``[B, N, K]``: what each head found, ``[B, heads, C, K / heads]``, and the log of
        the sum of exponentials by which it divided, ``[B, heads, C, 1]``."""
        normed = self.norm(tokens)
        keys, values = (linear(normed).unflatten(2, (HEADS, -1)).transpose(1, 2) for linear in (self.key, self.value))
        queries = self.queries.unflatten(1, (HEADS, -1)).transpose(0, 1)
        logits = (queries @ keys.mT) / math.sqrt(queries.shape[2])
        return logits.softmax(dim=3) @ values, logits.logsumexp(dim=3, keepdim=True)

    def colors(self, found: Tensor) -> Tensor:
        """The palette ``[B, C, 3]`` of what the heads found, ``[B, heads, C, K / heads]``."""
        queries = self.project(found.transpose(1, 2).flatten(2))
        return self.color(queries + self.mlp(queries)).sigmoid()


class CQFormer(nn.Module):
    """``[B, 3, H, W]``, 0 to 1 -> the annotation branch's probabilities ``[B, C, H, W]`` and a palette ``[B, C, 3]``.

    At width 16 both branches are as large as in the authors' code.
    """

    def __init__(self, width: int, colors: int) -> None:
        super().__init__()
        self.colors = colors
        self.annotation = UNeXt(width)
        self.head = nn.Conv2d(width, colors, 1)
        self.palette = PaletteBranch(16 * width, colors)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.probabilities(x), self.palette(x).float()

    def features(self, x: Tensor) -> Tensor:
        """The annotation branch's features ``[B, width, H, W]``. An image whose sides are no multiples of 32 is
        continued to the next ones by its last pixels."""
        height, width = x.shape[2:]
        below, right = -height % SCALE, -width % SCALE
        features: Tensor = self.annotation(F.pad(x, (0, right, 0, below), mode="replicate"))
        return features[:, :, :height, :width]

    def probabilities(self, x: Tensor) -> Tensor:
        return self.head(self.features(x)).float().softmax(dim=1)


def unit_images(pixels: Tensor) -> Tensor:
    """``uint8 [B, H, W, 3]`` as the network takes them: ``float32 [B, 3, H, W]``, 0 to 1, in channels-last memory."""
    return (pixels.float() / 255).permute(0, 3, 1, 2)


def restore(width: int, state: Mapping[str, Any]) -> CQFormer:
    """The frozen network of a ``state_dict``.

    Args:
        width: The annotation branch's channels at full resolution.
        state: Tensors or arrays by their names in the network; the head's weight tells how many colors there are.

    Returns:
        The network in eval mode, in channels-last memory on the CPU.

    Raises:
        KeyError: The state has no head.
        RuntimeError: Names or shapes are those of another network.
    """
    network = CQFormer(width, len(state["head.weight"]))
    network.load_state_dict({name: torch.as_tensor(value) for name, value in state.items()})
    freeze(network)
    return network.to(memory_format=torch.channels_last)


@torch.no_grad()
def palettize(network: CQFormer, images: Images, *, means: bool) -> Palettized:
    """The test-time pass: each pixel's most probable color, and the palette rounded to 8 bits.

    The annotation branch computes in fp32, the palette branch in fp64, so that no color is rounded otherwise in another
    batch.

    Args:
        network: In eval mode.
        images: ``uint8 [N, H, W, 3]``.
        means: The palette is Eq. 4 of ColorCNN, the mean of each color's pixels, instead of the palette branch's.

    Returns:
        Indices ``uint8 [N, H, W]`` and palettes ``uint8 [N, C, 3]``.
    """
    count, height, width, _ = images.shape
    indices = np.empty((count, height, width), np.uint8)
    palettes = np.empty((count, network.colors, 3), np.uint8)
    device, branch = network.head.weight.device, copy.deepcopy(network.palette).double()
    step = max(1, _PIXELS_AT_A_TIME[device.type] // (height * width))
    for start in range(0, count, step):
        part = slice(start, start + step)
        pixels = tensor_of(images[part]).to(device)
        x = unit_images(pixels)
        index = equations.index_map(network.probabilities(x))
        palette = equations.palette(pixels, index, network.colors) if means else 255 * branch(x.double())
        indices[part] = index.byte().cpu().numpy()
        palettes[part] = palette.round().byte().cpu().numpy()
    return Palettized(indices, palettes)
