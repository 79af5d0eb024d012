"""3x3 convolutions of small maps in Winograd's form, F(2x2, 3x3) of Lavin & Gray (CVPR 2016, Section 4.1).

A tile of 2x2 outputs is A'[(G w G') * (B' d B)]A of the kernel w and of the 4x4 inputs d that it sees: 16 products for
each pair of channels, where the plain form takes 36. For all channels, tiles and images these are 16 products of
matrices. A and B hold 0, 1 and -1 alone.

Maps are ``bfloat16 [B, K, H, W]`` in channels-last memory, H and W even; they are padded by 1. Weights are
``[N, K, 3, 3]``. Tiles are ``[16, H / 2 * W / 2 * B, K]``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

_FEWEST_CHANNELS = 256
_LARGEST_SIDE = 16
_FEW_PIXELS = 16
"""With no more, a transform of tiles is fastest as one matrix product."""


def pays(layer: nn.Conv2d, weight: Tensor, maps: Tensor) -> bool:
    """Whether this form exists for a layer's weight, or a part of it, and takes less time: bf16 on a CPU."""
    geometry = (layer.kernel_size, layer.stride, layer.padding, layer.padding_mode, layer.dilation, layer.groups)
    return (
        maps.dtype == torch.bfloat16
        and maps.dim() == 4
        and len(maps) > 0
        and maps.device.type == "cpu"
        and geometry == ((3, 3), (1, 1), (1, 1), "zeros", (1, 1), 1)
        and min(weight.shape[:2]) >= _FEWEST_CHANNELS
        and all(side % 2 == 0 and side <= _LARGEST_SIDE for side in maps.shape[2:])
    )


def transform(weight: Tensor) -> Tensor:
    """G w G' of each kernel: ``bfloat16 [16, N, K]``."""
    taps = torch.empty(3, 3, *weight.shape[:2], dtype=torch.bfloat16)
    taps.copy_(weight.permute(2, 3, 0, 1))
    return (_of_kernels() @ taps.view(9, -1)).view(16, *weight.shape[:2])


def is_transformed(form: Tensor) -> bool:
    """Whether that is what ``transform`` made of a weight, which has four dimensions itself."""
    return form.dim() == 3


def convolve(maps: Tensor, transformed: Tensor) -> Tensor:
    """The maps' convolution with the weight that was transformed: ``[B, N, H, W]``."""
    return _MADE.maps(torch.bmm(_SEEN.tiles(maps), transformed.mT), maps)


def gradient_of_maps(gradient: Tensor, transformed: Tensor) -> Tensor:
    """``[B, K, H, W]`` from that of the convolution ``[B, N, H, W]``."""
    return _SEEN.maps(torch.bmm(_MADE.tiles(gradient), transformed), gradient)


def gradients(gradient: Tensor, maps: Tensor, transformed: Tensor) -> tuple[Tensor, Tensor]:
    """Of the maps and, as ``float32 [N, K, 3, 3]``, of the weight before it was transformed."""
    tiles = _MADE.tiles(gradient)
    of_maps = _SEEN.maps(torch.bmm(tiles, transformed), gradient)
    of_transformed = torch.bmm(tiles.mT, _SEEN.tiles(maps))
    outputs, inputs = of_transformed.shape[1:]
    of_taps = (_of_kernels().T @ of_transformed.flatten(1)).view(3, 3, outputs, inputs)
    of_weight = torch.empty(outputs, 3, 3, inputs)
    of_weight.copy_(of_taps.permute(2, 0, 1, 3))
    return of_maps, of_weight.permute(0, 3, 1, 2)


@cache
def _of_kernels() -> Tensor:
    """G . G' of a kernel's nine taps: ``[16, 9]``."""
    g = torch.tensor(((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0)))
    return torch.kron(g, g).bfloat16()


