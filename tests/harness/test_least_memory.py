"""What plugins say they need at the least is not more than what they take, and near enough to refuse what is absurd."""

import pytest
import torch

from harness.contracts import IMAGENET_NORMALIZATION
from harness.discovery import discover
from methods.colorcnn.network import ColorCNN
from methods.colorcnn_plus.network import ColorCNNPlus
from methods.cqformer.network import CQFormer
from tasks import networks

NETWORKS = {
    ("colorcnn", "unet"): lambda width: ColorCNN("unet", width, 2, IMAGENET_NORMALIZATION),
    ("colorcnn", "dncnn"): lambda width: ColorCNN("dncnn", width, 2, IMAGENET_NORMALIZATION),
    ("anchored", "dncnn"): lambda width: ColorCNN("dncnn", width, 2, IMAGENET_NORMALIZATION),
    ("colorcnn-plus", None): lambda width: ColorCNNPlus(width, 16, 4, (2,), IMAGENET_NORMALIZATION),
    ("cqformer", None): lambda width: CQFormer(width, 2),
}


def size(network):
    return sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())


@pytest.fixture(scope="module")
def registry():
    return discover()


@pytest.mark.parametrize("width", [16, 256])
@pytest.mark.parametrize(("name", "backbone"), NETWORKS)
def test_a_method_takes_little_more_than_its_weights(name, backbone, width, registry):
    plugin = registry.get("method", name, "here")
    made = plugin.make({"width": width} | ({"backbone": backbone} if backbone else {}), "here")
    with torch.device("meta"):
        takes = size(NETWORKS[name, backbone](width))
    assert plugin.least_memory(made, "here") <= takes <= 1.1 * plugin.least_memory(made, "here")


@pytest.mark.parametrize("width", [0.5, 3.0])
@pytest.mark.parametrize("name", ["alexnet", "vgg16", "resnet18"])
def test_so_does_a_classifier(name, width, registry):
    plugin = registry.get("classifier", name, "here")
    with torch.device("meta"):
        takes = size(getattr(networks, name)(10, width))
    said = plugin.least_memory(plugin.make({"width": width}, "here"), "here")
    assert said <= takes <= 1.1 * said


def test_a_dataset_takes_its_images(registry):
    plugin = registry.get("dataset", "digits-on-photos", "here")
    made = plugin.make({"train_images": 30, "test_per_digit": 1}, "here")
    arrays = made.load()
    assert plugin.least_memory(made, "here") == arrays.train.images.nbytes + arrays.test.images.nbytes
