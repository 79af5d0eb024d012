import pytest
import torch
from torch import nn

from tasks.networks import MappedClassifier, alexnet, resnet18, vgg16

NETWORKS = {"alexnet": alexnet, "vgg16": vgg16, "resnet18": resnet18}


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("name", "millions"), [("alexnet", 2.25), ("vgg16", 14.73), ("resnet18", 11.17)])
def test_sizes_are_the_papers(name, millions):
    assert round(parameters(NETWORKS[name](10)) / 1e6, 2) == millions


@pytest.mark.parametrize("name", NETWORKS)
def test_width_scales_every_layer(name):
    whole, half = NETWORKS[name](10), NETWORKS[name](10, 0.5)
    for (key, wide), narrow in zip(whole.state_dict().items(), half.state_dict().values(), strict=True):
        for dimension, (a, b) in enumerate(zip(wide.shape, narrow.shape, strict=True)):
            fixed = a == 3 or dimension > 1 or (key.startswith("head") and dimension == 0)
            assert b == (a if fixed else a // 2), key
    assert NETWORKS[name](2, 0.001).eval()(torch.zeros(1, 3, 16, 16)).shape == (1, 2)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 64), (96, 96), (8, 8), (33, 50)])
def test_any_side_goes_through(name, height, width):
    network = NETWORKS[name](7, 0.125).eval()
    images = torch.randn(2, 3, height, width)
    maps = network.features(images)
    assert maps.shape[:2] == (2, network.head.in_features)
    assert network(images).shape == (2, 7)


@pytest.mark.parametrize(
    ("name", "side", "map_side"),
    [
        ("alexnet", 32, 2),
        ("alexnet", 96, 6),
        ("vgg16", 32, 2),
        ("vgg16", 96, 6),
        ("resnet18", 32, 4),
        ("resnet18", 96, 12),
    ],
)
def test_last_feature_maps_have_the_architectures_stride(name, side, map_side):
    maps = NETWORKS[name](10, 0.125).features(torch.zeros(1, 3, side, side))
    assert maps.shape[2:] == (map_side, map_side)


@pytest.mark.parametrize("name", NETWORKS)
def test_class_activation_maps_average_to_the_logits(name):
    """Zhou et al. 2016: the class's weights times the feature maps, averaged over positions, plus bias is the logit."""
    network = NETWORKS[name](5, 0.25).eval()
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        maps = torch.einsum("kf,bfhw->bkhw", network.head.weight, network.features(images))
        torch.testing.assert_close(maps.mean((2, 3)) + network.head.bias, network(images))


def test_dropout_is_alexnets_alone_and_off_in_eval_mode():
    rates = {name: make(10, 0.125).dropout.p for name, make in NETWORKS.items()}
    assert rates == {"alexnet": 0.5, "vgg16": 0.0, "resnet18": 0.0}
    network = alexnet(10, 0.125)
    images = torch.randn(4, 3, 32, 32)
    assert not torch.equal(network(images), network(images))
    network.eval()
    assert torch.equal(network(images), network(images))


def test_batch_normalization_is_where_the_paper_has_it():
    def counts(network: nn.Module) -> tuple[int, int]:
        modules = list(network.modules())
        return sum(isinstance(m, nn.Conv2d) for m in modules), sum(isinstance(m, nn.BatchNorm2d) for m in modules)

    assert counts(alexnet(10, 0.1)) == (5, 0)
    assert counts(vgg16(10, 0.1)) == (13, 13)
    assert counts(resnet18(10, 0.1)) == (20, 20)


def test_resnet_is_torchvisions_behind_the_small_stem():
    from torchvision.models import resnet18 as torchvision_resnet18

    theirs = torchvision_resnet18(num_classes=10)
    theirs.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    theirs.maxpool = nn.Identity()
    ours = resnet18(10)
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))
    assert isinstance(ours, MappedClassifier)