@dataclass(frozen=True)
class _Transform:
    """A linear map from maps to tiles and its adjoint, from tiles to maps, each given by what it does along a side.

    along: pixels ``[S, ...]`` into tiles ``[4, S / 2, ...]``; adjoint: tiles into pixels.
    """

    along: Callable[[Tensor, Tensor], None]
    adjoint: Callable[[Tensor, Tensor], None]

    def tiles(self, maps: Tensor) -> Tensor:
        pixels = maps.permute(2, 3, 0, 1).contiguous()
        height, width, batch, channels = pixels.shape
        if height * width <= _FEW_PIXELS:
            made = self.matrix(height, width) @ pixels.view(height * width, -1)
        else:
            made = self._along_both(pixels)
        return made.view(16, height * width * batch // 4, channels)

    def maps(self, tiles: Tensor, like: Tensor) -> Tensor:
        """like: maps of the same B, H and W."""
        batch, _, height, width = like.shape
        if height * width <= _FEW_PIXELS:
            pixels = self.matrix(height, width).T @ tiles.view(4 * height * width, -1)
        else:
            pixels = self._adjoint_along_both(tiles.view(4, 4, height // 2, width // 2, batch, -1))
        pixels = pixels.view(height, width, batch, -1).permute(2, 3, 0, 1)
        return torch.empty_like(pixels, memory_format=torch.channels_last).copy_(pixels)  # contiguous() may be a view

    @cache  # noqa: B019 - there are two of this class
    def matrix(self, height: int, width: int) -> Tensor:
        """``[4 H W, H W]``, of all pixels at once."""
        ones = torch.eye(height * width, dtype=torch.bfloat16).view(height, width, -1)
        return self._along_both(ones).view(4 * height * width, -1)

    def _along_both(self, pixels: Tensor) -> Tensor:
        height, width, *others = pixels.shape
        rows = pixels.new_empty(4, height // 2, width, *others)
        self.along(pixels, rows)
        tiles = pixels.new_empty(4, 4, height // 2, width // 2, *others)
        self.along(rows.movedim(2, 0), tiles.movedim((1, 3), (0, 1)))
        return tiles

    def _adjoint_along_both(self, tiles: Tensor) -> Tensor:
        _, _, low, narrow, *others = tiles.shape
        rows = tiles.new_empty(4, low, 2 * narrow, *others)
        self.adjoint(tiles.movedim((1, 3), (0, 1)), rows.movedim(2, 0))
        pixels = tiles.new_empty(2 * low, 2 * narrow, *others)
        self.adjoint(rows, pixels)
        return pixels


def _seen(pixels: Tensor, tiles: Tensor) -> None:
    """B' d, of the four inputs that a tile sees: its own two, the one before and the one after them."""
    even, odd = pixels[0::2], pixels[1::2]
    torch.neg(odd[0], out=tiles[0, 0])
    torch.sub(odd[:-1], odd[1:], out=tiles[0, 1:])
    torch.add(even, odd, out=tiles[1])
    torch.sub(odd, even, out=tiles[2])
    torch.sub(even[:-1], even[1:], out=tiles[3, :-1])
    tiles[3, -1] = even[-1]


def _seen_adjoint(tiles: Tensor, pixels: Tensor) -> None:
    even, odd = pixels[0::2], pixels[1::2]
    torch.sub(tiles[1], tiles[2], out=even).add_(tiles[3])
    even[1:] -= tiles[3, :-1]
    torch.add(tiles[1], tiles[2], out=odd).sub_(tiles[0])
    odd[:-1] += tiles[0, 1:]


def _made(pixels: Tensor, tiles: Tensor) -> None:
    even, odd = pixels[0::2], pixels[1::2]
    tiles[0] = even
    torch.add(even, odd, out=tiles[1])
    torch.sub(even, odd, out=tiles[2])
    torch.neg(odd, out=tiles[3])


def _made_adjoint(tiles: Tensor, pixels: Tensor) -> None:
    """A' of a tile's four products: its two outputs."""
    torch.add(tiles[0], tiles[1], out=pixels[0::2]).add_(tiles[2])
    torch.sub(tiles[1], tiles[2], out=pixels[1::2]).sub_(tiles[3])


_SEEN, _MADE = _Transform(_seen, _seen_adjoint), _Transform(_made, _made_adjoint)
