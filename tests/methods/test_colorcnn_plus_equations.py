"""The equations of ColorCNN+ against loops over pixels and colors."""

import math

import numpy as np
import pytest
import torch

from methods.colorcnn_plus import equations

GENERATOR = torch.Generator().manual_seed(7)


def logits(colors, side=4, batch=2):
    return 3 * torch.randn(batch, colors, side, side, generator=GENERATOR)


@pytest.mark.parametrize("colors", [2, 8, 64])
def test_a_colors_logit_is_the_mean_over_consecutive_groups_of_c_logits(colors):
    all_logits = logits(256, side=2)
    groups = 256 // colors
    found = equations.grouped_mean(all_logits, colors)
    assert found.shape == (2, colors, 2, 2)
    for b, c, i, j in np.ndindex(*found.shape):
        members = [all_logits[b, group * colors + c, i, j].item() for group in range(groups)]
        assert found[b, c, i, j].item() == pytest.approx(sum(members) / groups, abs=1e-5)


@pytest.mark.parametrize(("colors", "top"), [(2, 4), (4, 4), (8, 4), (16, 3), (8, None), (8, 1)])
def test_the_softmax_is_over_a_pixels_largest_logits_alone(colors, top):
    given = logits(colors)
    m = equations.top_softmax(given, top)
    for b, i, j in np.ndindex(2, 4, 4):
        at = given[b, :, i, j].tolist()
        kept = sorted(range(colors), key=lambda c: -at[c])[: top or colors]
        whole = sum(math.exp(at[c]) for c in kept)
        for c in range(colors):
            expected = math.exp(at[c]) / whole if c in kept else 1e-16
            assert m[b, c, i, j].item() == pytest.approx(expected, rel=1e-5)


def test_no_gradient_reaches_logits_that_are_not_among_the_largest():
    given = logits(8).requires_grad_()
    (equations.top_softmax(given, 4) * torch.randn(2, 8, 4, 4, generator=GENERATOR)).sum().backward()
    reached = (given.grad != 0).sum(dim=1)
    assert (reached == 4).all()


def test_of_equal_logits_as_many_as_asked_for_are_kept():
    m = equations.top_softmax(torch.zeros(1, 8, 3, 3), 4)
    assert ((m > 0.2).sum(dim=1) == 4).all()


@pytest.mark.parametrize("colors", [2, 5])
def test_color_absence_and_usage_entropy_against_loops(colors):
    m = logits(colors).softmax(dim=1)
    absence, entropy = equations.color_absence(m), equations.usage_entropy(m)
    for b in range(2):
        surest = [max(m[b, c, i, j].item() for i in range(4) for j in range(4)) for c in range(colors)]
        assert absence[b].item() == pytest.approx(1 - sum(surest) / colors, abs=1e-6)
        usage = [sum(m[b, c, i, j].item() for i in range(4) for j in range(4)) / 16 for c in range(colors)]
        assert entropy[b].item() == pytest.approx(-sum(p * math.log(p) for p in usage), abs=1e-6)


def test_absence_is_0_and_entropy_ln_c_where_each_color_has_as_many_pixels():
    m = torch.nn.functional.one_hot(torch.arange(16).view(1, 4, 4) % 4).permute(0, 3, 1, 2).float()
    assert equations.color_absence(m).item() == 0
    assert equations.usage_entropy(m).item() == pytest.approx(math.log(4))
    one = torch.zeros(1, 4, 4, 4)
    one[:, 0] = 1
    assert equations.color_absence(one).item() == pytest.approx(0.75)
    assert equations.usage_entropy(one).item() == pytest.approx(0, abs=1e-6)


def slow_similarity(m, clusters):
    """Both affinity matrices written out, ``[C, n]`` and ``[n]``."""
    colors, pixels = m.shape
    mine, theirs = np.zeros((pixels, pixels)), np.zeros((pixels, pixels))
    for i in range(pixels):
        for j in range(pixels):
            mine[i, j] = sum(m[c, i] * m[c, j] for c in range(colors))
            theirs[i, j] = clusters[i] == clusters[j]
    total = 0.0
    for row in range(pixels):
        unit = mine[row] / math.sqrt((mine[row] ** 2).sum())
        wanted = theirs[row] / math.sqrt((theirs[row] ** 2).sum())
        total += ((unit - wanted) ** 2).sum()
    return total / pixels


@pytest.mark.parametrize("colors", [2, 8])
def test_pixel_similarity_against_whole_affinity_matrices(colors):
    m = equations.top_softmax(logits(colors), 4).flatten(2)
    clusters = torch.randint(colors, (2, 16), generator=GENERATOR)
    found = equations.pixel_similarity(m, clusters)
    for b in range(2):
        assert found[b].item() == pytest.approx(slow_similarity(m[b].double().numpy(), clusters[b].numpy()), abs=1e-5)


def test_pixel_similarity_does_not_care_which_color_is_which_cluster():
    clusters = torch.randint(4, (3, 20), generator=GENERATOR)
    m = torch.nn.functional.one_hot((clusters + 1) % 4, 4).mT.float()
    assert equations.pixel_similarity(m, clusters).tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    apart = torch.arange(4)[None]  # all pixels of one color, each a cluster of its own: cos = 1 / sqrt(4)
    one_color = torch.eye(4)[:1].T.expand(4, 4)[None]
    assert equations.pixel_similarity(one_color, apart).item() == pytest.approx(2 - 2 * 0.5)


def test_the_gradient_of_pixel_similarity_is_that_of_the_affinity_matrices():
    given = logits(4, side=3, batch=1).double().requires_grad_()
    clusters = torch.randint(4, (1, 9), generator=GENERATOR)
    m = equations.top_softmax(given, None).flatten(2)
    [found] = torch.autograd.grad(equations.pixel_similarity(m, clusters).sum(), given, retain_graph=True)
    affinity = torch.nn.functional.normalize(m.mT @ m, dim=1)
    wanted = torch.nn.functional.normalize((clusters[:, :, None] == clusters[:, None]).double(), dim=1)
    [expected] = torch.autograd.grad(((affinity - wanted) ** 2).sum() / 9, given)
    torch.testing.assert_close(found, expected)


def test_sampled_pixels_are_a_share_without_repetition_and_differ_between_images():
    torch.manual_seed(0)
    sample = equations.sample_pixels(5, 40, 0.3, torch.device("cpu"))
    assert sample.shape == (5, 12)
    assert all(len(set(row)) == 12 and 0 <= min(row) <= max(row) < 40 for row in sample.tolist())
    assert len({tuple(sorted(row)) for row in sample.tolist()}) == 5
    assert equations.sample_pixels(2, 1, 0.3, torch.device("cpu")).tolist() == [[0], [0]]


@pytest.mark.parametrize(("colors", "factor"), [(2, 0.0474259), (16, 0.5), (64, 0.8807971)])
def test_the_weight_of_pixel_similarity_grows_with_the_bits(colors, factor):
    assert equations.similarity_factor(colors) == pytest.approx(factor, abs=1e-7)
