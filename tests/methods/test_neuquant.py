import numpy as np
import pytest

from methods.kmeans import KMeans
from methods.median_cut import MedianCut
from methods.neuquant import NeuQuant
from methods.neuquant_loops import _step
from methods.palettes import mean_palettes, nearest_entries


def network_slowly(image, colors, samples, sampling, cycles, beta, gamma):
    """Whole arrays where the method has loops: biases from frequencies, a neighborhood as a function of distance."""
    pixels = image.reshape(-1, 3).astype(float)
    step = next(prime for prime in (499, 491, 487, 503) if len(pixels) % prime)
    line = np.arange(colors)
    neurons = np.repeat(256 * line[:, None] / colors, 3, axis=1)
    frequency = np.full(colors, 1 / colors)
    alpha, radius = 1.0, max(colors / 8, 4)
    for sample in range(samples):
        pixel = pixels[sample * step % len(pixels)]
        distance = np.abs(neurons - pixel).sum(axis=1)
        chosen = int(np.argmin(distance - gamma * (1 / colors - frequency)))
        frequency = frequency - beta * frequency + beta * (line == np.argmin(distance))
        reach = max(1, int(radius))
        pull = np.clip(1 - (line - chosen) ** 2 / reach**2, 0, None)
        neurons += alpha * pull[:, None] * (pixel - neurons)
        if (sample + 1) % max(1, samples // cycles) == 0:
            alpha *= 1 - 1 / (30 + (sampling - 1) / 3)
            radius *= 1 - 1 / 30
    return neurons


@pytest.mark.parametrize(("colors", "sampling"), [(2, 1), (7, 2), (40, 1), (256, 4)])
def test_is_dekkers_network(photos, colors, sampling):
    images = photos[[2, 4], :31, :28]
    method = NeuQuant(sampling=sampling, least_samples=1, cycles=20, beta=1 / 256)
    samples = round(868 / sampling)
    for image, palette in zip(images, method.palettize(images, colors).palettes, strict=True):
        expected = network_slowly(image, colors, samples, sampling, 20, 1 / 256, 4 * colors)
        assert (palette == np.rint(expected).clip(0, 255)).all()


@pytest.mark.parametrize("sides", [(499, 1), (491, 499), (2, 998), (3, 5)])
def test_steps_meet_every_pixel(sides):
    pixels = sides[0] * sides[1]
    step = _step(pixels)
    assert step in (499, 491, 487, 503)
    assert len(np.unique(np.arange(pixels) * step % pixels)) == pixels


@pytest.mark.parametrize("colors", [2, 4, 16, 64])
def test_error_lies_between_k_means_and_median_cut(photos, mse, colors):
    neuquant = mse(NeuQuant().palettize(photos, colors), photos).mean()
    assert mse(KMeans(n_init=3).palettize(photos, colors), photos).mean() < neuquant
    assert neuquant < mse(MedianCut().palettize(photos, colors), photos).mean()


def test_biases_make_rare_neurons_win(photos):
    shares = []
    for gamma in (0.0, 1024.0):
        indices = NeuQuant(gamma=gamma).palettize(photos, 8).indices.reshape(len(photos), -1)
        counts = np.stack([np.bincount(row, minlength=8) for row in indices])
        shares.append(counts.min(axis=1).mean())
    assert shares[1] > 1.2 * shares[0]


def test_neighborhoods_keep_neurons_in_use(photos):
    used = [NeuQuant(radius=radius).palettize(photos, 8).colors().mean() for radius in (1.0, None)]
    assert used[0] < 5
    assert used[1] > 7.5


@pytest.mark.parametrize("colors", [2, 16])
def test_means_have_less_error_than_neurons(photos, mse, colors):
    neurons = NeuQuant().palettize(photos, colors)
    means = NeuQuant(entries="means").palettize(photos, colors)
    assert (mse(means, photos) <= mse(neurons, photos)).all()
    nearest = nearest_entries(photos, neurons.palettes)
    expected = mean_palettes(photos, nearest, colors)
    used = (nearest.reshape(len(photos), -1, 1) == np.arange(colors)).any(axis=1)
    assert (means.palettes[used] == expected[used]).all()
    assert (means.palettes[~used] == neurons.palettes[~used]).all()


def test_neighbors_on_the_line_have_similar_colors(photos):
    palettes = NeuQuant().palettize(photos, 64).palettes.astype(float)
    beside = np.abs(np.diff(palettes, axis=1)).sum(axis=-1).mean()
    shuffled = palettes[:, np.random.default_rng(0).permutation(64)]
    assert beside < 0.5 * np.abs(np.diff(shuffled, axis=1)).sum(axis=-1).mean()


def test_samples_are_bounded(photos):
    few = NeuQuant(least_samples=1, most_samples=256).palettize(photos, 8).palettes
    assert (few == NeuQuant(least_samples=256, most_samples=256).palettize(photos, 8).palettes).all()


def test_images_with_few_colors_stay_as_they_are(special):
    for entries in ("neurons", "means"):
        result = NeuQuant(entries=entries).palettize(special, 64).render()
        for image, reduced in zip(special, result, strict=True):
            if len(np.unique(image.reshape(-1, 3), axis=0)) <= 64:
                assert (reduced == image).all()
