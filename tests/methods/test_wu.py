import numpy as np
import pytest

from methods.kmeans import KMeans
from methods.median_cut import MedianCut
from methods.palettes import nearest_entries
from methods.wu import Wu


def squared_error(pixels):
    total = pixels.sum(axis=0)
    return int((pixels**2).sum()) - int((total**2).sum()) / len(pixels)


def explained(pixels):
    return int((pixels.sum(axis=0) ** 2).sum()) / len(pixels)


def wu_slowly(image, colors):
    """Boxes as arrays of their pixels: every cut between cells is tried by parting the pixels."""
    boxes = [image.reshape(-1, 3).astype(int)]
    whole = set()
    while len(boxes) < colors:
        errors = [0 if i in whole else squared_error(box) for i, box in enumerate(boxes)]
        worst = int(np.argmax(errors))
        if errors[worst] <= 0:
            break
        best, parts = 0, None
        for axis in range(3):
            cells = boxes[worst][:, axis] >> 3
            for cut in range(1, 32):
                lower, upper = boxes[worst][cells < cut], boxes[worst][cells >= cut]
                if len(lower) and len(upper) and explained(lower) + explained(upper) > best:
                    best, parts = explained(lower) + explained(upper), (lower, upper)
        if parts is None:
            whole.add(worst)
        else:
            boxes[worst] = parts[0]
            boxes.append(parts[1])
    return np.stack([np.rint(box.mean(axis=0)) for box in boxes])


@pytest.mark.parametrize("colors", [2, 3, 16, 40])
def test_is_wus_algorithm(photos, special, colors):
    for images in (photos[::4], special[:2]):
        result = Wu().palettize(images, colors)
        for image, palette in zip(images, result.palettes, strict=True):
            expected = wu_slowly(image, colors)
            assert (palette[: len(expected)] == expected).all()
            assert (palette[len(expected) :] == expected[-1]).all()


@pytest.mark.parametrize("colors", [2, 64])
def test_every_pixel_gets_its_nearest_color(photos, colors):
    result = Wu().palettize(photos, colors)
    assert (result.indices == nearest_entries(photos, result.palettes)).all()


@pytest.mark.parametrize(("colors", "most"), [(2, 1.02), (4, 1.2), (16, 1.25)])
def test_error_lies_between_k_means_and_median_cut(photos, mse, colors, most):
    wu = mse(Wu().palettize(photos, colors), photos).mean()
    kmeans = mse(KMeans(n_init=5).palettize(photos, colors), photos).mean()
    assert kmeans <= wu < most * kmeans
    assert wu < mse(MedianCut().palettize(photos, colors), photos).mean()


def test_colors_of_one_cell_are_not_told_apart():
    images = np.full((1, 4, 4, 3), 64, np.uint8)
    images[:, :2], images[:, 3] = 68, 200
    assert sorted(Wu().palettize(images, 8).palettes[0, :2, 0].tolist()) == [67, 200]


def test_the_sums_of_a_large_photograph_do_not_overflow():
    images = np.full((1, 3000, 3000, 3), 255, np.uint8)
    images[:, :1000] = 200
    assert sorted(Wu().palettize(images, 2).palettes[0].tolist()) == [[200] * 3, [255] * 3]
