from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from methods.median_cut import MedianCut
from methods.otsu import Otsu, luma


def test_luma_is_pillows(photos, special):
    for images in (photos, special):
        for image, shades in zip(images, luma(images), strict=True):
            assert (shades == np.asarray(Image.fromarray(image).convert("L"))).all()


def threshold_slowly(shades):
    """Otsu 1979, Eq. 14-18: the k that maximizes the variance between the classes up to k and above it."""
    levels = np.arange(256)
    p = np.bincount(shades.ravel(), minlength=256) / shades.size
    between = []
    for k in range(255):
        omega, mu, mu_total = p[: k + 1].sum(), (levels * p)[: k + 1].sum(), (levels * p).sum()
        between.append((mu_total * omega - mu) ** 2 / (omega * (1 - omega)) if 1e-12 < omega < 1 - 1e-12 else 0)
    return np.argmax(between), between


def test_two_colors_are_otsus_threshold(photos):
    result = Otsu().palettize(photos, 2)
    for image, indices, palette in zip(photos, result.indices, result.palettes, strict=True):
        shades = np.asarray(Image.fromarray(image).convert("L"))
        threshold, _ = threshold_slowly(shades)
        assert (indices == (shades > threshold)).all()
        for part in (0, 1):
            assert np.abs(image[indices == part].mean(axis=0) - palette[part]).max() <= 0.5


def variance_within(shades, indices):
    return sum(((shades[indices == i] - shades[indices == i].mean()) ** 2).sum() for i in np.unique(indices))


@pytest.mark.parametrize("colors", [2, 3, 4])
def test_no_other_thresholds_are_better(colors):
    coarse = np.random.default_rng(colors).choice(np.array([3, 9, 40, 41, 77, 120, 121, 190, 250]), (4, 9, 9))
    images = coarse[..., None].repeat(3, axis=3).astype(np.uint8)
    indices = Otsu().palettize(images, colors).indices
    for shades, found in zip(coarse.astype(float), indices, strict=True):
        assert len(np.unique(found)) == colors
        assert (np.diff(found.ravel()[shades.ravel().argsort(kind="stable")].astype(int)) >= 0).all()
        least = min(
            variance_within(shades, np.digitize(shades, cuts, right=True))
            for cuts in combinations(np.unique(shades)[:-1], colors - 1)
        )
        assert variance_within(shades, found) == pytest.approx(least)


@pytest.mark.parametrize("colors", [2, 9, 64])
def test_greys_get_less_error_than_by_median_cut(photos, mse, colors):
    greys = luma(photos)[..., None].repeat(3, axis=3)
    rounding = 0.5**2
    split = mse(MedianCut().palettize(greys, colors), greys)
    assert (mse(Otsu().palettize(greys, colors), greys) <= split + rounding).all()
    assert mse(Otsu().palettize(greys, colors), greys).mean() < 0.9 * split.mean()


def test_greys_with_few_shades_stay_as_they_are(photos):
    greys = (luma(photos) // 8 * 8)[..., None].repeat(3, axis=3)
    assert (Otsu().palettize(greys, 32).render() == greys).all()
