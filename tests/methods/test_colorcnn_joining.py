"""The convolution of joined maps, and the same taken apart, against the plain one."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from methods.colorcnn.joining import convolve_apart, convolve_joined

SIZES = {
    "twice": ((8, 8), (4, 4)),
    "odd": ((7, 5), (4, 3)),
    "one pixel": ((2, 2), (1, 1)),
    "one row": ((1, 6), (1, 3)),
    "equal": ((3, 4), (3, 4)),
    "not square": ((4, 10), (2, 5)),
}


def draw(*shape, dtype):
    maps = torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)
    return maps.to(dtype).contiguous(memory_format=torch.channels_last).requires_grad_()


def given(size, dtype, channels=(3, 4), outputs=6):
    torch.manual_seed(0)
    layer = nn.Conv2d(sum(channels), outputs, 3, padding=1, bias=False)
    maps = (draw(5, part, *side, dtype=dtype) for part, side in zip(channels, size, strict=True))
    return layer.to(memory_format=torch.channels_last), *maps


def plain(layer, skip, below):
    return layer(torch.cat((skip, F.interpolate(below, skip.shape[2:], mode="bilinear", align_corners=True)), dim=1))


def differentiate(convolve, layer, skip, below):
    answer = convolve(layer, skip, below)
    upstream = draw(*answer.shape, dtype=answer.dtype).detach()
    return answer.detach(), *torch.autograd.grad(answer, (layer.weight, skip, below), upstream)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_taken_apart_it_is_the_same_function_with_the_same_gradients(size):
    layer, skip, below = given(size, torch.float64)
    layer.double()
    found = differentiate(convolve_apart, layer, skip, below)
    expected = differentiate(plain, layer, skip, below)
    for one, other in zip(found, expected, strict=True):
        assert one.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_in_bf16_it_rounds_no_worse_than_twice_as_much_as_the_plain_one(size):
    layer, skip, below = given(size, torch.bfloat16, channels=(24, 32), outputs=16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = differentiate(convolve_joined, layer, skip, below)
        rounded = differentiate(plain, layer, skip, below)
    exact = differentiate(plain, layer.double(), *(maps.detach().double().requires_grad_() for maps in (skip, below)))
    for one, other, true in zip(found, rounded, exact, strict=True):
        assert one.dtype == other.dtype
        assert (one - true).norm() <= 2 * (other - true).norm() + 1e-3 * true.norm()
        assert (one - true).norm() < 0.01 * true.norm()


@pytest.mark.parametrize(
    ("size", "dtype", "apart"),
    [
        (((8, 8), (4, 4)), torch.bfloat16, True),
        (((64, 2), (32, 1)), torch.bfloat16, True),
        (((2, 66), (1, 33)), torch.bfloat16, False),
        (((8, 8), (4, 4)), torch.float32, False),
    ],
)
def test_what_is_small_and_in_bf16_is_taken_apart_and_all_else_is_plain_to_the_bit(size, dtype, apart):
    layer, skip, below = given(size, dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        found = differentiate(convolve_joined, layer, skip, below)
        expected = differentiate(convolve_apart if apart else plain, layer, skip, below)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize(("dtype", "channels"), [(torch.float32, 3), (torch.bfloat16, 3), (torch.bfloat16, 256)])
def test_nothing_is_kept_but_the_inputs_and_a_transformed_weight(dtype, channels):
    layer, skip, below = given(((16, 16), (8, 8)), dtype, channels=(channels, 4), outputs=256)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        convolve_joined(layer, skip, below)
    inputs = {tensor.data_ptr() for tensor in (layer.weight, skip, below)}
    others = [tensor for tensor in kept if tensor.data_ptr() not in inputs]
    assert len(kept) == len(inputs) + len(others)
    assert [tuple(tensor.shape) for tensor in others] == ([(16, 256, 256)] if channels == 256 else [])
