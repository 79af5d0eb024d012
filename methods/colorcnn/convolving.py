"""Convolutions that keep less for the backward pass than autograd would.

What a convolution gets is often cheap to compute from what is kept anyway: a normalized and rectified map from the map
before it, a joined one from its parts. Such an input is the largest thing a training keeps; here it is computed again
when its gradient is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

Prepare = Callable[..., Tensor]
"""Called with tensors, and with ``again=True`` the second time."""


class Convolutions(nn.ModuleList):
    """A stack of convolutions, batch normalizations and ReLUs that begins with a convolution.

    Holds and computes what ``nn.Sequential`` does with the same layers. Of a normalization and its ReLU before
    a convolution only what went into them is kept. Raises ValueError where no ReLU follows a normalization.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        if any(isinstance(a, nn.BatchNorm2d) and not isinstance(b, nn.ReLU) for a, b in pairwise([*layers, None])):
            raise ValueError("a batch normalization is followed by a ReLU here")
        super().__init__(layers)

    def forward(self, *inputs: Tensor, prepare: Prepare | None = None) -> Tensor:
        """``[B, K, H, W]`` through all layers: ``prepare(*inputs)``, or else the only input."""
        for layer in self:
            if isinstance(layer, nn.BatchNorm2d):
                prepare, inputs = _Activation(layer, layer.training), (*inputs, layer.weight, layer.bias)
            elif prepare is None:
                inputs = (layer(*inputs),)
            elif isinstance(layer, nn.Conv2d):
                inputs, prepare = (convolve(layer, prepare, *inputs),), None
        return inputs[0] if prepare is None else prepare(*inputs)


@dataclass(frozen=True)
class _Activation:
    """ReLU of a batch normalization, whose weight and bias are given with its input."""

    norm: nn.BatchNorm2d
    training: bool

    def __call__(self, maps: Tensor, weight: Tensor, bias: Tensor, again: bool = False) -> Tensor:
        norm = self.norm
        if again and self.training:  # the running statistics have seen these maps
            return F.batch_norm(maps, None, None, weight, bias, training=True, eps=norm.eps).relu_()
        if again:
            return F.batch_norm(maps, norm.running_mean, norm.running_var, weight, bias, eps=norm.eps).relu_()
        return F.relu_(norm(maps))


def convolve(convolution: nn.Conv2d, prepare: Prepare, *inputs: Tensor) -> Tensor:
    """``convolution(prepare(*inputs))``, differentiable once; keeps the inputs and not what they are prepared to.

    The convolution's padding is with zeros, stated in numbers.
    """
    if not torch.is_grad_enabled():
        return convolution(prepare(*inputs))
    made: Tensor = _Convolution.apply(convolution, prepare, convolution.weight, convolution.bias, *inputs)
    return made


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, convolution: nn.Conv2d, prepare: Prepare, weight: Tensor, _bias: Tensor | None, *inputs: Tensor
    ) -> Tensor:
        ctx.convolution, ctx.prepare = convolution, prepare
        ctx.save_for_backward(weight, *inputs)
        return convolution(prepare(*inputs))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weight, *inputs = ctx.saved_tensors
        _, _, weight_asked, bias_asked, *asked = ctx.needs_input_grad
        with torch.enable_grad():
            given = [tensor.detach().requires_grad_(wanted) for tensor, wanted in zip(inputs, asked, strict=True)]
            prepared = ctx.prepare(*given, again=True)
        layer, precision = ctx.convolution, gradient.dtype
        of_prepared, of_weight, of_bias = torch.ops.aten.convolution_backward(
            gradient,
            prepared.detach().to(precision),
            weight.to(precision),
            [len(weight)],
            layer.stride,
            layer.padding,
            layer.dilation,
            False,
            [0, 0],
            layer.groups,
            [any(asked), weight_asked, bias_asked],
        )
        if any(asked):
            prepared.backward(of_prepared)
        of_parameters = (None if part is None else part.to(weight.dtype) for part in (of_weight, of_bias))
        return None, None, *of_parameters, *(tensor.grad for tensor in given)
