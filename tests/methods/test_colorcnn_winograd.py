"""Convolutions in Winograd's form against plain ones."""

from unittest import mock

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from methods.colorcnn import winograd
from methods.colorcnn.convolving import Convolutions, convolved, form_of, gradients_of
from methods.colorcnn.joining import convolve_joined

SIDES = [(2, 2), (4, 4), (2, 8), (4, 6), (8, 8), (16, 10)]


def channels_last(maps):
    return maps.contiguous(memory_format=torch.channels_last)


def integers(bound, *shape):
    generator = torch.Generator().manual_seed(sum(shape))
    return channels_last(torch.randint(-bound, bound + 1, shape, generator=generator).bfloat16())


def draw(*shape):
    return channels_last(torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))))


def layer_of(inputs, outputs, bias=False):
    torch.manual_seed(0)
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias).to(memory_format=torch.channels_last)


def counted(function):
    return mock.patch.object(winograd, function, wraps=getattr(winograd, function))


def worst(found, rounded, exact):
    """How many times what is found is further from the exact than plain bf16 is."""
    return max(
        float((one - true).norm() / (other - true).norm())
        for one, other, true in zip(found, rounded, exact, strict=True)
    )


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("batch", [1, 3])
def test_on_small_integers_it_is_the_convolution_and_its_gradients_exactly(side, batch):
    maps, upstream = integers(1, batch, 2, *side), integers(1, batch, 3, *side)
    weight = 4 * integers(1, 3, 2, 3, 3)  # G w G' is of integers then
    transformed = winograd.transform(weight)
    made = winograd.convolve(maps, transformed)
    of_maps, of_weight = winograd.gradients(upstream, maps, transformed)

    given = [tensor.double().requires_grad_() for tensor in (maps, weight)]
    answer = F.conv2d(*given, padding=1)
    expected = torch.autograd.grad(answer, given, upstream.double())
    assert torch.equal(made.double(), answer)
    assert torch.equal(of_maps.double(), expected[0])
    assert torch.equal(winograd.gradient_of_maps(upstream, transformed), of_maps)
    torch.testing.assert_close(of_weight.double(), expected[1], rtol=2**-7, atol=0.75)  # of up to 500 products each
    assert of_weight.dtype == torch.float32
    assert all(maps.is_contiguous(memory_format=torch.channels_last) for maps in (made, of_maps, of_weight))


@pytest.mark.parametrize("side", [(4, 4), (8, 8)])
def test_it_rounds_no_worse_than_four_times_as_much_as_the_plain_form(side):
    layer = layer_of(256, 256)
    maps, upstream = (draw(32, 256, *side).bfloat16() for _ in range(2))
    form = form_of(layer, layer.weight.detach(), maps)
    assert winograd.is_transformed(form)
    found = convolved(layer, form, maps), *gradients_of(layer, form, maps, upstream, (True, True, False))[:2]

    def plain(dtype):
        given = [tensor.detach().to(dtype).requires_grad_() for tensor in (maps, layer.weight)]
        answer = F.conv2d(*given, padding=1)
        return answer.detach(), *torch.autograd.grad(answer, given, upstream.to(dtype))

    assert worst(found, plain(torch.bfloat16), plain(torch.float64)) < 4


SMALL = (32, 256, 4, 4)


@pytest.mark.parametrize(
    ("options", "shape", "dtype", "pays"),
    [
        ({}, SMALL, torch.bfloat16, True),
        ({}, (32, 256, 16, 2), torch.bfloat16, True),
        ({}, SMALL, torch.float32, False),
        ({}, (32, 256, 4, 5), torch.bfloat16, False),
        ({}, (32, 256, 4, 18), torch.bfloat16, False),
        ({}, (256, 4, 4), torch.bfloat16, False),
        ({}, (0, 256, 4, 4), torch.bfloat16, False),
        ({"stride": 2}, SMALL, torch.bfloat16, False),
        ({"padding": 0}, SMALL, torch.bfloat16, False),
        ({"dilation": 2}, SMALL, torch.bfloat16, False),
        ({"padding_mode": "reflect"}, SMALL, torch.bfloat16, False),
        ({"groups": 2}, SMALL, torch.bfloat16, False),
        ({"kernel_size": 1}, SMALL, torch.bfloat16, False),
        ({"out_channels": 255}, SMALL, torch.bfloat16, False),
        ({"in_channels": 64}, (32, 64, 4, 4), torch.bfloat16, False),
    ],
)
def test_it_pays_for_small_maps_of_many_channels_in_bf16_and_plain_layers_alone(options, shape, dtype, pays):
    layer = nn.Conv2d(**{"in_channels": 256, "out_channels": 256, "kernel_size": 3, "padding": 1} | options)
    assert winograd.pays(layer, layer.weight, torch.empty(shape, dtype=dtype)) is pays


def test_a_weight_that_changes_is_transformed_for_no_few_pixels_and_no_bias():
    maps = draw(*SMALL).bfloat16()
    layer = layer_of(256, 256)
    assert winograd.is_transformed(form_of(layer, layer.weight, maps))
    assert form_of(layer, layer.weight, maps[:31]) is layer.weight
    layer = layer_of(256, 256, bias=True)
    assert form_of(layer, layer.weight, maps) is layer.weight


def test_a_stack_and_joined_maps_are_trained_through_it():
    torch.manual_seed(0)
    layers = [nn.Conv2d(8, 256, 1), nn.BatchNorm2d(256), nn.ReLU(), layer_of(256, 256), nn.BatchNorm2d(256), nn.ReLU()]
    stack = Convolutions(layers).to(memory_format=torch.channels_last)
    joined = layer_of(256 + 32, 256)
    maps, below = draw(32, 8, 4, 4), draw(32, 32, 2, 2)
    weights = [layers[3].weight, joined.weight]

    def ours(dtype):
        answer = convolve_joined(joined, stack(maps.to(dtype)), below.to(dtype))
        return answer.detach(), *torch.autograd.grad(answer.float().square().mean(), weights)

    with torch.autocast("cpu", dtype=torch.bfloat16), counted("convolve") as used:
        found = ours(torch.bfloat16)
    assert used.call_count == 2
    with torch.autocast("cpu", dtype=torch.bfloat16), mock.patch.object(winograd, "pays", return_value=False):
        rounded = ours(torch.bfloat16)
    with counted("convolve") as used:
        exact = ours(torch.float32)
    assert used.call_count == 0
    assert worst(found, rounded, exact) < 2.5
