"""CQFormer's test-time pass as one module from pixels to indices and palettes, in operations that ONNX has."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from methods.colorcnn.equations import index_map
from methods.cqformer.network import CQFormer, unit_images


class PixelsToPalettes(nn.Module):
    """``uint8 [N, H, W, 3]`` -> indices ``uint8 [N, H, W]`` and palettes ``uint8 [N, C, 3]``, rounded.

    The same as ``network.palettize`` for images of any size, in one piece and all in fp32, so that a palette's value
    may be rounded otherwise.
    """

    def __init__(self, network: CQFormer, *, means: bool) -> None:
        super().__init__()
        self.network, self.means = network, means

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        net, x = self.network, unit_images(pixels)
        indices = index_map(net.probabilities(x))
        palettes = _means(pixels, indices, net.colors) if self.means else 255 * net.palette(x)
        return indices.byte(), palettes.round().byte()


def _means(pixels: Tensor, indices: Tensor, colors: int) -> Tensor:
    """Eq. 4 of ColorCNN, ``float64 [N, C, 3]``; the sums are of whole numbers, hence exact."""
    members = F.one_hot(indices.flatten(1), colors).double().mT
    return (members @ pixels.flatten(1, 2).double()) / members.sum(dim=2, keepdim=True).clamp_min(1)
