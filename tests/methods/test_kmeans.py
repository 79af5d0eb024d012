import numpy as np
import pytest
from sklearn.cluster import KMeans as SklearnKMeans

from methods.kmeans import KMeans
from methods.kmeans_loops import kmeans_palettes
from methods.median_cut import MedianCut


def lloyd_slowly(image, centers, iterations):
    pixels = image.reshape(-1, 3).astype(float)
    labels = None
    for _ in range(iterations):
        before, labels = labels, ((pixels[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)
        if before is not None and (before == labels).all():
            break
        assert len(np.unique(labels)) == len(centers), "this loop knows no empty clusters"
        centers = np.stack([pixels[labels == c].mean(axis=0) for c in range(len(centers))])
    return np.rint(centers)


@pytest.mark.parametrize("iterations", [1, 3, 1000])
@pytest.mark.parametrize("colors", [2, 6, 16])
def test_is_lloyds_algorithm(photos, colors, iterations):
    result = KMeans(init="median-cut", iterations=iterations).palettize(photos, colors)
    starts = MedianCut().palettize(photos, colors).palettes.astype(float)
    for image, palette, start in zip(photos, result.palettes, starts, strict=True):
        assert (palette == lloyd_slowly(image, start, iterations)).all()


@pytest.mark.parametrize("colors", [2, 8, 32])
def test_error_is_near_scikit_learns(photos, mse, colors):
    ours = mse(KMeans().palettize(photos, colors), photos)
    theirs = []
    for image in photos:
        fitted = SklearnKMeans(colors, n_init=3, random_state=0).fit(image.reshape(-1, 3).astype(float))
        theirs.append(fitted.inertia_ / image.size)
    assert ours.mean() < 1.03 * np.mean(theirs)


@pytest.mark.parametrize("colors", [2, 8, 64, 256])
@pytest.mark.parametrize("init", ["k-means++", "median-cut"])
def test_error_is_below_median_cuts(photos, mse, colors, init):
    assert (
        mse(KMeans(init=init).palettize(photos, colors), photos).mean()
        < mse(MedianCut().palettize(photos, colors), photos).mean()
    )


def test_more_starts_and_more_iterations_do_not_add_error(photos, mse):
    errors = [mse(KMeans(n_init=n).palettize(photos, 12), photos).mean() for n in (1, 4, 16)]
    assert errors == sorted(errors, reverse=True)
    errors = [mse(KMeans(iterations=i, init="median-cut").palettize(photos, 12), photos).mean() for i in (1, 4, 100)]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("init", ["k-means++", "median-cut"])
def test_images_with_few_colors_stay_as_they_are(special, init):
    result = KMeans(init=init).palettize(special, 64).render()
    for image, reduced in zip(special, result, strict=True):
        if len(np.unique(image.reshape(-1, 3), axis=0)) <= 64:
            assert (reduced == image).all()


def test_every_color_is_used_where_there_are_enough(photos):
    distinct = [len(np.unique(image.reshape(-1, 3), axis=0)) for image in photos]
    found = KMeans().palettize(photos, 16).colors()
    assert all(colors == 16 for colors, available in zip(found, distinct, strict=True) if available > 64)


def test_empty_clusters_take_over_what_costs_most():
    means = np.array([[20, 20, 20], [20, 220, 120], [220, 20, 220], [220, 220, 20]])
    blobs = (means[:, None] + np.array([[-2, 0, 1], [2, 0, -1], [0, 3, 0], [0, -3, 0]])).reshape(1, -1, 3)
    palettes = np.empty((1, 4, 3), np.uint8)
    all_alike = np.full((1, 1, 4, 3), 128.0)
    kmeans_palettes(blobs.astype(np.uint8), all_alike, np.empty((1, 0, 4, 1)), 100, palettes)
    assert sorted(palettes[0].tolist()) == sorted(means.tolist())


def test_the_seed_matters_and_images_draw_their_own_numbers(photos):
    first, second = (KMeans(seed=seed, iterations=1).palettize(photos, 8).palettes for seed in (0, 1))
    assert (first != second).any()
