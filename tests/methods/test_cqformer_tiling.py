import itertools

import numpy as np
import pytest
import torch

from harness.learning import freeze, seeded
from methods.cqformer import tiling
from methods.cqformer.method import CQFormer
from methods.cqformer.network import CQFormer as Network
from methods.cqformer.network import palettize, unit_images


def smooth_image(height, width):
    walk = np.cumsum(np.cumsum(np.random.default_rng(3).normal(0, 1, (1, height, width, 3)), axis=1), axis=2)
    return (walk % 256).astype(np.uint8)


def network(colors=3):
    """With random weights, but batch statistics of an image and a head that has no favorite color there."""
    with seeded(1):
        made = Network(1, colors)
        x = unit_images(torch.from_numpy(smooth_image(64, 64)))
        for module in made.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None
            if isinstance(module, torch.nn.Linear):
                torch.nn.init.normal_(module.weight, std=module.in_features**-0.5)
        with torch.no_grad():
            made.train()(x)
            made.head.weight.copy_(torch.linspace(-1, 1, colors)[:, None, None, None])
            made.head.bias.copy_(-made.head.weight[:, 0, 0, 0] * made.eval().features(x).mean())
            made.head.bias[1] = 0.01
    return freeze(made)


@pytest.mark.parametrize("length", [1, 31, 1536, 1537, 2000, 4000, 12_345])
@pytest.mark.parametrize("size", [(tiling.SIDE, tiling.MARGIN), (tiling.PALETTE_SIDE, tiling.PALETTE_MARGIN)])
def test_spans_cover_a_side_once(length, size):
    side, margin = size
    found = tiling.spans(length, side, margin)
    assert [found[0].start, found[-1].stop] == [0, length]
    assert all(one.stop == other.start for one, other in itertools.pairwise(found))
    for span in found:
        assert span.start % 32 == span.input_start % 32 == 0
        assert span.start < span.stop
        assert span.input_stop - span.input_start <= side
        assert span.input_start == max(0, span.start - margin)
        assert span.input_stop == min(length, span.stop + margin)


@pytest.mark.parametrize(
    ("height", "width", "tiles"), [(1, 1, 1), (1024, 1024, 1), (1024, 1025, 1), (1000, 1600, 3), (3000, 4000, 24)]
)
def test_only_large_images_are_cut(height, width, tiles):
    assert tiling.tile_count(height, width) == CQFormer().tiles(height, width) == tiles


def test_no_feature_depends_on_pixels_beyond_the_margin():
    length = 2 * tiling.MARGIN + 32
    x = torch.rand(1, 3, 32, length, generator=torch.Generator().manual_seed(0)).requires_grad_()
    middle = slice(tiling.MARGIN, tiling.MARGIN + 32)
    network().features(x)[..., middle].sum().backward()
    touched = x.grad.abs().sum(dim=(0, 1, 2)).nonzero()[:, 0]
    assert touched.min() > 0
    assert touched.max() < length - 1


@pytest.mark.parametrize("means", [False, True])
@pytest.mark.parametrize(("height", "width"), [(70, 450), (333, 45)])
def test_tiles_give_what_one_pass_gives(monkeypatch, height, width, means):
    monkeypatch.setattr(tiling, "SIDE", 2 * tiling.MARGIN + 32)
    monkeypatch.setattr(tiling, "PALETTE_SIDE", 96)
    images, made = smooth_image(height, width), network()
    assert len(list(tiling.tiles(height, width, tiling.PALETTE_SIDE, tiling.PALETTE_MARGIN))) > 9
    whole, cut = (f(made, images, means=means) for f in (palettize, tiling.palettize_in_tiles))
    assert len(np.unique(whole.indices)) == 3
    assert (whole.indices == cut.indices).mean() > 0.9999
    assert np.abs(whole.palettes.astype(int) - cut.palettes).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(70, 450), (333, 45)])
def test_attention_gathered_from_tiles_is_attention_to_all_tokens(monkeypatch, height, width):
    monkeypatch.setattr(tiling, "PALETTE_SIDE", 96)
    image, branch = smooth_image(height, width)[0], network().palette
    torch.nn.init.normal_(branch.key.weight)  # so that queries prefer some tokens by far
    whole, corner = (branch(unit_images(torch.from_numpy(part[None])))[0] for part in (image, image[:64, :64]))
    torch.testing.assert_close(tiling.palette_in_tiles(branch, image), whole, rtol=1e-4, atol=1e-5)
    assert (whole - corner).abs().max() > 0.01
