"""The anchored quantizer's test-time pass as one module from pixels to indices and palettes, for ONNX."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from methods.anchored.network import AnchoredNetwork
from methods.colorcnn import export


class PixelsToPalettes(export.PixelsToPalettes):
    """``uint8 [N, H, W, 3]`` -> M(x) ``uint8 [N, H, W]`` and palettes ``uint8 [N, C, 3]``, corrected where learned.

    As ``colorcnn.export``, clustering inside: of all pixels, however large the image is.
    """

    network: AnchoredNetwork

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        indices, palettes = super().forward(pixels)
        shares = F.one_hot(indices.flatten(1).long(), self.network.colors).float().mean(dim=1)
        return indices, self.network.corrected(palettes, shares)
