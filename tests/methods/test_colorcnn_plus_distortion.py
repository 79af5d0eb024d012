"""What quantized images go through in ColorCNN+'s training, the viewers' features, and MedianCut's clusters."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import transforms

from harness.contracts import IMAGENET_NORMALIZATION, Augmentation, Lesson, Normalization, Split
from harness.learning import freeze, normalize, seeded
from methods.colorcnn.equations import soft_image, soft_palette
from methods.colorcnn_plus import viewing
from methods.colorcnn_plus.distortion import Unit, augmenter, train_time_image
from methods.colorcnn_plus.imitated import median_cut, pixels_of
from tasks.networks import alexnet, resnet18

MEAN, STD = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.4, 0.5, 0.6), (0.2, 0.3, 0.25)))
UNIT = Unit(MEAN, STD)


def example(colors, side=3):
    generator = torch.Generator().manual_seed(colors)
    image = torch.rand(2, 3, side, side, generator=generator)
    m = (3 * torch.randn(2, colors, side, side, generator=generator)).softmax(dim=1)
    return image, UNIT.normalized(image), m


@pytest.mark.parametrize("colors", [2, 8])
def test_up_to_8_colors_one_number_shifts_a_palette_of_less_contrast(colors):
    _, x, m = example(colors)
    torch.manual_seed(5)
    found = train_time_image(x, m, UNIT, palette_norm=4.0, color_jitter=1.5, tone_jitter=0.5)
    torch.manual_seed(5)
    n = float(torch.randn(()))
    for b, channel, i, j in np.ndindex(2, 3, 3, 3):
        value = 0.0
        for c in range(colors):
            weights = [m[b, c, *at].item() for at in np.ndindex(3, 3)]
            values = [x[b, channel, *at].item() for at in np.ndindex(3, 3)]
            entry = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
            value += m[b, c, i, j].item() * (entry / 4 + 1.5 * n / math.log2(colors))
        assert found[b, channel, i, j].item() == pytest.approx(value, abs=1e-5)


GRAY = (0.2989, 0.587, 0.114)


def toned(image, order, factors):
    """Brightness (0), contrast (1) and saturation (2) of one image ``[3, H, W]`` in 0..1."""
    for step in order:
        if step == 3:  # hue is left alone
            continue
        gray = sum(weight * channel for weight, channel in zip(GRAY, image, strict=True))
        other = {0: 0.0, 1: gray.mean(), 2: gray[None]}[step]
        image = np.clip(factors[step] * image + (1 - factors[step]) * other, 0, 1)
    return image


def test_above_8_colors_brightness_contrast_and_saturation_of_the_image_change():
    image, x, m = example(16)
    torch.manual_seed(5)
    found = train_time_image(x, m, UNIT, palette_norm=4.0, color_jitter=1.0, tone_jitter=0.5)
    torch.manual_seed(5)
    order, *factors, _ = transforms.ColorJitter.get_params((0.5, 1.5), (0.5, 1.5), (0.5, 1.5), None)
    assert all(0.5 <= factor <= 1.5 for factor in factors)
    soft = soft_image(soft_palette(image, m), m).double().numpy()  # Eq. 6 and 7 on the image that is not normalized
    expected = np.stack([toned(each, order.tolist(), factors) for each in soft])
    np.testing.assert_allclose(UNIT.scaled(found).numpy(), expected, atol=1e-4)


def test_without_jitter_what_is_seen_is_the_soft_image():
    for colors in (4, 32):
        _, x, m = example(colors)
        found = train_time_image(x, m, UNIT, palette_norm=1.0, color_jitter=0.0, tone_jitter=0.0)
        torch.testing.assert_close(found, soft_image(soft_palette(x, m), m), rtol=1e-4, atol=1e-5)


def seen(augment, images, draws=20):
    with seeded("draws"):
        return torch.stack([augment(images) for _ in range(draws)])


def test_a_batch_shares_its_augmentation_and_images_may_have_their_own():
    images = torch.rand(1, 3, 16, 16).expand(4, -1, -1, -1)
    allowed = Augmentation(flip=True, crop_padding=2)
    alike = seen(augmenter("batch", allowed, 16, 16), images)
    assert (alike == alike[:, :1]).all()
    assert len({draw.sum().item() for draw in alike}) > 10
    own = seen(augmenter("image", allowed, 16, 16), images)
    assert own.shape == alike.shape
    assert not (own == own[:, :1]).all()
    assert augmenter("none", allowed, 16, 16)(images) is images


def test_nothing_is_flipped_or_cropped_that_the_dataset_does_not_allow(monkeypatch):
    monkeypatch.setattr("methods.colorcnn_plus.distortion.DEGREES", 0)
    ramp = torch.arange(1.0, 17).expand(2, 3, 16, 16)
    fixed = seen(augmenter("batch", Augmentation(), 16, 16), ramp)
    assert ((fixed == ramp) | (fixed == 0)).all(), "only a rectangle is missing"
    erased = (fixed == 0).float().mean(dim=(1, 2, 3, 4))
    assert 0 < (erased > 0).float().mean() < 1
    assert erased.max() < 0.36
    flipped = seen(augmenter("batch", Augmentation(flip=True), 16, 16), ramp)
    assert ((flipped == ramp.flip(3)) | (flipped == 0)).all(dim=(1, 2, 3, 4)).any()
    cropped = seen(augmenter("batch", Augmentation(crop_padding=3), 16, 16), ramp)
    shifts = {int(row.max()) for draw in cropped for row in draw[0, 0] if row.min() > 0}
    assert len(shifts) == 1
    assert (cropped[:, :, :, :, 0] == 0).all(dim=(1, 2, 3)).any()


def test_augmentation_lets_gradients_through():
    images = torch.rand(2, 3, 16, 16, requires_grad=True)
    augmenter("batch", Augmentation(flip=True, crop_padding=2), 16, 16)(images).sum().backward()
    assert images.grad.abs().sum() > 0


class Plain(nn.Module):
    """Without maps."""

    def forward(self, x):
        return x.mean((2, 3))


class Otherwise(nn.Module):
    """Its logits come of the largest, not of the mean, of its maps."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 2)

    def features(self, x):
        return x.relu()

    def forward(self, x):
        return self.head(self.features(x).amax((2, 3)))


