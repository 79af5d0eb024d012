"""Frozen classifiers made cheaper to train through."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.fx.experimental.optimization import fuse

from methods.colorcnn import winograd


def fold(network: nn.Module, probe: Tensor) -> nn.Module:
    """A frozen network's copy with each batch normalization folded into the convolution before it.

    In eval mode that is the same function up to rounding, and no map has to be kept for the normalization's backward
    pass. Convolutions are ``FrozenConvolution`` in it, which round more in bf16 on a CPU. The network itself where its
    ``forward`` cannot be traced, or the copy answers ``probe`` differently.
    """
    try:
        folded = fuse(network)
        for layer in folded.modules():
            # A subclass may compute something else; a weight that is no parameter is computed anew in each pass.
            if type(layer) is nn.Conv2d and isinstance(layer.weight, nn.Parameter):
                layer.__class__ = FrozenConvolution
        with torch.no_grad():
            torch.testing.assert_close(folded(probe), network(probe), rtol=1e-3, atol=1e-4)
    except (AssertionError, AttributeError, RuntimeError, TypeError, ValueError):
        return network
    return folded


class FrozenConvolution(nn.Conv2d):
    """A convolution whose weight never changes: where Winograd's form pays, it is brought into it once."""

    def forward(self, input: Tensor) -> Tensor:
        if not winograd.pays(self, self.weight, input):
            return super().forward(input)
        made: Tensor = _Frozen.apply(input, self._transformed, self.bias)
        return made

    @cached_property
    def _transformed(self) -> Tensor:
        with torch.inference_mode(False), torch.no_grad():
            return winograd.transform(self.weight)


class _Frozen(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, transformed: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(transformed)
        made = winograd.convolve(maps, transformed)
        return made if bias is None else made.add_(bias.to(made.dtype)[:, None, None])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (transformed,) = ctx.saved_tensors
        return winograd.gradient_of_maps(gradient, transformed), None, None
