# ruff: noqa: ARG002, ARG005 - toy plugins have no use for what they are handed

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness.contracts import ContractError, DatasetArrays, Palettized, Split, check_palettized
from harness.work.applying import decode_all, encode_all, palettize_all


@st.composite
def palettized(draw):
    """Batches with unused entries and, because values are few, repeated colors."""
    n, height, width, entries = (draw(st.integers(1, high)) for high in (4, 5, 5, 7))
    indices = draw(arrays.arrays(np.uint8, (n, height, width), elements=st.integers(0, entries - 1)))
    palettes = draw(arrays.arrays(np.uint8, (n, entries, 3), elements=st.sampled_from([0, 1, 255])))
    return Palettized(indices, palettes)


def slow_render(batch):
    images = np.zeros((*batch.indices.shape, 3), np.uint8)
    for n, y, x in np.ndindex(batch.indices.shape):
        images[n, y, x] = batch.palettes[n, batch.indices[n, y, x]]
    return images


def slow_colors(image):
    return sorted({tuple(int(v) for v in pixel) for row in image for pixel in row})


@settings(max_examples=150, deadline=None)
@given(palettized())
def test_render_compact_and_colors_against_loops(batch):
    images = slow_render(batch)
    assert np.array_equal(batch.render(), images)
    compacted = batch.compact()
    assert compacted.indices.dtype == compacted.palettes.dtype == np.uint8
    assert np.array_equal(slow_render(compacted), images)
    expected = [slow_colors(image) for image in images]
    assert compacted.palettes.shape[1] == max(map(len, expected))
    for palette, colors, indices in zip(compacted.palettes.tolist(), expected, compacted.indices, strict=True):
        assert [tuple(entry) for entry in palette[: len(colors)]] == colors
        assert sorted(set(indices.ravel().tolist())) == list(range(len(colors)))
        assert not np.any(palette[len(colors) :])
    assert batch.colors().tolist() == [len(colors) for colors in expected]
    assert batch.colors().dtype == np.int64


def test_all_256_colors_survive_compacting():
    indices = np.random.default_rng(0).permutation(256).astype(np.uint8).reshape(1, 16, 16)
    palettes = np.random.default_rng(1).permutation(256).astype(np.uint8)[None, :, None].repeat(3, axis=2)
    batch = Palettized(indices, palettes)
    assert batch.colors().tolist() == [256]
    assert np.array_equal(batch.compact().render(), slow_render(batch))


IMAGES = np.zeros((2, 3, 4, 3), np.uint8)
INDICES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4) % 3
PALETTES = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)


def with_nan(array):
    result = array.astype(np.float32)
    result.flat[1] = np.nan
    return result


VIOLATIONS = {
    "no Palettized": ((INDICES, PALETTES), "returned tuple, it must return a Palettized"),
    "None": (None, "returned NoneType"),
    "list of indices": (Palettized(INDICES.tolist(), PALETTES), "indices are list"),
    "list of palettes": (Palettized(INDICES, PALETTES.tolist()), "palettes are list"),
    "NaN in the indices": (Palettized(with_nan(INDICES), PALETTES), "indices contain NaN"),
    "NaN in the palettes": (Palettized(INDICES, with_nan(PALETTES)), "palettes contain NaN"),
    "float palettes": (Palettized(INDICES, PALETTES / 255), r"palettes are float64 \[2, 3, 3\]"),
    "int64 indices": (Palettized(INDICES.astype(int), PALETTES), "indices are int64"),
    "int8 palettes": (Palettized(INDICES, PALETTES.astype(np.int8)), "palettes are int8"),
    "flat indices": (Palettized(INDICES.reshape(2, 12), PALETTES), r"indices are uint8 \[2, 12\]"),
    "one image less": (Palettized(INDICES[:1], PALETTES), r"must be uint8 \[2, 3, 4\]"),
    "one palette for all": (Palettized(INDICES, PALETTES[0]), r"palettes are uint8 \[3, 3\]"),
    "one palette less": (Palettized(INDICES, PALETTES[:1]), r"palettes are uint8 \[1, 3, 3\]"),
    "RGBA palettes": (Palettized(INDICES, np.zeros((2, 3, 4), np.uint8)), r"palettes are uint8 \[2, 3, 4\]"),
    "an empty palette": (Palettized(INDICES, PALETTES[:, :0]), r"palettes are uint8 \[2, 0, 3\]"),
    "a palette of 257": (Palettized(INDICES, np.zeros((2, 257, 3), np.uint8)), r"palettes are uint8 \[2, 257, 3\]"),
    "an index beyond": (Palettized(INDICES, PALETTES[:, :2]), "an index is 2, the palettes have 2 entries"),
    "too many colors": (
        Palettized(np.where([[[False]], [[True]]], INDICES, 0).astype(np.uint8), PALETTES),
        "image 1 has 3 colors, at most 2 were asked for",
    ),
}


@pytest.mark.parametrize("case", VIOLATIONS)
def test_what_a_quantizer_must_not_return(case):
    result, message = VIOLATIONS[case]
    with pytest.raises(ContractError, match=message) as error:
        check_palettized(result, IMAGES, 2)
    assert "\n" not in str(error.value)


def test_unused_and_repeated_entries_are_not_held_against_a_quantizer():
    palettes = np.zeros((2, 256, 3), np.uint8)
    palettes[:, 1:] = 7
    checked = check_palettized(Palettized(INDICES, palettes), IMAGES, 2)
    assert checked.palettes.shape == (2, 2, 3)
    assert np.array_equal(checked.render(), slow_render(Palettized(INDICES, palettes)))


