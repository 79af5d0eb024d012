"""CQFormer's two branches against loops, the shapes they take, and the test-time pass over 8-bit images."""

import math

import numpy as np
import pytest
import torch

from harness.contracts import check_palettized
from harness.learning import freeze
from methods.colorcnn.equations import palette as means_of
from methods.cqformer.explaining import explain
from methods.cqformer.export import PixelsToPalettes
from methods.cqformer.network import CQFormer, PaletteBranch, palettize, unit_images
from methods.cqformer.unext import TokenizedMlp, UNeXt, shifted


def network(width=4, colors=4):
    """With random weights, but a palette of different colors and a head that has no favorite among them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        made = CQFormer(width, colors)
        x = unit_images(torch.from_numpy(photographs(8)))
        made.train()(x)  # batch statistics of images
        for linear in (layer for layer in made.palette.modules() if isinstance(layer, torch.nn.Linear)):
            torch.nn.init.normal_(linear.weight, std=linear.in_features**-0.5)
        with torch.no_grad():
            made.head.weight *= 9
            usual = made.eval().features(x).mean(dim=(0, 2, 3))
            made.head.bias.copy_(-made.head.weight[:, :, 0, 0] @ usual)
    return freeze(made).to(memory_format=torch.channels_last)


def photographs(count, side=32):
    coarse = torch.rand(count, 3, 5, 5, generator=torch.Generator().manual_seed(count))
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)
    return (255 * smooth).byte().permute(0, 2, 3, 1).numpy()


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_unext_has_its_published_1_47_million_parameters():
    assert round((count(UNeXt(16)) + 16 + 1) / 1e6, 2) == 1.47  # with a 1x1 convolution to one class


def test_the_palette_branch_has_the_authors_layers():
    d, colors = 256, 4
    embedding = 27 * d // 2 + d // 2 + d + 9 * (d // 2) * d + d + 2 * d
    attention = 10 * d + 2 * d + colors * d + 2 * d * d + d * d + d
    mlps = 2 * d + 8 * d * d + 5 * d + d * d + d + 3 * d + 3
    assert count(PaletteBranch(d, colors)) == embedding + attention + mlps


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize(("channels", "height", "width"), [(10, 6, 4), (12, 3, 7), (16, 1, 1), (3, 2, 5)])
def test_the_shift_against_a_loop(dim, channels, height, width):
    maps = torch.randn(2, channels, height, width)
    found, group = shifted(maps, dim), math.ceil(channels / 5)
    for b, k, i, j in np.ndindex(2, channels, height, width):
        move = k // group - 2
        u, v = (i - move, j) if dim == 2 else (i, j - move)
        inside = 0 <= u < height and 0 <= v < width
        assert found[b, k, i, j] == (maps[b, k, u, v] if inside else 0)


def test_the_tokenized_mlp_against_tokens_one_by_one():
    torch.manual_seed(0)
    block, maps = TokenizedMlp(10).double(), torch.randn(1, 10, 4, 5, dtype=torch.float64)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    first, second = (linear.weight[:, :, 0, 0].detach().numpy() for linear in (block.first, block.second))
    kernel = block.position.weight[:, 0].detach().numpy()
    scale, offset, *biases = (
        p.detach().numpy()
        for p in (block.norm.weight, block.norm.bias, block.first.bias, block.position.bias, block.second.bias)
    )

    def at(grid, k, i, j):
        return grid[i, j, k] if 0 <= i < 4 and 0 <= j < 5 else 0.0

    places = [(i, j) for i in range(4) for j in range(5)]
    tokens = maps[0].permute(1, 2, 0).numpy()
    normed = np.zeros((4, 5, 10))
    for i, j in places:
        token = tokens[i, j]
        normed[i, j] = (token - token.mean()) / np.sqrt(token.var() + 1e-5) * scale + offset
    mixed, wide, expected = (np.zeros((4, 5, 10)) for _ in range(3))
    for i, j in places:
        mixed[i, j] = first @ [at(normed, k, i - (k // 2 - 2), j) for k in range(10)] + biases[0]
    for i, j in places:
        near = [(di, dj) for di in (-1, 0, 1) for dj in (-1, 0, 1)]
        sums = [sum(kernel[k, 1 + di, 1 + dj] * at(mixed, k, i + di, j + dj) for di, dj in near) for k in range(10)]
        wide[i, j] = [0.5 * s * (1 + math.erf(s / math.sqrt(2))) for s in np.add(sums, biases[1])]
    for i, j in places:
        moved = [at(wide, k, i, j - (k // 2 - 2)) for k in range(10)]
        expected[i, j] = tokens[i, j] + second @ moved + biases[2]
    np.testing.assert_allclose(block(maps)[0].permute(1, 2, 0).detach().numpy(), expected, rtol=1e-9, atol=1e-9)


def test_unext_halves_five_times_and_joins_what_has_the_same_size():
    shapes, backbone = {}, UNeXt(2)
    for name in ("convolve", "embed", "refine"):
        for n, module in enumerate(getattr(backbone, name)):
            module.register_forward_hook(lambda _m, _i, out, key=(name, n): shapes.update({key: tuple(out.shape[1:])}))
    assert backbone(torch.rand(2, 3, 64, 96)).shape == (2, 2, 64, 96)
    expected = {
        ("convolve", 0): (2, 64, 96),
        ("convolve", 1): (4, 32, 48),
        ("convolve", 2): (16, 16, 24),
        ("embed", 0): (20, 4, 6),
        ("embed", 1): (32, 2, 3),
        ("refine", 0): (20, 4, 6),
        ("refine", 1): (16, 8, 12),
        ("refine", 2): (4, 16, 24),
        ("refine", 3): (2, 32, 48),
    }
    assert shapes == expected


def test_attention_against_queries_one_by_one():
    branch = PaletteBranch(32, 3).double().requires_grad_(False)
    torch.nn.init.normal_(branch.key.weight)
    tokens = torch.randn(2, 7, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found, logs = branch.attend(tokens)
    normed = torch.nn.functional.layer_norm(tokens, (32,)).numpy()
    key, value, queries = (t.detach().numpy() for t in (branch.key.weight, branch.value.weight, branch.queries))
    for b, head, c in np.ndindex(2, 4, 3):
        own = slice(8 * head, 8 * head + 8)
        logits = [queries[c, own] @ (key @ token)[own] / math.sqrt(8) for token in normed[b]]
        powers = np.exp(logits)
        expected = sum(p * (value @ token)[own] for p, token in zip(powers, normed[b], strict=True)) / powers.sum()
        np.testing.assert_allclose(found[b, head, c].numpy(), expected, rtol=1e-9)
        assert logs[b, head, c, 0].item() == pytest.approx(math.log(powers.sum()))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 64), (96, 96), (33, 20), (1, 1), (7, 70)])
def test_any_size_gives_a_map_of_that_size_and_a_palette(height, width):
    p, colors = network(colors=3)(torch.rand(2, 3, height, width))
    assert p.shape == (2, 3, height, width)
    torch.testing.assert_close(p.sum(dim=1), torch.ones(2, height, width))
    assert colors.shape == (2, 3, 3)
    assert colors.min() >= 0
    assert colors.max() <= 1


def test_other_sides_are_continued_by_their_last_pixels():
    made, x = network(), torch.rand(1, 3, 30, 45)
    rows, columns = torch.arange(32).clamp(max=29), torch.arange(64).clamp(max=44)
    whole = made.features(x[:, :, rows][:, :, :, columns])
    torch.testing.assert_close(made.features(x), whole[:, :, :30, :45])


@pytest.mark.parametrize("means", [False, True])
def test_the_test_time_pass_is_the_most_probable_color_and_the_rounded_palette(means):
    images, made = photographs(5), network()
    found = palettize(made, images, means=means)
    check_palettized(found, images, 4)
    p, colors = made(unit_images(torch.from_numpy(images)))
    assert (found.indices == p.argmax(1).numpy()).all()
    assert len(np.unique(found.indices)) == 4
    if means:
        indices = torch.from_numpy(found.indices).long()
        assert (found.palettes == means_of(torch.from_numpy(images), indices, 4).round().numpy()).all()
    else:
        assert np.abs(found.palettes - 255 * colors.numpy()).max() < 0.501
        assert np.ptp(found.palettes, axis=0).max() > 1, "each image has its own palette"


def test_an_image_does_not_depend_on_its_batch():
    images, made = photographs(90), network()
    together = palettize(made, images, means=False)
    apart = palettize(made, images[80:83], means=False)
    assert (together.palettes[80:83] == apart.palettes).all()
    assert (together.indices[80:83] == apart.indices).mean() > 0.999


def test_images_may_be_read_only_and_few():
    images = photographs(2)
    images.flags.writeable = False
    assert palettize(network(), images[:0], means=False).indices.shape == (0, 32, 32)
    assert palettize(network(), images[::-1], means=False).indices.shape == (2, 32, 32)


def test_pictures_against_loops():
    made, images = network(), photographs(2)
    shown = explain(made, images, 0.1)
    x = unit_images(torch.from_numpy(images))
    features, (p, colors) = made.features(x).double().numpy(), made(x)
    for n in range(2):
        strength = features[n].mean(axis=0)  # not negative
        expected = 255 * (strength - strength.min()) / (strength.max() - strength.min())
        assert np.abs(shown["activation"][n] - expected).max() <= 0.51
        powers = np.exp(p[n].double().numpy() / 0.1)
        soft = sum((powers / powers.sum(axis=0))[c][..., None] * 255 * colors[n, c].numpy() for c in range(4))
        assert np.abs(shown["train-time"][n] - soft).max() <= 0.51


@pytest.mark.parametrize("means", [False, True])
@pytest.mark.parametrize(("height", "width"), [(32, 32), (17, 40)])
def test_the_exported_module_gives_what_palettize_gives(means, height, width):
    made, images = network(), photographs(3, 40)[:, :height, :width]
    indices, palettes = (out.numpy() for out in PixelsToPalettes(made, means=means)(torch.from_numpy(images.copy())))
    expected = palettize(made, images, means=means)
    assert np.array_equal(indices, expected.indices)
    assert np.abs(palettes.astype(int) - expected.palettes).max() <= (0 if means else 1)
    assert (indices.dtype, palettes.dtype) == (np.uint8, np.uint8)
