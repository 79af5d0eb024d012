import numpy as np
import pytest

from methods.palettes import mean_palettes, nearest_entries


def slowly_nearest(image, palette):
    height, width = image.shape[:2]
    found = np.zeros((height, width), int)
    for y in range(height):
        for x in range(width):
            distances = [
                sum((int(a) - int(b)) ** 2 for a, b in zip(image[y, x], entry, strict=True)) for entry in palette
            ]
            found[y, x] = distances.index(min(distances))
    return found


@pytest.mark.parametrize("entries", [1, 2, 17, 256])
def test_nearest_entries_agree_with_a_slow_loop(special, entries):
    images = special[:, :8, :8]
    palettes = np.random.default_rng(entries).integers(0, 256, (len(images), entries, 3), np.uint8)
    found = nearest_entries(images, palettes)
    assert found.dtype == np.uint8
    for image, palette, indices in zip(images, palettes, found, strict=True):
        assert (indices == slowly_nearest(image, palette)).all()


def test_of_equally_distant_entries_the_lowest_is_taken():
    image = np.array([[[[10, 10, 10], [20, 20, 20], [0, 0, 0]]]], np.uint8)
    palette = np.array([[[12, 10, 10], [10, 8, 10], [20, 20, 20], [20, 20, 20]]], np.uint8)
    assert nearest_entries(image, palette).tolist() == [[[0, 2, 1]]]


def test_mean_palettes_agree_with_a_slow_loop(photos):
    indices = np.random.default_rng(0).integers(0, 7, photos.shape[:3], np.uint8)
    indices[3] = 2
    palettes = mean_palettes(photos, indices, 9)
    assert palettes.dtype == np.uint8
    for image, index_map, palette in zip(photos, indices, palettes, strict=True):
        for index in range(9):
            pixels = image[index_map == index].tolist()
            expected = [round(sum(c) / len(pixels)) for c in zip(*pixels, strict=True)] if pixels else [0, 0, 0]
            assert palette[index].tolist() == expected
