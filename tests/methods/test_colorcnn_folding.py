"""Folded classifiers against the classifiers they stand for."""

import pytest
import torch
from torch import nn

from harness.learning import freeze
from methods.colorcnn.folding import fold


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


class Hooked(Residual):
    """Twice what a convolution gives goes into the normalization behind it, as a copy of the layers does not show."""

    def __init__(self):
        super().__init__()
        self.conv.register_forward_hook(lambda *given: 2 * given[-1])


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


@pytest.mark.parametrize("kind", [Branching, Looking, Hooked])
def test_what_cannot_be_folded_is_left_as_it_is(kind):
    network = frozen(kind)
    assert fold(network, images(2)) is network
