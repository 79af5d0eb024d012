import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from harness.contracts import IMAGENET_NORMALIZATION, ContractError, MethodHooks, Split
from harness.learning import freeze, normalize
from harness.work.explaining import (
    class_activation_maps,
    explain_classifier,
    explain_method,
    read_pictures,
    write_pictures,
)

RNG = np.random.default_rng(4)
IMAGES = RNG.integers(0, 256, (3, 12, 20, 3), np.uint8)
LABELS = np.array([2, 0, 1])


class Mapped(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = torch.nn.Conv2d(3, 5, 3, stride=4, padding=1)
        self.head = torch.nn.Linear(5, 3)

    def features(self, images):
        return self.trunk(images).relu()

    def forward(self, images):
        return self.head(self.features(images).mean((2, 3)))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return freeze(Mapped())


def test_a_class_activation_map_is_the_weighted_sum_of_features(network):
    maps = class_activation_maps(network, IMAGES, LABELS, IMAGENET_NORMALIZATION)
    features = network.features(normalize(torch.from_numpy(IMAGES), IMAGENET_NORMALIZATION))
    for n, label in enumerate(LABELS):
        cam = sum(float(network.head.weight[label, f]) * features[n, f].numpy() for f in range(5))
        span = Image.fromarray(((cam - cam.min()) / (cam.max() - cam.min()) * 255).astype(np.float32))
        enlarged = np.asarray(span.resize((20, 12), Image.Resampling.BILINEAR))
        enlarged = (enlarged - enlarged.min()) / (enlarged.max() - enlarged.min()) * 255
        assert np.abs(maps[n] - enlarged).max() <= 1


def test_the_mean_of_a_map_is_the_logit_of_its_class(network):
    features = network.features(normalize(torch.from_numpy(IMAGES), IMAGENET_NORMALIZATION))
    cams = torch.einsum("cf,nfhw->nchw", network.head.weight, features)
    assert torch.allclose(
        cams.mean((2, 3)) + network.head.bias,
        network(normalize(torch.from_numpy(IMAGES), IMAGENET_NORMALIZATION)),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    "spoiled",
    [
        {"head": torch.nn.Identity()},
        {"head": torch.nn.Linear(7, 3)},
        {"features": lambda images: images.mean((2, 3))},
        {"features": None},
    ],
)
def test_a_network_that_cannot_be_looked_into_has_no_maps(network, spoiled):
    for name, value in spoiled.items():
        setattr(network, name, value)
    assert class_activation_maps(network, IMAGES, LABELS, IMAGENET_NORMALIZATION) is None


def test_what_the_classifier_sees(network):
    test = Split.of(RNG.integers(0, 256, (9, 12, 20, 3), np.uint8), np.arange(9) % 3)
    maps, p_true = explain_classifier(network, test, [4, 7], IMAGES[:2], IMAGENET_NORMALIZATION, "cpu")
    assert set(maps) == {"cam", "cam-original"}
    labels = test.labels[[4, 7]]
    assert np.array_equal(maps["cam"], class_activation_maps(network, IMAGES[:2], labels, IMAGENET_NORMALIZATION))
    logits = network(normalize(torch.from_numpy(test.images[[4, 7]]), IMAGENET_NORMALIZATION)).double()
    expected = torch.softmax(logits, 1)[[0, 1], labels]
    assert p_true == pytest.approx({4: float(expected[0]), 7: float(expected[1])})
    json.dumps(p_true)


def test_pictures_come_back(tmp_path):
    gray, color = RNG.integers(0, 256, (2, 12, 20), np.uint8), IMAGES[1:]
    write_pictures(tmp_path / "gallery", [11, 2], IMAGES[:2], color, {"cam": gray, "train-time": color})
    found = read_pictures(tmp_path / "gallery", {2: 0.25})
    assert list(found) == [2, 11]
    assert found[2].original_p_true == 0.25
    assert found[11].original_p_true is None
    assert set(found[2].maps) == {"cam", "train-time"}

    def pixels(path):
        return np.asarray(Image.open(io.BytesIO(path.read_bytes())))

    assert np.array_equal(pixels(found[2].original), IMAGES[1])
    assert np.array_equal(pixels(found[11].decoded), color[0])
    assert np.array_equal(pixels(found[2].maps["cam"]), gray[1])
    assert np.array_equal(pixels(found[2].maps["train-time"]), color[1])


class Shows:
    def __init__(self, shown):
        self.shown = shown

    def explain(self, _images, _colors):
        return self.shown


def test_a_method_shows_what_it_does():
    gray = IMAGES[..., 0]
    assert explain_method(MethodHooks(), IMAGES, 2) == {}
    assert set(explain_method(Shows({"edges": gray, "in-color": IMAGES}), IMAGES, 2)) == {"edges", "in-color"}


@pytest.mark.parametrize(
    ("shown", "sentence"),
    [
        ([IMAGES], "explain returned list"),
        ({"cam": IMAGES}, "calls a picture 'cam'"),
        ({"two words": IMAGES}, "calls a picture 'two words'"),
        ({1: IMAGES}, "calls a picture 1"),
        ({"edges": IMAGES.astype(float)}, "'edges' are float64"),
        ({"edges": IMAGES[:2]}, r"are uint8 \[2, 12, 20, 3\], they must be uint8 \[3, 12, 20\] or \[3, 12, 20, 3\]"),
        ({"edges": None}, "'edges' are NoneType"),
    ],
)
def test_pictures_outside_the_contract_are_named(shown, sentence):
    with pytest.raises(ContractError, match=sentence):
        explain_method(Shows(shown), IMAGES, 2)
