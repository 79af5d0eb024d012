import numpy as np
import pytest

from methods.binary_splitting import BinarySplitting
from methods.kmeans import KMeans
from methods.median_cut import MedianCut
from methods.palettes import nearest_entries


def principal(pixels):
    """The largest eigenvalue of the sum of squared deviations, and its eigenvector."""
    deviations = pixels - pixels.mean(axis=0)
    values, vectors = np.linalg.eigh(deviations.T @ deviations)
    axis = vectors[:, -1]
    return values[-1], axis * np.sign(axis[first_largest(np.abs(axis))])


def first_largest(values):
    """Of those that differ by rounding alone."""
    return int(np.flatnonzero(np.isclose(values, np.max(values), rtol=1e-9))[0])


def split_slowly(image, colors):
    """Each pixel's leaf and the leaves' means, all as arrays of pixels."""
    pixels = image.reshape(-1, 3).astype(float)
    leaves, found = np.zeros(len(pixels), int), [principal(pixels)]
    for new in range(1, colors):
        longest = first_largest([value for value, _ in found])
        value, axis = found[longest]
        if value < 1e-6:
            break
        own = pixels[leaves == longest]
        leaves[np.flatnonzero(leaves == longest)[own @ axis > own.mean(axis=0) @ axis + 1e-7]] = new
        found[longest] = principal(pixels[leaves == longest])
        found.append(principal(pixels[leaves == new]))
    return leaves, np.stack([np.rint(pixels[leaves == leaf].mean(axis=0)) for leaf in range(leaves.max() + 1)])


@pytest.mark.parametrize("colors", [2, 3, 16, 100])
def test_is_the_article_with_numpys_eigenvectors(photos, colors):
    noise = np.random.default_rng(1).integers(0, 256, (3, 16, 16, 3), np.uint8)
    for images in (photos[::4], noise):
        result = BinarySplitting(mapping="tree").palettize(images, colors)
        for image, indices, palette in zip(images, result.indices, result.palettes, strict=True):
            leaves, expected = split_slowly(image, colors)
            assert (indices.ravel() == leaves).all()
            assert (palette[: len(expected)] == expected).all()
            assert (palette[len(expected) :] == expected[-1]).all()


def test_what_is_on_the_plane_is_below_it():
    images = np.array([10, 20, 30], np.uint8).reshape(1, 1, 3, 1).repeat(3, axis=3)
    result = BinarySplitting(mapping="tree").palettize(images, 2)
    assert result.palettes[0].tolist() == [[15] * 3, [30] * 3]
    assert result.indices[0].tolist() == [[0, 0, 1]]


@pytest.mark.parametrize("mapping", ["nearest", "tree"])
@pytest.mark.parametrize("colors", [2, 17, 256])
def test_an_image_of_few_colors_stays_as_it_is(special, colors, mapping):
    shown = BinarySplitting(mapping=mapping).palettize(special, colors).render()
    for image, reduced in zip(special, shown, strict=True):
        if len(np.unique(image.reshape(-1, 3), axis=0)) <= colors:
            assert (reduced == image).all()


@pytest.mark.parametrize("colors", [2, 16, 256])
def test_there_are_as_many_leaves_as_asked_for(photos, colors):
    indices = BinarySplitting(mapping="tree").palettize(photos, colors).indices
    distinct = [len(np.unique(image.reshape(-1, 3), axis=0)) for image in photos]
    assert [len(np.unique(image)) for image in indices] == [min(colors, available) for available in distinct]


@pytest.mark.parametrize("colors", [2, 64])
def test_every_pixel_gets_its_nearest_color_or_that_of_its_leaf(photos, mse, colors):
    tree, nearest = (BinarySplitting(mapping=mapping).palettize(photos, colors) for mapping in ("tree", "nearest"))
    assert (tree.palettes == nearest.palettes).all()
    assert (nearest.indices == nearest_entries(photos, nearest.palettes)).all()
    assert mse(nearest, photos).mean() < mse(tree, photos).mean()


@pytest.mark.parametrize(("colors", "most"), [(2, 1.3), (4, 1.3), (16, 1.3)])
def test_error_lies_between_k_means_and_median_cut(photos, mse, colors, most):
    split = mse(BinarySplitting().palettize(photos, colors), photos).mean()
    kmeans = mse(KMeans(n_init=5).palettize(photos, colors), photos).mean()
    assert kmeans <= split < most * kmeans
    assert split < mse(MedianCut().palettize(photos, colors), photos).mean()


def test_the_sums_of_a_large_photograph_do_not_overflow():
    images = np.full((1, 3000, 3000, 3), 255, np.uint8)
    images[:, :1000] = 200
    assert sorted(BinarySplitting().palettize(images, 2).palettes[0].tolist()) == [[200] * 3, [255] * 3]
