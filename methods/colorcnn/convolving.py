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
        maps = prepared.detach().to(precision)
        by_product = weight_asked and _better_by_product(layer, gradient)
        of_prepared, of_weight, of_bias = torch.ops.aten.convolution_backward(
            gradient,
            maps,
            weight.to(precision),
            [len(weight)],
            layer.stride,
            layer.padding,
            layer.dilation,
            False,
            [0, 0],
            layer.groups,
            [any(asked), weight_asked and not by_product, bias_asked],
        )
        if by_product:
            of_weight = _weight_gradient(layer, maps, gradient)
        if any(asked):
            prepared.backward(of_prepared)
        of_parameters = (None if part is None else part.to(weight.dtype) for part in (of_weight, of_bias))
        return None, None, *of_parameters, *(tensor.grad for tensor in given)


_FEW_PIXELS = 16


def _better_by_product(layer: nn.Conv2d, gradient: Tensor) -> bool:
    """Whether oneDNN's gradient of the weights takes longer than a matrix product: bf16 on a CPU, tiny maps."""
    few = gradient.shape[2] * gradient.shape[3] <= _FEW_PIXELS
    plain = layer.groups == 1 and layer.dilation == (1, 1)
    return few and plain and gradient.dtype == torch.bfloat16 and gradient.device.type == "cpu"


def _weight_gradient(layer: nn.Conv2d, maps: Tensor, gradient: Tensor) -> Tensor:
    """``[N, K, h, w]`` from the layer's input ``[B, K, H, W]`` and its output's gradient, over all pixels at once."""
    (height, width), (down, right) = layer.kernel_size, layer.stride
    above, beside = (int(side) for side in layer.padding)
    padded = F.pad(maps.permute(0, 2, 3, 1), (0, 0, beside, beside, above, above))
    windows = padded.unfold(1, height, down).unfold(2, width, right)  # [B, rows, columns, K, h, w]
    patches = windows.permute(0, 1, 2, 4, 5, 3).flatten(3).flatten(0, 2)
    product = gradient.permute(0, 2, 3, 1).flatten(0, 2).T @ patches
    return product.unflatten(1, (height, width, -1)).permute(0, 3, 1, 2)
