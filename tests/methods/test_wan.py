import numpy as np
import pytest

from methods.kmeans import KMeans
from methods.median_cut import MedianCut
from methods.palettes import nearest_entries
from methods.wan import Wan
from methods.wu import Wu


def squared_error(pixels):
    return int((pixels**2).sum()) - int((pixels.sum(axis=0) ** 2).sum()) / len(pixels)


def reduction(values, below):
    """How much less the squared deviations of whole numbers are from the means of two parts than from one mean."""
    count, lower, total, sum_below = len(values), int(below.sum()), int(values.sum()), int(values[below].sum())
    return (count * sum_below - lower * total) ** 2 / (count * lower * (count - lower))


def wan_slowly(image, colors):
    """Boxes as arrays of their pixels: every threshold between cells is tried on the values of one channel."""
    pixels = image.reshape(-1, 3).astype(int)
    distinct = np.unique(pixels, axis=0)
    if len(distinct) <= colors:
        return distinct
    boxes, whole = [pixels], set()
    while len(boxes) < colors:
        errors = [0 if i in whole else squared_error(box) for i, box in enumerate(boxes)]
        worst = int(np.argmax(errors))
        if errors[worst] <= 0:
            break
        best, parts = 0, None
        for channel in boxes[worst].T:
            for cut in range(1, 32):
                below = channel >> 3 < cut
                if 0 < below.sum() < len(channel) and reduction(channel, below) > best:
                    best, parts = reduction(channel, below), (boxes[worst][below], boxes[worst][~below])
        if parts is None:
            whole.add(worst)
        else:
            boxes[worst] = parts[0]
            boxes.append(parts[1])
    return np.stack([np.rint(box.mean(axis=0)) for box in boxes])


@pytest.mark.parametrize("colors", [2, 3, 16, 40])
def test_is_wans_algorithm(photos, special, colors):
    for images in (photos[::4], special[:2]):
        result = Wan().palettize(images, colors)
        for image, palette in zip(images, result.palettes, strict=True):
            expected = wan_slowly(image, colors)
            assert (palette[: len(expected)] == expected).all()
            assert (palette[len(expected) :] == expected[-1]).all()


@pytest.mark.parametrize("colors", [2, 64])
def test_every_pixel_gets_its_nearest_color(photos, colors):
    result = Wan().palettize(photos, colors)
    assert (result.indices == nearest_entries(photos, result.palettes)).all()


@pytest.mark.parametrize(("colors", "most"), [(2, 1.05), (4, 1.3), (16, 1.3)])
def test_error_lies_between_k_means_and_median_cut(photos, mse, colors, most):
    wan = mse(Wan().palettize(photos, colors), photos).mean()
    kmeans = mse(KMeans(n_init=5).palettize(photos, colors), photos).mean()
    assert kmeans <= wan < most * kmeans
    assert wan < mse(MedianCut().palettize(photos, colors), photos).mean()


def test_one_axis_decides_where_wu_looks_at_all():
    # Red differs most by itself; green and blue each by a little less, but at the same pixels.
    colors = [[0, 0, 0]] * 4 + [[0, 88, 88]] * 4 + [[104, 0, 0]] * 4 + [[104, 88, 88]] * 4
    images = np.array(colors, np.uint8).reshape(1, 4, 4, 3)
    assert Wan().palettize(images, 2).palettes[0].tolist() == [[0, 44, 44], [104, 44, 44]]
    assert Wu().palettize(images, 2).palettes[0].tolist() == [[52, 0, 0], [52, 88, 88]]


@pytest.mark.parametrize("colors", [2, 17, 256])
def test_an_image_of_few_colors_stays_as_it_is(special, colors):
    for image, reduced in zip(special, Wan().palettize(special, colors).render(), strict=True):
        if len(np.unique(image.reshape(-1, 3), axis=0)) <= colors:
            assert (reduced == image).all()


def test_more_colors_of_one_cell_than_asked_for_are_not_told_apart():
    images = np.full((1, 4, 4, 3), 200, np.uint8)
    images[0, :2] = np.arange(64, 72).reshape(2, 4, 1)
    assert Wan().palettize(images, 8).palettes[0, :, 0].tolist() == [68] + [200] * 7


def test_the_sums_of_a_large_photograph_do_not_overflow():
    images = np.full((1, 3000, 3000, 3), 255, np.uint8)
    images[:, :1000], images[:, 0] = 200, 203
    assert sorted(Wan().palettize(images, 2).palettes[0].tolist()) == [[200] * 3, [255] * 3]
