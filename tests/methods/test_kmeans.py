import numpy as np
import pytest
from sklearn.cluster import KMeans as SklearnKMeans

from methods.kmeans import KMeans
from methods.kmeans_loops import GIVEN, RANDOM, kmeans_centers
from methods.median_cut import MedianCut
from methods.spaces import from_space, to_space

INITS = ["k-means++", "random", "maximin", "median-cut"]


def lloyd_slowly(pixels, centers, iterations):
    pixels = pixels.reshape(-1, 3).astype(float)
    labels = None
    for _ in range(iterations):
        before, labels = labels, ((pixels[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)
        if before is not None and (before == labels).all():
            break
        assert len(np.unique(labels)) == len(centers), "this loop knows no empty clusters"
        centers = np.stack([pixels[labels == c].mean(axis=0) for c in range(len(centers))])
    return centers


@pytest.mark.parametrize("iterations", [1, 3, 1000])
@pytest.mark.parametrize("colors", [2, 6, 16])
def test_is_lloyds_algorithm(photos, colors, iterations):
    result = KMeans(init="median-cut", iterations=iterations).palettize(photos, colors)
    starts = MedianCut().palettize(photos, colors).palettes.astype(float)
    for image, palette, start in zip(photos, result.palettes, starts, strict=True):
        assert (palette == np.rint(lloyd_slowly(image, start, iterations))).all()


@pytest.mark.parametrize("colors", [2, 8, 32])
def test_error_is_near_scikit_learns(photos, mse, colors):
    ours = mse(KMeans().palettize(photos, colors), photos)
    theirs = []
    for image in photos:
        fitted = SklearnKMeans(colors, n_init=3, random_state=0).fit(image.reshape(-1, 3).astype(float))
        theirs.append(fitted.inertia_ / image.size)
    assert ours.mean() < 1.03 * np.mean(theirs)


@pytest.mark.parametrize("colors", [2, 8, 64, 256])
@pytest.mark.parametrize("init", INITS)
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


@pytest.mark.parametrize("space", ["rgb", "lab"])
@pytest.mark.parametrize("init", INITS)
def test_images_with_few_colors_stay_as_they_are(special, init, space):
    result = KMeans(init=init, space=space).palettize(special, 64).render()
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
    centers = np.empty((1, 4, 3))
    all_alike = np.full((1, 1, 4, 3), 128.0)
    kmeans_centers(blobs.astype(np.uint8), blobs.astype(float), GIVEN, all_alike, np.empty((1, 1, 4, 0)), 100, centers)
    assert sorted(np.rint(centers[0]).tolist()) == sorted(means.tolist())


def maximin_slowly(points, count):
    centers = [points.mean(axis=0)]
    while len(centers) < count:
        nearest = np.min([((points - center) ** 2).sum(axis=1) for center in centers], axis=0)
        centers.append(points[nearest.argmax()])
    return np.stack(centers)


@pytest.mark.parametrize("space", ["rgb", "lab"])
@pytest.mark.parametrize("colors", [2, 6, 16])
def test_maximin_starts_with_the_farthest(photos, colors, space):
    result = KMeans(init="maximin", iterations=3, space=space).palettize(photos, colors)
    for image, palette in zip(photos, result.palettes, strict=True):
        points = to_space(np.sort(image.reshape(-1, 3).view("u1,u1,u1"), axis=0).view(np.uint8).reshape(-1, 3), space)
        start = maximin_slowly(points, colors)
        expected = lloyd_slowly(points, start, 3)
        assert (palette == from_space(expected, space)).all()


def test_random_starts_are_colors_of_the_image_all_different(photos, special):
    for images in (photos, special):
        uniforms = np.random.default_rng(0).random((len(images), 1, 6, 1))
        flat = images.reshape(len(images), -1, 3)
        centers = np.empty((len(images), 6, 3))
        kmeans_centers(flat, flat.astype(float), RANDOM, np.empty((len(images), 1, 6, 3)), uniforms, 0, centers)
        for image, drawn in zip(flat, centers, strict=True):
            present = set(map(tuple, image.tolist()))
            assert set(map(tuple, drawn.tolist())) <= present
            assert len(set(map(tuple, drawn.tolist()))) == min(6, len(present))


def test_random_starts_follow_the_number_of_pixels():
    image = np.zeros((1, 100, 3), np.uint8)
    image[0, :90], image[0, 99] = 200, 50
    images = image.repeat(2000, axis=0)
    centers = np.empty((2000, 2, 3))
    uniforms = np.random.default_rng(0).random((2000, 1, 2, 1))
    kmeans_centers(images, images.astype(float), RANDOM, np.empty((2000, 1, 2, 3)), uniforms, 0, centers)
    assert (centers[:, 0, 0] == 200).mean() == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("colors", [4, 16])
def test_each_space_has_the_least_error_by_its_own_distance(photos, colors):
    shown = {space: KMeans(space=space, n_init=3).palettize(photos, colors).render() for space in ("rgb", "lab")}
    for own, other in (("rgb", "lab"), ("lab", "rgb")):
        errors = {
            space: ((to_space(image, own) - to_space(photos, own)) ** 2).sum(axis=-1).mean()
            for space, image in shown.items()
        }
        assert errors[own] < errors[other]


def test_the_seed_matters_and_images_draw_their_own_numbers(photos):
    first, second = (KMeans(seed=seed, iterations=1).palettize(photos, 8).palettes for seed in (0, 1))
    assert (first != second).any()
