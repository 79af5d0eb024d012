"""ColorCNN's test-time pass as one module from pixels to indices and palettes, in operations that ONNX has."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from methods.colorcnn import equations
from methods.colorcnn.network import ColorCNN


class PixelsToPalettes(nn.Module):
    """``uint8 [N, H, W, 3]`` -> M(x) ``uint8 [N, H, W]`` (Eq. 3) and T(x) ``uint8 [N, C, 3]`` (Eq. 4), rounded.

    The same as ``network.palettize`` for images of any size, in one piece and with normalization inside.
    """

    def __init__(self, network: ColorCNN) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        net = self.network
        x = ((pixels.float() / 255 - net.mean) / net.std).permute(0, 3, 1, 2)
        indices = equations.index_map(net(x))
        return indices.byte(), _palettes(pixels, indices, net.colors).byte()


def _palettes(pixels: Tensor, indices: Tensor, colors: int) -> Tensor:
    """Eq. 4, rounded, ``float64 [N, C, 3]``; by ``scatter_add``, which ONNX has for whole numbers of any count."""
    batch, slots = pixels.shape[0], indices.flatten(1)[:, :, None].expand(-1, -1, 3)
    nothing = torch.zeros(batch, colors, 3, dtype=torch.int64, device=pixels.device)
    sums = nothing.scatter_add(1, slots, pixels.flatten(1, 2).long())
    counts = nothing.scatter_add(1, slots, torch.ones_like(slots))
    return (sums.double() / counts.clamp_min(1)).round()
