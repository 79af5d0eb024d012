"""Convolutions whose inputs are computed again for the backward pass, against plain ones."""

import copy

import pytest
import torch
from torch import nn

from methods.colorcnn.convolving import Convolutions, convolve
from methods.colorcnn.dncnn import dncnn
from methods.colorcnn.unet import UNet


def stack():
    """Each pair of neighbours that a stack may have: with and without normalization, with and without bias."""
    return [
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 6, 3, padding=1, stride=2, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.Conv2d(6, 4, 3, padding=1, groups=2),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
    ]


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)


def differentiate(network, x, precision=torch.float32):
    """Its answer and the gradients of all that can have one."""
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == torch.bfloat16):
        answer = network(x)
    answer.float().square().mean().backward()
    return answer.detach(), x.grad, *(parameter.grad for parameter in network.parameters())


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_stack_computes_what_the_plain_one_does_bit_for_bit(training, precision):
    torch.manual_seed(0)
    layers = stack()
    plain = nn.Sequential(*copy.deepcopy(layers)).train(training)
    ours = Convolutions(layers).train(training)
    assert list(ours.state_dict()) == list(plain.state_dict())
    for _ in range(2):
        ours.zero_grad()
        plain.zero_grad()
        found, expected = (differentiate(network, draw(5, 3, 9, 8), precision) for network in (ours, plain))
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    for name, buffer in plain.named_buffers():
        assert torch.equal(ours.get_buffer(name), buffer), "the second computation must leave running statistics alone"


def test_gradients_are_asked_for_only_where_they_are_wanted():
    layers = Convolutions(stack()).train().requires_grad_(False)
    layers[5].weight.requires_grad_()
    layers(draw(2, 3, 8, 8)).sum().backward()
    assert [name for name, parameter in layers.named_parameters() if parameter.grad is not None] == ["5.weight"]


def test_no_convolution_keeps_what_it_is_given_prepared():
    layer, x = nn.Conv2d(3, 4, 3), draw(2, 3, 8, 8).requires_grad_()
    prepared, kept = [], []

    def double(maps, again=False):
        prepared.append(again)
        return 2 * maps

    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        answer = convolve(layer, double, x)
    assert {tensor.data_ptr() for tensor in kept} == {x.data_ptr(), layer.weight.data_ptr()}
    assert prepared == [False]
    answer.sum().backward()
    assert prepared == [False, True]


@pytest.mark.parametrize("part", ["top", "up", "down.1"])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_frozen_part_of_a_unet_changes_no_other_gradient(part, precision):
    torch.manual_seed(0)
    backbone = UNet(4).to(memory_format=torch.channels_last).train()
    differentiate(backbone, draw(2, 3, 32, 32), precision)
    whole = {name: parameter.grad for name, parameter in backbone.named_parameters()}
    backbone.zero_grad()
    backbone.get_submodule(part).requires_grad_(False)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == torch.bfloat16):
        answer = backbone(draw(2, 3, 32, 32))
    answer.float().square().mean().backward()
    for name, parameter in backbone.named_parameters():
        if name.startswith(f"{part}."):
            assert parameter.grad is None
        else:
            assert torch.equal(parameter.grad, whole[name]), name


def test_the_backward_pass_is_that_of_the_forward_pass_whatever_the_mode_is_now():
    torch.manual_seed(0)
    layers = Convolutions(stack()).train()
    expected = differentiate(layers, draw(4, 3, 8, 8))[2:]
    layers.zero_grad()
    answer = layers(draw(4, 3, 8, 8))
    layers.eval()
    answer.square().mean().backward()
    for parameter, gradient in zip(layers.parameters(), expected, strict=True):
        assert torch.equal(parameter.grad, gradient)


@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"stride": (1, 2), "padding": (1, 2)}, {"bias": False}])
@pytest.mark.parametrize("size", [(2, 2), (4, 4), (1, 7), (5, 3)])
@pytest.mark.parametrize("kernel", [1, 3, (1, 3)])
def test_on_tiny_maps_bf16_weights_have_the_plain_gradient_up_to_rounding(options, size, kernel):
    torch.manual_seed(0)
    layer = nn.Conv2d(6, 8, kernel, **{"padding": 1} | options)
    x = draw(7, 6, *size)
    asked = [layer.weight, *([] if layer.bias is None else [layer.bias])]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        answers = layer(x), convolve(layer, lambda maps, **_: maps, x)
    upstream = torch.randn(answers[0].shape).bfloat16()
    expected, found = (torch.autograd.grad(answer, asked, upstream) for answer in answers)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=0.01, atol=0.01 * float(other.abs().max()))


def test_a_normalization_without_a_relu_is_refused():
    with pytest.raises(ValueError, match="ReLU"):
        Convolutions([nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 3), nn.ReLU()])


@pytest.mark.parametrize("make", [UNet, dncnn])
def test_a_backbone_keeps_one_map_a_normalization(make):
    """And neither what a ReLU, a pooling or a joining made of it for the convolution behind."""
    torch.manual_seed(0)
    backbone = make(4).to(memory_format=torch.channels_last).train()
    kept = {}
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.setdefault(tensor.data_ptr(), tensor), lambda tensor: tensor
    ):
        backbone(draw(2, 3, 32, 32))
    maps = [tensor for tensor in kept.values() if tensor.ndim == 4 and tensor.shape[0] == 2 and tensor.shape[1] > 3]
    assert not [tensor for tensor in maps if tensor.dtype == torch.int64], "a pooling's indices"
    norms = [layer for layer in backbone.modules() if isinstance(layer, nn.BatchNorm2d)]
    blocks = len(backbone.down) + len(backbone.up) + 1 if isinstance(backbone, UNet) else 1
    assert len(maps) <= len(norms) + blocks
