import numpy as np
import pytest
import torch

from harness.contracts import CIFAR10_NORMALIZATION, Augmentation, BadInput, Lesson, Split
from harness.learning import predict
from harness.work.explaining import class_activation_maps
from tasks.timm_classifier import TimmClassifier

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)


def test_without_the_package_it_says_what_is_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(
        BadInput, match=r"needs the package timm, which is not installed: pip install 'fewcolors\[timm\]'$"
    ):
        TimmClassifier(network="resnet18").check()


@pytest.fixture
def timm():
    return pytest.importorskip("timm")


def lesson():
    train = Split.of(IMAGES, np.arange(2))
    nothing = train.take(slice(0, 0))
    return Lesson("photos", train, nothing, ("a", "b"), CIFAR10_NORMALIZATION, Augmentation(), 0)


def test_weights_give_the_logits_of_timm(timm, tmp_path):
    """With a normalization that is neither the dataset's nor torchvision's."""
    torch.manual_seed(0)
    network = timm.create_model("tf_efficientnetv2_b0.in1k", num_classes=1000).eval()
    torch.save(network.state_dict(), tmp_path / "own.pth")
    classifier = TimmClassifier(
        network="tf_efficientnetv2_b0.in1k", weights=str(tmp_path / "own.pth"), outputs=["tench", 217]
    )
    classifier.check()
    shown = timm.data.create_transform(**timm.data.resolve_data_config(model=network) | {"input_size": (3, 64, 64)})
    pixels = torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        wanted = network(shown.transforms[-1](pixels))[:, [0, 217]]
    found = classifier.fit(lesson())
    np.testing.assert_allclose(predict(found, IMAGES, CIFAR10_NORMALIZATION), wanted.numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "side", "mapped"),
    [("resnet18", 64, True), ("convnext_atto", 64, False), ("vit_tiny_patch16_224", 224, False)],
)
@pytest.mark.usefixtures("timm")
def test_class_activation_maps_are_there_where_the_last_layer_is_given_a_mean(name, side, mapped):
    network = TimmClassifier(network=name).build(2).eval()
    images = np.zeros((1, side, side, 3), np.uint8)
    found = class_activation_maps(network, images, np.array([1]), CIFAR10_NORMALIZATION)
    assert (found is not None) == mapped
    if mapped:
        shown = torch.randn(2, 3, side, side)
        with torch.no_grad():
            torch.testing.assert_close(network.head(network.features(shown).mean((2, 3))), network(shown))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet5", r"^network: timm has no network 'resnet5', did you mean 'resnet50'\?"),
        ("deit_tiny_distilled_patch16_224", "has no single last layer that timm names"),
    ],
)
@pytest.mark.usefixtures("timm")
def test_networks_that_cannot_be_used_are_refused_early(name, message):
    with pytest.raises(BadInput, match=message):
        TimmClassifier(network=name).check()


@pytest.mark.usefixtures("timm")
def test_a_side_that_its_weights_do_not_take_is_refused():
    with pytest.raises(BadInput, match="takes images of 224 x 224 pixels, those of photos are 64 x 64"):
        TimmClassifier(network="vit_tiny_patch16_224").fit(lesson())
