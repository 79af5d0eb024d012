import numpy as np
import pytest
from scipy.stats import qmc

from methods.kmeans import KMeans
from methods.kmeans_online import KMeansOnline
from methods.median_cut import MedianCut
from methods.palettes import nearest_entries


def online_slowly(image, colors, samples, exponent):
    """One pixel after the other, sampled at the points of scipy's Sobol sequence, which begins with 0, 0."""
    sampler = qmc.Sobol(2, scramble=False)
    sampler.fast_forward(1)
    height, width = image.shape[:2]
    centers = [image.reshape(-1, 3).mean(axis=0)]
    errors = [0.0]
    while len(centers) < colors:
        worst = np.argsort([-error for error in errors], kind="stable")
        order = range(len(centers)) if 2 * len(centers) <= colors else worst[: colors - len(centers)]
        centers += [centers[c].copy() for c in order]
        wins, errors = [0] * len(centers), [0.0] * len(centers)
        for _ in range(samples):
            x, y = sampler.random(1)[0]
            pixel = image[int(y * height), int(x * width)].astype(float)
            distances = [((center - pixel) ** 2).sum() for center in centers]
            nearest = int(np.argmin(distances))
            wins[nearest] += 1
            errors[nearest] += distances[nearest]
            centers[nearest] = centers[nearest] + wins[nearest] ** -exponent * (pixel - centers[nearest])
    return np.stack(centers)


@pytest.mark.filterwarnings("ignore:The balance properties")
@pytest.mark.parametrize(("colors", "exponent"), [(2, 0.5), (3, 0.7), (8, 1.0), (13, 0.5)])
def test_is_the_incremental_algorithm(photos, colors, exponent):
    images = photos[:2, :30, :21]
    method = KMeansOnline(exponent=exponent, sampling=0.5, least_samples=1)
    for image, palette in zip(images, method.palettize(images, colors).palettes, strict=True):
        assert (palette == np.rint(online_slowly(image, colors, 315, exponent))).all()


@pytest.mark.parametrize(("colors", "most"), [(2, 1.02), (5, 1.09), (16, 1.12), (64, 1.2)])
def test_error_is_near_that_of_k_means(photos, mse, colors, most):
    online = mse(KMeansOnline().palettize(photos, colors), photos).mean()
    assert online < most * mse(KMeans().palettize(photos, colors), photos).mean()
    assert online < mse(MedianCut().palettize(photos, colors), photos).mean()


def test_more_samples_less_error(photos, mse):
    errors = [mse(KMeansOnline(least_samples=n).palettize(photos, 16), photos).mean() for n in (64, 512, 8192)]
    assert errors == sorted(errors, reverse=True)


def test_every_pixel_gets_its_nearest_color(photos):
    result = KMeansOnline().palettize(photos, 16)
    assert (result.indices == nearest_entries(photos, result.palettes)).all()


def test_samples_are_bounded(photos):
    few = KMeansOnline(sampling=1, least_samples=1, most_samples=100).palettize(photos, 8).palettes
    assert (few == KMeansOnline(sampling=100 / 1024, least_samples=1).palettize(photos, 8).palettes).all()


def test_images_with_few_colors_stay_as_they_are(special):
    result = KMeansOnline().palettize(special, 64).render()
    for image, reduced in zip(special, result, strict=True):
        if len(np.unique(image.reshape(-1, 3), axis=0)) <= 64:
            assert (reduced == image).all()
