"""CQFormer's equations against the loops that the authors' formulas spell out."""

import colorsys
import math

import numpy as np
import pytest
import torch

from methods.colorcnn.equations import regularizer
from methods.cqformer import equations

SHAPES = [(1, 2, 1, 1), (2, 3, 4, 5), (1, 5, 6, 3)]
SPECIAL = [(0, 0, 0), (1, 1, 1), (0.5, 0.5, 0.5), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1)]


def draw(batch, colors, height, width, sharpness=2.0):
    generator = torch.Generator().manual_seed(colors)
    x = torch.rand(batch, 3, height, width, generator=generator, dtype=torch.float64)
    logits = sharpness * torch.randn(batch, colors, height, width, generator=generator, dtype=torch.float64)
    return x, logits.softmax(dim=1)


@pytest.mark.parametrize("temperature", [0.01, 1.0])
def test_the_map_in_training_is_a_softmax_of_a_softmax(temperature):
    _, p = draw(2, 3, 4, 5)
    m = equations.sharpened(p, temperature)
    for b, u, v in np.ndindex(2, 4, 5):
        powers = [math.exp(p[b, c, u, v] / temperature) for c in range(3)]
        assert m[b, :, u, v].tolist() == pytest.approx([power / sum(powers) for power in powers])


def test_hue_chroma_and_value_are_pythons():
    colors = np.concatenate([SPECIAL, np.random.default_rng(0).random((200, 3))])
    hue, chroma, value = equations.hue_chroma_value(torch.from_numpy(colors).T[None])
    for n, color in enumerate(colors):
        h, s, v = colorsys.rgb_to_hsv(*color)
        assert hue[0, n].item() == pytest.approx(h, abs=1e-6)
        assert chroma[0, n].item() == pytest.approx(s * v, abs=1e-12)
        assert value[0, n].item() == v


def cone(h, s, v):
    """A point of the cone of slant height sqrt 2 and half-angle 30 degrees, its tip black."""
    radius, height = math.sqrt(2) * math.sin(math.radians(30)), math.sqrt(2) * math.cos(math.radians(30))
    across, along = math.cos(2 * math.pi * h), math.sin(2 * math.pi * h)
    return np.array([radius * v * s * across, radius * v * s * along, height * (1 - v)])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_color_regularizer_is_each_clusters_variance_in_the_cone(shape):
    x, m = draw(*shape)
    batch, colors, height, width = shape
    pixels = list(np.ndindex(height, width))
    found = equations.color_regularizer(x, m)
    for b in range(batch):
        variances = []
        for c in range(colors):
            mass = sum(m[b, c, u, v].item() for u, v in pixels)
            mean = sum(m[b, c, u, v].item() * x[b, :, u, v].numpy() for u, v in pixels) / mass
            center = cone(*colorsys.rgb_to_hsv(*mean))
            total = 0.0
            for u, v in pixels:
                share = m[b, c, u, v].item()
                point = cone(*(share * part for part in colorsys.rgb_to_hsv(*x[b, :, u, v].tolist())))
                total += share * ((point - center) ** 2).sum()
            variances.append(total / mass)
        assert found[b].item() == pytest.approx(np.mean(variances), rel=1e-6)


def test_clusters_of_one_color_each_have_no_variance_and_mixed_ones_have():
    x = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 0, 1], [0.2, 0.2, 0.2]], dtype=torch.float64).T.reshape(1, 3, 1, 4)
    own = torch.eye(3, dtype=torch.float64)[:, [0, 0, 1, 2]].reshape(1, 3, 1, 4)
    assert equations.color_regularizer(x, own).item() == pytest.approx(0, abs=1e-12)
    assert equations.color_regularizer(x, own[:, [1, 2, 0]].flip(3)).item() > 0.05


def test_gradients_stay_finite_where_hue_is_undefined_and_colors_have_no_pixel():
    x = torch.tensor(SPECIAL, dtype=torch.float32).T.reshape(1, 3, 3, 3)
    logits = torch.zeros(1, 3, 3, 3)
    logits[:, 0], logits[:, 2] = 200, -200
    logits[0, 1, 0, 0] = 200
    logits.requires_grad_()
    equations.color_regularizer(x, logits.softmax(dim=1)).sum().backward()
    assert logits.grad.isfinite().all()


def test_the_regularizer_of_diversity_is_colorcnns_by_image():
    _, m = draw(2, 3, 4, 5)
    largest = [[max(m[b, c, u, v].item() for u, v in np.ndindex(4, 5)) for c in range(3)] for b in range(2)]
    expected = [math.log2(3) * (1 - sum(values) / 3) for values in largest]
    assert regularizer(m).tolist() == pytest.approx(expected)


def test_the_perceptual_loss_is_the_mean_squared_error():
    (x, _), (other, _) = draw(2, 3, 4, 5), draw(2, 2, 4, 5)
    expected = [np.mean([(x[(b, *i)] - other[(b, *i)]).item() ** 2 for i in np.ndindex(3, 4, 5)]) for b in range(2)]
    assert equations.perceptual_loss(x, other).tolist() == pytest.approx(expected)
