"""Frozen classifiers made cheaper to train through."""

from __future__ import annotations

import copy
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
    pass. The network itself where its ``forward`` cannot be traced, or the copy answers ``probe`` differently.
    """
    try:
        folded = fuse(network)
        with torch.no_grad():
            torch.testing.assert_close(folded(probe), network(probe), rtol=1e-3, atol=1e-4)
    except (AssertionError, AttributeError, RuntimeError, TypeError, ValueError):
        return network
    for name, layer in list(folded.named_modules()):
        if type(layer) is nn.Conv2d and isinstance(layer.weight, nn.Parameter):  # of no other kind, nothing computed
            folded.set_submodule(name, FrozenConvolution(layer))
    return folded


class FrozenConvolution(nn.Module):
    """A convolution that brings its weight only once into the form that maps in bf16 on a CPU ask for."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, maps: Tensor) -> Tensor:
        if winograd.pays(self.layer, self.layer.weight, maps):
            made: Tensor = _Frozen.apply(maps, self._transformed, self.layer.bias)
        elif maps.dtype == torch.bfloat16 and maps.device.type == "cpu":
            made = self._rounded(maps)
        else:
            made = self.layer(maps)
        return made

    @cached_property
    def _transformed(self) -> Tensor:
        return winograd.transform(self.layer.weight)

    @cached_property
    def _rounded(self) -> nn.Module:
        return copy.deepcopy(self.layer).bfloat16()


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
