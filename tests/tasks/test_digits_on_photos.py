import hashlib

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from harness.contracts import IMAGENET_NORMALIZATION, Augmentation, DatasetArrays
from tasks.digits_on_photos import DigitsOnPhotos, blend, enlarge_digits

TRAIN_DIGEST = "2d2829f1019c62c4341d124859deff9e6f86ec9675630d6ce33746f1f734a365"
TEST_DIGEST = "dcd754488fb7a2a911de01d9287996ba9834c8cdc9375c7fe5759dca4e39685a"


@pytest.fixture(scope="module")
def arrays() -> DatasetArrays:
    return DigitsOnPhotos().load().check()


def digest(split):
    return hashlib.sha256(split.images.tobytes() + split.labels.tobytes() + split.groups.tobytes()).hexdigest()


def blend_one_by_one(digit, photo, uniform):
    """MNIST-M's recipe for one image, pixel by pixel; ``photo`` is the region the crop may come from."""
    side = 32 + int(uniform[1] * 65)
    top, left = int(uniform[2] * (photo.height - side + 1)), int(uniform[3] * (photo.width - side + 1))
    down, right = int(uniform[4] * 9), int(uniform[5] * 9)
    assert top + side <= photo.height
    assert left + side <= photo.width
    crop = photo.crop((left, top, left + side, top + side)).resize((32, 32), Image.Resampling.BILINEAR)
    gray = Image.fromarray(np.array([[round(value * 255 / 16) for value in row] for row in digit], np.uint8))
    large = gray.resize((24, 24), Image.Resampling.BICUBIC)
    result = np.zeros((32, 32, 3), np.uint8)
    for y in range(32):
        for x in range(32):
            inside = 0 <= y - down < 24 and 0 <= x - right < 24
            ink = large.getpixel((x - right, y - down)) if inside else 0
            result[y, x] = [abs(channel - ink) for channel in crop.getpixel((x, y))]
    return result


def test_the_arrays_have_not_changed(arrays):
    assert (digest(arrays.train), digest(arrays.test)) == (TRAIN_DIGEST, TEST_DIGEST)


@pytest.mark.parametrize(("split", "part"), [("train", 0), ("test", 1)])
def test_images_follow_the_recipe_of_mnist_m(arrays, split, part):
    data = getattr(arrays, split)
    digits = load_digits().images
    photos = [Image.fromarray(photo) for photo in load_sample_images().images]
    boxes = {"train": (0, 0, 448, 427), "test": (448, 0, 640, 427)}
    draws = np.random.Generator(np.random.PCG64(np.random.SeedSequence((0, part)))).random((len(data), 6))
    for n in [*range(8), len(data) - 1]:
        photo = photos[int(draws[n, 0] * 2)].crop(boxes[split])
        np.testing.assert_array_equal(data.images[n], blend_one_by_one(digits[data.groups[n]], photo, draws[n]))


def test_splits_are_as_the_recipe_says(arrays):
    target = load_digits().target
    assert arrays.train.images.shape == (8000, 32, 32, 3)
    assert arrays.test.images.shape == (1800, 32, 32, 3)
    assert arrays.train.images.dtype == arrays.test.images.dtype == np.uint8
    np.testing.assert_array_equal(np.unique(arrays.train.groups), np.arange(1437))
    values, counts = np.unique(arrays.test.groups, return_counts=True)
    np.testing.assert_array_equal(values, np.arange(1437, 1797))
    assert set(counts) == {5}
    assert set(np.unique(arrays.train.groups, return_counts=True)[1]) == {5, 6}
    for split in (arrays.train, arrays.test):
        np.testing.assert_array_equal(split.labels, target[split.groups])
    assert arrays.classes == tuple("0123456789")
    assert arrays.augmentation == Augmentation(flip=False, crop_padding=0)
    assert arrays.normalization == IMAGENET_NORMALIZATION


@pytest.mark.parametrize("region", [0, 1])
def test_each_split_sees_only_its_region_of_the_photographs(monkeypatch, region):
    """Photographs that are black on one side and white on the other, and no digit drawn: one color may appear."""
    photo = np.zeros((427, 640, 3), np.uint8)
    photo[:, 448:] = 255
    monkeypatch.setattr("sklearn.datasets.load_sample_images", lambda: type("Bunch", (), {"images": [photo, photo]}))
    monkeypatch.setattr("tasks.digits_on_photos.enlarge_digits", lambda d: np.zeros((len(d), 24, 24), np.uint8))
    loaded = DigitsOnPhotos(train_images=2000).load()
    assert set(np.unique((loaded.train, loaded.test)[region].images)) == {(0, 255)[region]}


def test_crops_have_all_sides_and_reach_all_edges():
    ramp = np.zeros((100, 120, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(100)[:, None], np.arange(120)
    images = blend(np.zeros((5_000, 24, 24), np.uint8), [ramp], np.random.default_rng(0))
    corners = images[:, [0, 0, -1, -1], [0, -1, 0, -1], :2].astype(int)
    spans = corners[:, 2, 0] - corners[:, 0, 0]
    assert spans.min() <= 32
    assert spans.max() >= 92
    assert images[..., :2].reshape(-1, 2).min(0).tolist() == [0, 0]
    assert images[..., :2].reshape(-1, 2).max(0).tolist() == [99, 119]


def test_digits_are_scaled_to_the_whole_range_and_enlarged_bicubically():
    digits = load_digits().images[:20]
    wanted = [
        np.asarray(Image.fromarray(np.rint(d * 255 / 16).astype(np.uint8)).resize((24, 24), Image.Resampling.BICUBIC))
        for d in digits
    ]
    np.testing.assert_array_equal(enlarge_digits(digits), wanted)
    assert enlarge_digits(np.full((1, 8, 8), 16.0)).min() == 255


def test_fewer_images_are_a_prefix_and_another_seed_gives_other_images(arrays):
    few = DigitsOnPhotos(train_images=1500, test_per_digit=1).load().check()
    assert (len(few.train), len(few.test)) == (1500, 360)
    np.testing.assert_array_equal(few.train.images, arrays.train.images[:1500])
    other = DigitsOnPhotos(seed=1, train_images=100).load()
    assert (other.train.images != arrays.train.images[:100]).any(axis=(1, 2, 3)).all()
    np.testing.assert_array_equal(other.test.labels, arrays.test.labels)