def lesson_with(*classifiers):
    split = Split.of(np.random.default_rng(1).integers(0, 256, (4, 16, 16, 3), np.uint8), np.arange(4) % 2)
    return Lesson(
        dataset="noise",
        train=split,
        validation=split.take(slice(0)),
        classes=("a", "b"),
        normalization=IMAGENET_NORMALIZATION,
        augmentation=Augmentation(),
        seed=0,
        classifiers=tuple(freeze(c) for c in classifiers),
        classifier_names=len(classifiers) * ("alexnet",),
        colors=(2,),
    )


def test_viewers_tell_logits_and_what_comes_before_the_last_layer():
    with seeded(1):
        classifiers = (alexnet(2, 0.1), resnet18(2, 0.05), Plain(), Otherwise())
    given = lesson_with(*classifiers)
    x = normalize(torch.from_numpy(given.train.images), IMAGENET_NORMALIZATION)
    for viewer, classifier in zip(viewing.viewers_of(given), classifiers, strict=True):
        logits, features = viewer(x)
        torch.testing.assert_close(logits, classifier(x), rtol=1e-3, atol=1e-4)
        own = classifier if isinstance(classifier, Plain) else classifier.features
        torch.testing.assert_close(features, own(x), rtol=1e-3, atol=1e-4)
        assert not any(parameter.requires_grad for parameter in viewer.parameters())


def test_feature_distance_is_the_mean_squared_difference_of_all_numbers():
    one, other = torch.rand(2, 3, 2, 2), torch.rand(2, 3, 2, 2)
    total = sum((one[at] - other[at]).item() ** 2 for at in np.ndindex(2, 3, 2, 2))
    assert viewing.feature_distance(one.bfloat16().float(), other).dtype == torch.float32
    assert viewing.feature_distance(one, other).item() == pytest.approx(total / 24, rel=1e-5)


@pytest.mark.parametrize("normalization", [IMAGENET_NORMALIZATION, Normalization((0.3, 0, 1), (0.01, 2, 0.5))])
def test_normalized_images_are_brought_back_to_their_8_bits(normalization):
    images = np.random.default_rng(3).integers(0, 256, (2, 9, 5, 3), np.uint8)
    unit = Unit(*(torch.tensor(v).view(1, 3, 1, 1) for v in (normalization.mean, normalization.std)))
    assert np.array_equal(pixels_of(normalize(torch.from_numpy(images), normalization), unit), images)


@pytest.mark.parametrize("colors", [2, 8, 64])
def test_clusters_are_the_pixels_that_median_cut_gives_one_color(colors, special):
    found = median_cut(special, colors).numpy()
    assert found.min() >= 0
    assert found.max() < colors
    for image, clusters in zip(special, found, strict=True):
        shown = np.asarray(Image.fromarray(image).quantize(colors, Image.Quantize.MEDIANCUT).convert("RGB"))
        flat, pixels = clusters.ravel()[:50], shown.reshape(-1, 3)[:50]
        alike = (pixels[:, None] == pixels[None]).all(axis=2)
        assert np.array_equal(flat[:, None] == flat[None], alike)
