"""The loops of NeuQuant, compiled."""

from __future__ import annotations

import numpy as np
from numba import boolean, float64, int64, uint8, void
from numpy.typing import NDArray

from methods.compiled import compiled, given, made

PRIMES = np.array([499, 491, 487, 503])
"""Steps from pixel to pixel; no image has a number of pixels that all of them divide."""


@compiled()
def _step(pixels: int) -> int:
    """The first prime that does not divide the number of pixels: steps of it, modulo that number, meet all of them."""
    for prime in PRIMES:
        if pixels % prime != 0:
            return prime
    return 1


@compiled()
def _contest(
    r: float,
    g: float,
    b: float,
    neurons: NDArray[np.float64],
    frequencies: NDArray[np.float64],
    beta: float,
    gamma: float,
    distances: NDArray[np.float64],
) -> int:
    """The neuron that learns; the frequencies take notice of the one that is nearest."""
    count = len(frequencies)
    for c in range(count):
        distances[c] = abs(neurons[0, c] - r) + abs(neurons[1, c] - g) + abs(neurons[2, c] - b)
    nearest, chosen = 0, 0
    least, biased_least = np.inf, np.inf
    for c in range(count):
        if distances[c] < least:
            nearest, least = c, distances[c]
        biased = distances[c] - gamma * (1 / count - frequencies[c])
        if biased < biased_least:
            chosen, biased_least = c, biased
    for c in range(count):
        frequencies[c] -= beta * frequencies[c]
    frequencies[nearest] += beta
    return chosen


@compiled()
def _learn(r: float, g: float, b: float, neurons: NDArray[np.float64], chosen: int, alpha: float, radius: int) -> None:
    """Moves the chosen neuron by the share ``alpha`` towards a color, those beside it by less."""
    for c in range(max(0, chosen - radius + 1), min(neurons.shape[1], chosen + radius)):
        share = alpha * (1 - (c - chosen) ** 2 / radius**2)
        neurons[0, c] += share * (r - neurons[0, c])
        neurons[1, c] += share * (g - neurons[1, c])
        neurons[2, c] += share * (b - neurons[2, c])


@compiled(void(given(uint8, 3), given(boolean, 1), int64, int64, float64, float64, float64, float64, made(float64, 3)))
def train_networks(
    pixels: NDArray[np.uint8],
    skip: NDArray[np.bool_],
    samples: int,
    cycles: int,
    first_radius: float,
    alpha_decay: float,
    beta: float,
    gamma: float,
    networks: NDArray[np.float64],
) -> None:
    """The network of each of N images with P pixels, see ``methods.neuquant``.

    pixels: ``[N, P, 3]``; skip: ``[N]``, images that are left out; samples: pixels shown to each; first_radius: of the
    neighborhood that learns; alpha_decay: one
    over the share by which alpha falls; networks: ``[N, C, 3]``, written.
    """
    count = networks.shape[1]
    total = pixels.shape[1]
    per_cycle = max(1, samples // cycles)
    step = _step(total)
    neurons, frequencies, distances = np.empty((3, count)), np.empty(count), np.empty(count)
    for n in range(len(pixels)):
        if skip[n]:
            continue
        for c in range(count):
            neurons[:, c] = 256 * c / count
            frequencies[c] = 1 / count
        alpha, radius = 1.0, first_radius
        place = 0
        for sample in range(samples):
            r, g, b = float(pixels[n, place, 0]), float(pixels[n, place, 1]), float(pixels[n, place, 2])
            chosen = _contest(r, g, b, neurons, frequencies, beta, gamma, distances)
            _learn(r, g, b, neurons, chosen, alpha, max(1, int(radius)))
            place = (place + step) % total
            if (sample + 1) % per_cycle == 0:
                alpha -= alpha / alpha_decay
                radius -= radius / 30
        for c in range(count):
            for channel in range(3):
                networks[n, c, channel] = neurons[channel, c]
