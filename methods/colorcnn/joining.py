"""The convolution of a U-Net's joined maps: the skip's, and those from below interpolated to its size."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from methods.colorcnn.convolving import convolve, convolved, form_of, gradients_of
from methods.colorcnn.winograd import is_transformed

_TAPS = 3
"""Of a kernel's side."""
_LARGEST_SIDE = 64


def convolve_joined(convolution: nn.Conv2d, skip: Tensor, below: Tensor) -> Tensor:
    """``convolution(cat(skip, risen))``, differentiable once: ``[B, N, H, W]``, keeping no maps but its inputs.

    skip: ``[B, K, H, W]``; below: ``[B, L, h, w]``, which risen is to ``[B, L, H, W]`` bilinearly (``align_corners``).
    The convolution is 3x3, padded by 1, without bias. Maps in bf16 on a CPU are convolved apart where they are at most
    64 pixels wide and high: the same up to rounding, up to a third faster.
    """
    side = max(skip.shape[2:])
    if skip.dtype == torch.bfloat16 and skip.device.type == "cpu" and side <= _LARGEST_SIDE:
        return convolve_apart(convolution, skip, below)
    return convolve(convolution, _join, skip, below)


def _join(skip: Tensor, below: Tensor, again: bool = False) -> Tensor:
    risen = F.interpolate(below, skip.shape[2:], mode="bilinear", align_corners=True)
    if again:
        for part in (skip, risen):
            if part.requires_grad:
                part.register_hook(_dense)
    return torch.cat((skip, risen), dim=1)


def _dense(gradient: Tensor) -> Tensor:
    """A slice of the joined maps' gradient in memory of its own: interpolation's backward pass is ten times as fast."""
    return gradient.contiguous(memory_format=torch.channels_last)


def convolve_apart(convolution: nn.Conv2d, skip: Tensor, below: Tensor) -> Tensor:
    """As ``convolve_joined``, from the skip's maps and those from below each by themselves.

    Interpolating and weighing channels are linear and commute. So each of the kernel's nine taps weighs the channels
    of the maps from below as they are, with a quarter of their risen pixels; what comes out is interpolated, moved to
    where its tap looks from and added up, by a matrix for columns and one for rows.
    """
    made: Tensor = _Apart.apply(convolution, convolution.weight, skip, below)
    return made


class _Apart(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, convolution: nn.Conv2d, weight: Tensor, skip: Tensor, below: Tensor) -> Tensor:
        ctx.convolution = convolution
        of_skip, of_below = _parts(weight.to(skip.dtype), skip)
        form = form_of(convolution, of_skip, skip)
        ctx.save_for_backward(weight, form if is_transformed(form) else None, skip, below)
        (batch, _, height, width), (*_, low, narrow) = skip.shape, below.shape
        rows, columns = _rises(low, height, skip.dtype, skip.device), _rises(narrow, width, skip.dtype, skip.device)
        tapped = _pixels(below) @ of_below.T  # [B h w, (kx ky N)]
        wide = columns @ tapped.view(batch * low, narrow * _TAPS, -1)  # [B h, W, (ky N)]
        wide = wide.view(batch, low, width, _TAPS, -1).transpose(2, 3).reshape(batch, low * _TAPS, -1)
        made = convolved(convolution, form, skip).permute(0, 2, 3, 1)
        whole = torch.baddbmm(made.flatten(2), rows.expand(batch, -1, -1), wide)
        return whole.view(made.shape).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weight, transformed, skip, below = ctx.saved_tensors
        of_skip, of_below = _parts(weight.to(skip.dtype), skip)
        form = of_skip if transformed is None else transformed
        (batch, _, height, width), (*_, low, narrow) = skip.shape, below.shape
        for_skip, for_its_part, _ = gradients_of(ctx.convolution, form, skip, gradient, (True, True, False))

        rows, columns = _rises(low, height, skip.dtype, skip.device), _rises(narrow, width, skip.dtype, skip.device)
        whole = gradient.permute(0, 2, 3, 1).flatten(2)  # [B, H, (W N)]
        wide = rows.T @ whole
        wide = wide.view(batch, low, _TAPS, width, -1).transpose(2, 3).reshape(batch * low, width, -1)
        tapped = (columns.T @ wide).view(batch * low * narrow, -1)
        for_below = (tapped @ of_below).view(batch, low, narrow, -1).permute(0, 3, 1, 2)
        for_its_taps = tapped.T @ _pixels(below)  # [(kx ky N), L]

        assert for_its_part is not None
        for_weight = torch.empty_like(weight)
        for_weight[:, : skip.shape[1]] = for_its_part
        for_weight[:, skip.shape[1] :] = for_its_taps.view(_TAPS, _TAPS, len(weight), -1).permute(2, 3, 1, 0)
        return None, for_weight, for_skip, for_below


def _parts(weight: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
    """The skip's part of a weight ``[N, K + L, 3, 3]``, and that of the maps from below as ``[(kx ky N), L]``."""
    of_skip, of_below = weight.tensor_split((skip.shape[1],), dim=1)
    return of_skip, of_below.permute(3, 2, 0, 1).flatten(0, 2)


def _pixels(maps: Tensor) -> Tensor:
    """``[B, L, h, w]`` as ``[B h w, L]``."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


@cache
def _rises(small: int, large: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """``[large, (small tap)]``: bilinear interpolation along a side, seen by each of a kernel's taps, zero beyond."""
    ones = torch.eye(small, dtype=torch.float64, device=device)[None]
    risen = F.interpolate(ones, large, mode="linear", align_corners=True)[0]  # [small, large]
    return F.pad(risen, (1, 1)).unfold(1, large, 1).permute(2, 0, 1).flatten(1).to(dtype)
