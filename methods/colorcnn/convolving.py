"""Convolutions that keep less for the backward pass than autograd would.

What a convolution gets is often cheap to compute from what is kept anyway: a normalized and rectified map from the map
before it, a joined one from its parts. Such an input is the largest thing a training keeps; here it is computed again
when its gradient is asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from methods.colorcnn import winograd

Prepare = Callable[..., Tensor]
"""Called with tensors, and with ``again=True`` the second time."""


class Convolutions(nn.ModuleList):
    """A stack of convolutions, batch normalizations and ReLUs that begins with a convolution.

    Holds and computes what ``nn.Sequential`` does with the same layers. Of a normalization and its ReLU before
    a convolution only what went into them is kept. Raises ValueError where no ReLU follows a normalization.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        if any(
            isinstance(a, nn.BatchNorm2d) and not isinstance(b, nn.ReLU) for a, b in itertools.pairwise([*layers, None])
        ):
            raise ValueError("a batch normalization is followed by a ReLU here")
        super().__init__(layers)

    def forward(self, *maps: Tensor, first: Callable[..., Tensor] | None = None) -> Tensor:
        """``[B, K, H, W]`` through all layers; the first is asked by ``first(layer, *maps)`` if that is given."""
        layer, *others = self
        inputs: tuple[Tensor, ...] = (layer(*maps) if first is None else first(layer, *maps),)
        prepare: Prepare | None = None
        for layer in others:
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

    The weight is kept as ``form_of`` makes it. The convolution's padding is with zeros, stated in numbers.
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
        maps = prepare(*inputs)
        form = form_of(convolution, weight, maps)
        ctx.save_for_backward(form, *inputs)
        return convolved(convolution, form, maps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        form, *inputs = ctx.saved_tensors
        _, _, weight_asked, bias_asked, *asked = ctx.needs_input_grad
        with torch.enable_grad():
            given = [tensor.detach().requires_grad_(wanted) for tensor, wanted in zip(inputs, asked, strict=True)]
            prepared = ctx.prepare(*given, again=True)
        of_prepared, of_weight, of_bias = gradients_of(
            ctx.convolution, form, prepared.detach(), gradient, (any(asked), weight_asked, bias_asked)
        )
        if any(asked):
            prepared.backward(of_prepared)
        dtype = ctx.convolution.weight.dtype
        of_parameters = (None if part is None else part.to(dtype) for part in (of_weight, of_bias))
        return None, None, *of_parameters, *(tensor.grad for tensor in given)


_ENOUGH_PIXELS = 512
"""Of a batch; for fewer it takes longer to transform a weight than its use saves."""


def form_of(layer: nn.Conv2d, weight: Tensor, maps: Tensor) -> Tensor:
    """A layer's weight, or as much of it as belongs to the maps, in the form that ``convolved`` takes least time with.

    In Winograd's where that pays, else as it is.
    """
    pixels = maps[:, 0].numel()
    if layer.bias is None and pixels >= _ENOUGH_PIXELS and winograd.pays(layer, weight, maps):
        return winograd.transform(weight)
    return weight


def convolved(layer: nn.Conv2d, form: Tensor, maps: Tensor) -> Tensor:
    """Maps through a layer with its weight in a form from ``form_of``."""
    if winograd.is_transformed(form):
        return winograd.convolve(maps, form)
    return F.conv2d(maps, form, layer.bias, layer.stride, layer.padding, layer.dilation, layer.groups)


def gradients_of(
    layer: nn.Conv2d, form: Tensor, maps: Tensor, gradient: Tensor, asked: tuple[bool, bool, bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Of the maps that a layer got, of its weight (not its form) and of its bias, of each at least where asked."""
    if winograd.is_transformed(form):
        return *winograd.gradients(gradient, maps, form), None
    of_maps, of_weight, of_bias = asked
    maps, weight = maps.to(gradient.dtype), form.to(gradient.dtype)
    by_product = of_weight and _better_by_product(layer, gradient)
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient,
        maps,
        weight,
        [len(weight)],
        layer.stride,
        layer.padding,
        layer.dilation,
        False,
        [0, 0],
        layer.groups,
        [of_maps, of_weight and not by_product, of_bias],
    )
    return (found[0], _weight_gradient(layer, maps, gradient), found[2]) if by_product else found


_FEW_PIXELS = 16


def _better_by_product(layer: nn.Conv2d, gradient: Tensor) -> bool:
    """Whether oneDNN's gradient of the weights takes longer than a matrix product: bf16 on a CPU, tiny maps."""
    few = gradient.shape[2] * gradient.shape[3] <= _FEW_PIXELS
    plain = layer.groups == 1 and layer.dilation == (1, 1)
    return few and plain and gradient.dtype == torch.bfloat16 and gradient.device.type == "cpu"


def _weight_gradient(layer: nn.Conv2d, maps: Tensor, gradient: Tensor) -> Tensor:
    """``float32 [N, K, h, w]``: a product for each of the kernel's taps, over the pixels it sees and no padding."""
    maps, gradient = maps.permute(0, 2, 3, 1), gradient.permute(0, 2, 3, 1)
    made = torch.empty(len(layer.weight), *layer.kernel_size, maps.shape[-1])
    rows, columns = (
        list(_seen(layer.kernel_size[axis], int(layer.padding[axis]), layer.stride[axis], maps.shape[1 + axis], out))
        for axis, out in enumerate(gradient.shape[1:3])
    )
    for (row, above, below), (column, left, right) in itertools.product(rows, columns):
        seen, made_of_it = maps[:, above, left].flatten(0, 2), gradient[:, below, right].flatten(0, 2)
        made[:, row, column] = made_of_it.T @ seen
    return made.permute(0, 3, 1, 2)


def _seen(taps: int, padding: int, stride: int, inputs: int, outputs: int) -> Iterator[tuple[int, slice, slice]]:
    """Along an axis, for each tap: the inputs it sees, and the outputs it sees them for."""
    for tap in range(taps):
        first = max(0, -((tap - padding) // stride))
        end = max(first, min(outputs, (inputs - 1 + padding - tap) // stride + 1))
        start = first * stride + tap - padding
        yield tap, slice(start, start + (end - first) * stride, stride), slice(first, end)
