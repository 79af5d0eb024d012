"""Folded classifiers against the classifiers they stand for."""

import copy
from unittest import mock

import pytest
import torch
from torch import nn

from harness.learning import freeze
from methods.colorcnn import winograd
from methods.colorcnn.folding import FrozenConvolution, fold


class Residual(nn.Module):
    """Convolutions with normalizations behind, before, and beside them."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.alone = nn.BatchNorm2d(4)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        x = self.alone(self.first(x))
        return self.dropout(self.norm(self.conv(x)) + x).relu().mean(dim=(2, 3))


class Twice(Residual):
    """A convolution whose result is used before the normalization, too."""

    def forward(self, x):
        x = self.first(x)
        y = self.conv(x)
        return (y + self.norm(y)).mean(dim=(2, 3))


class Branching(Residual):
    def forward(self, x):
        return super().forward(x if x.sum() > 0 else -x)


class Looking(Residual):
    """Does something else where it is traced."""

    def forward(self, x):
        return super().forward(2 * x if isinstance(x, torch.Tensor) and type(x) is torch.Tensor else x)


class Weighing(nn.Conv2d):
    def forward(self, input):
        return super().forward(2 * input)


class Wide(nn.Module):
    """Convolutions of which some would be done in Winograd's form, used and read in many ways."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 256, 1)
        self.plain = nn.Conv2d(256, 256, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(256)
        self.biased = nn.Conv2d(256, 256, 3, padding=1)
        self.hooked = nn.Conv2d(256, 256, 3, padding=1)
        self.hooked.register_forward_hook(lambda *given: 2 * given[-1])
        self.weighing = Weighing(256, 256, 3, padding=1)
        self.normalized = nn.utils.spectral_norm(nn.Conv2d(256, 256, 3, padding=1))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.relu(self.norm(self.plain(self.first(x.to(self.biased.weight.dtype)))))
        x = self.relu(self.biased(input=self.relu(self.biased(x)))) + x
        x = self.weighing(self.relu(self.hooked(x)))
        return self.normalized(self.relu(x)).mean(dim=(2, 3)) + self.hooked.bias


def frozen(kind):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = kind()
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                for tensor in (layer.weight.data, layer.bias.data, layer.running_mean):
                    tensor.normal_()
                layer.running_var.uniform_(0.1, 2)
    return freeze(network)


def images(batch=5):
    return torch.randn(batch, 3, 9, 9, generator=torch.Generator().manual_seed(batch))


def normalizations(network):
    return sum(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())


@pytest.mark.parametrize(("kind", "left"), [(Residual, 1), (Twice, 1)])
def test_what_is_folded_is_the_same_function_with_fewer_layers(kind, left):
    network = frozen(kind)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    folded = fold(network, images(2))
    found, expected = (images().requires_grad_() for _ in range(2))
    torch.testing.assert_close(folded(found), network(expected), rtol=1e-4, atol=1e-5)
    folded(found).square().sum().backward()
    network(expected).square().sum().backward()
    torch.testing.assert_close(found.grad, expected.grad, rtol=1e-4, atol=1e-5)
    used = {node.target for node in folded.graph.nodes if node.op == "call_module"}
    assert sum(isinstance(folded.get_submodule(name), nn.BatchNorm2d) for name in used) == left
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert normalizations(network) == 3


@pytest.mark.parametrize("kind", [Branching, Looking])
def test_what_cannot_be_traced_is_left_as_it_is(kind):
    network = frozen(kind)
    assert fold(network, images(2)) is network


def test_only_plain_convolutions_are_done_in_another_form():
    folded = fold(frozen(Wide), images(2)[:, :, :8, :8])
    found = {name for name, layer in folded.named_modules() if isinstance(layer, FrozenConvolution)}
    assert found == {"first", "plain", "biased", "hooked"}


@pytest.mark.parametrize("batch", [1, 5])
def test_in_bf16_it_is_the_same_function_up_to_rounding_and_its_weights_are_transformed_once(batch):
    network, x = frozen(Wide), images(batch)[:, :, :8, :8]
    folded = fold(network, x)

    def differentiate(network, precision):
        given = x.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            answer = network(given)
        answer.float().square().sum().backward()
        return answer.detach(), given.grad

    with mock.patch.object(winograd, "transform", wraps=winograd.transform) as transform:
        found = [differentiate(folded, "bf16") for _ in range(2)][1]
    assert transform.call_count == 3
    rounded, exact = (differentiate(network, precision) for precision in ("bf16", "fp32"))
    for one, other, true in zip(found, rounded, exact, strict=True):
        assert one.dtype == other.dtype
        assert (one - true).norm() < 2 * (other - true).norm() + 0.02 * true.norm()
    for one, other in zip(differentiate(folded, "fp32"), exact, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_a_form_made_in_inference_mode_can_be_trained_through_and_copied():
    folded, x = fold(frozen(Wide), images(2)[:, :, :8, :8]), images(3)[:, :, :8, :8]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with torch.inference_mode():
            expected = folded(x)
        given = x.clone().requires_grad_()
        answer = folded(given)
        answer.float().sum().backward()
        assert torch.equal(answer, expected)
        assert given.grad.any()
        assert torch.equal(copy.deepcopy(folded)(x), expected)
