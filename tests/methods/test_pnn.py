import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering

from methods.kmeans import KMeans
from methods.palettes import nearest_entries
from methods.pnn import PairwiseNearestNeighbor


def merged_slowly(pixels, colors, bits=8):
    """The rounded means that are left when the price of every pair is computed anew before each merge."""
    _, cells, counts = np.unique(pixels >> 8 - bits, axis=0, return_inverse=True, return_counts=True)
    sums, counts = np.stack([np.bincount(cells, channel) for channel in pixels.T], axis=1), counts.astype(float)
    while len(counts) > colors:
        means = sums / counts[:, None]
        squares = sum((channel - channel[:, None]) ** 2 for channel in means.T)
        prices = counts * counts[:, None] / (counts + counts[:, None]) * squares
        prices[np.triu_indices(len(counts))] = np.inf
        younger, older = np.unravel_index(np.argmin(prices), prices.shape)
        sums = np.vstack([np.delete(sums, [younger, older], axis=0), sums[younger] + sums[older]])
        counts = np.append(np.delete(counts, [younger, older]), counts[younger] + counts[older])
    return np.rint(sums / counts[:, None])


@pytest.mark.parametrize("colors", [2, 3, 16, 100])
def test_merges_in_the_order_of_an_exhaustive_search(photos, special, colors):
    for images in (photos[::3, :14, :14], special):
        palettes = PairwiseNearestNeighbor().palettize(images, colors).palettes
        for image, palette in zip(images, palettes, strict=True):
            expected = merged_slowly(image.reshape(-1, 3), colors)
            assert (palette[: len(expected)] == expected).all()
            assert (palette[len(expected) :] == expected[-1]).all()


@pytest.mark.parametrize("colors", [2, 7, 40])
def test_of_equally_cheap_pairs_the_oldest_is_merged(colors):
    images = 40 * np.random.default_rng(0).integers(0, 5, (3, 12, 12, 3)).astype(np.uint8)
    for image, palette in zip(images, PairwiseNearestNeighbor().palettize(images, colors).palettes, strict=True):
        assert (palette == merged_slowly(image.reshape(-1, 3), colors)).all()


@pytest.mark.parametrize("colors", [2, 9, 64])
def test_is_wards_clustering(colors):
    images = np.random.default_rng(0).normal(128, 40, (2, 20, 20, 3)).clip(0, 255).astype(np.uint8)
    for image, palette in zip(images, PairwiseNearestNeighbor().palettize(images, colors).palettes, strict=True):
        pixels = image.reshape(-1, 3)
        labels = AgglomerativeClustering(colors, linkage="ward").fit_predict(pixels)
        means = [tuple(np.rint(pixels[labels == label].mean(axis=0))) for label in range(colors)]
        assert sorted(means) == sorted(map(tuple, palette))


@pytest.mark.parametrize(("points", "bits"), [(469, 8), (460, 7), (400, 6), (300, 5), (256, 5)])
def test_of_too_many_colors_the_cells_of_the_finest_histogram_that_will_do_are_merged(photos, points, bits):
    image = photos[4, :24, :20]
    pixels = image.reshape(-1, 3)
    cells = {b: len(np.unique(pixels >> 8 - b, axis=0)) for b in range(5, 9)}
    assert max((b for b in cells if cells[b] <= points), default=5) == bits
    palette = PairwiseNearestNeighbor(points=points).palettize(image[None], 200).palettes[0]
    assert (palette == merged_slowly(pixels, 200, bits)).all()


@pytest.mark.parametrize("colors", [2, 64])
def test_every_pixel_gets_its_nearest_color(photos, colors):
    result = PairwiseNearestNeighbor().palettize(photos, colors)
    assert (result.indices == nearest_entries(photos, result.palettes)).all()


@pytest.mark.parametrize("colors", [2, 17, 256])
def test_an_image_of_few_colors_stays_as_it_is(special, colors):
    for image, reduced in zip(special, PairwiseNearestNeighbor().palettize(special, colors).render(), strict=True):
        if len(np.unique(image.reshape(-1, 3), axis=0)) <= colors:
            assert (reduced == image).all()


@pytest.mark.parametrize(("colors", "most"), [(2, 1.15), (4, 1.15), (16, 1.05)])
def test_costs_hardly_more_than_k_means(photos, mse, colors, most):
    kmeans = mse(KMeans(n_init=5).palettize(photos, colors), photos).mean()
    assert mse(PairwiseNearestNeighbor().palettize(photos, colors), photos).mean() < most * kmeans


def test_the_sums_of_a_large_photograph_do_not_overflow():
    images = np.full((1, 3000, 3000, 3), 255, np.uint8)
    images[:, :1000], images[:, 0] = 200, 203
    assert PairwiseNearestNeighbor().palettize(images, 2).palettes[0].tolist() == [[255] * 3, [200] * 3]
