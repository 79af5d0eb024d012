from collections import defaultdict

import pytest

from methods.median_cut import MedianCut
from methods.palettes import nearest_entries
from methods.popularity import Popularity


def popular_slowly(image, colors):
    cells = defaultdict(list)
    for pixel in image.reshape(-1, 3).tolist():
        cells[tuple(channel // 8 for channel in pixel)].append(pixel)
    ranked = sorted(cells.items(), key=lambda cell: (-len(cell[1]), cell[0]))
    return [[round(sum(c) / len(pixels)) for c in zip(*pixels, strict=True)] for _, pixels in ranked[:colors]]


@pytest.mark.parametrize("colors", [2, 16, 256])
def test_takes_the_fullest_cells(photos, special, colors):
    for images in (photos, special):
        result = Popularity().palettize(images, colors)
        assert (result.indices == nearest_entries(images, result.palettes)).all()
        for image, palette in zip(images, result.palettes, strict=True):
            expected = popular_slowly(image, colors)
            assert palette[: len(expected)].tolist() == expected
            assert (palette[len(expected) :] == expected[-1]).all()


@pytest.mark.parametrize("colors", [2, 16])
def test_small_regions_pay_for_popularity(photos, mse, colors):
    popular, split = (mse(m.palettize(photos, colors), photos).mean() for m in (Popularity(), MedianCut()))
    assert popular > split