class Chunky:
    """Says how large the batches are that it is handed, and writes into them."""

    def __init__(self):
        self.sizes = []

    def palettize(self, images, colors):
        self.sizes.append(len(images))
        mean = images.reshape(len(images), -1).mean(axis=1).astype(np.uint8)
        images[:] = 0
        palettes = np.stack([np.zeros_like(mean), mean], axis=1)[..., None].repeat(3, axis=2)
        return Palettized((np.arange(4).reshape(2, 2) % 2 * np.ones((len(images), 1, 1))).astype(np.uint8), palettes)

    def encode(self, images, quality):
        return [image.tobytes() for image in images]

    def decode(self, files):
        return np.stack([np.frombuffer(file, np.uint8).reshape(2, 2, 3) for file in files])


def test_large_batches_are_cut_and_the_caller_keeps_its_images():
    images = np.random.default_rng(0).integers(0, 256, (1100, 2, 2, 3), np.uint8)
    images[600:] = 0
    before = images.copy()
    method = Chunky()
    whole = palettize_all(method, images, 2)
    assert method.sizes == [512, 512, 76]
    assert np.array_equal(images, before)
    expected = images.reshape(1100, -1).mean(axis=1).astype(np.uint8)
    assert whole.render()[:, 0, 1, 0].tolist() == expected.tolist()
    assert whole.colors().tolist() == [1 + (value > 0) for value in expected.tolist()]
    assert np.array_equal(decode_all(method, encode_all(method, images, None), images.shape), images)


@pytest.mark.parametrize("files", [(b"", b""), [b""], [b"", "x"], None])
def test_what_encode_must_not_return(files):
    method = Chunky()
    method.encode = lambda images, quality: files
    with pytest.raises(ContractError, match="a list of 2 bytes objects for 2 images"):
        encode_all(method, np.zeros((2, 2, 2, 3), np.uint8), 1)


@pytest.mark.parametrize(
    ("images", "got"),
    [
        (np.zeros((2, 2, 2, 3)), r"float64 \[2, 2, 2, 3\]"),
        (np.zeros((2, 2, 3, 3), np.uint8), r"uint8 \[2, 2, 3, 3\]"),
        ([1, 2], "list"),
    ],
)
def test_what_decode_must_not_return(images, got):
    method = Chunky()
    method.decode = lambda files: images
    with pytest.raises(ContractError, match=rf"decode returned {got}, it must return uint8 \[2, 2, 2, 3\]"):
        decode_all(method, [b"", b""], (2, 2, 2, 3))


TRAIN = Split.of(np.zeros((4, 2, 2, 3), np.uint8), np.array([0, 1, 0, 1]))


def changed(**fields):
    return dataclasses.replace(DatasetArrays(TRAIN, TRAIN, ("a", "b")), **fields)


def spoiled(**fields):
    return dataclasses.replace(TRAIN, **fields)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (changed(classes=("a",)), r"1 class\(es\), at least two"),
        (changed(train=spoiled(images=TRAIN.images.astype(float))), r"train images are float64 \[4, 2, 2, 3\]"),
        (changed(test=spoiled(images=TRAIN.images[..., :1])), r"test images are uint8 \[4, 2, 2, 1\]"),
        (changed(test=spoiled(images=TRAIN.images[0])), r"test images are uint8 \[2, 2, 3\]"),
        (changed(test=TRAIN.take(slice(0, 0))), r"test images are uint8 \[0, 2, 2, 3\], not uint8 \[N >= 1"),
        (changed(train=spoiled(labels=TRAIN.labels[:3])), "train has 4 images, 3 labels and 4 groups"),
        (changed(train=spoiled(groups=TRAIN.groups[:2])), "train has 4 images, 4 labels and 2 groups"),
        (changed(test=spoiled(names=("a", "b"))), "test has 4 images and 2 names, each image needs one, a string, or"),
        (changed(train=spoiled(names=(Path("a"),) * 4)), "train has 4 images and 4 names, each image needs one, a"),
        (changed(train=spoiled(labels=TRAIN.labels - 1)), r"train labels leave the range 0\.\.1"),
        (changed(test=spoiled(labels=TRAIN.labels + 1)), r"test labels leave the range 0\.\.1"),
        (changed(test=spoiled(images=np.zeros((4, 2, 3, 3), np.uint8))), r"train images are \(2, 2, 3\), test"),
    ],
)
def test_what_a_dataset_must_not_return(arrays, message):
    with pytest.raises(ContractError, match=message) as error:
        arrays.check()
    assert "\n" not in str(error.value)


def test_a_sound_dataset_and_its_splits():
    assert changed().check().train is TRAIN
    assert TRAIN.groups.tolist() == [0, 1, 2, 3]
    assert TRAIN.labels.dtype == TRAIN.groups.dtype == np.int64
    part = Split.of(TRAIN.images, [1, 0, 1, 0], np.array([5, 5, 6, 6])).take(np.array([3, 1]))
    assert (len(part), part.labels.tolist(), part.groups.tolist()) == (2, [0, 0], [6, 5])


def test_images_keep_their_names():
    named = Split.of(TRAIN.images, TRAIN.labels, names=(f"{n}.png" for n in range(4)))
    assert named.take(np.array([2, 0])).names == ("2.png", "0.png")
    assert named.take(slice(1, 3)).names == ("1.png", "2.png")
    assert TRAIN.names == TRAIN.take(np.array([1])).names == ()
    assert changed(test=named).check().test is named, "those of the training images may have none"
