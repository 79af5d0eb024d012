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


def scattered(module, seed=0):
    """In eval mode and double precision; all its weights and batch statistics are random."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.double().eval().state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=generator)
        elif tensor.is_floating_point():
            tensor.normal_(0.1, 0.4, generator=generator)
    return module.requires_grad_(False)


def numbers(module):
    """Weights by name."""
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


def convolved(maps, module, stride=1):
    """A 3x3 convolution of ``[K, H, W]`` with zeros around, place by place."""
    weight, bias, (_, height, width) = module.weight.numpy(), module.bias.numpy(), maps.shape
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    found = np.zeros((len(weight), -(-height // stride), -(-width // stride)))
    for k, i, j in np.ndindex(*found.shape):
        near = padded[:, i * stride : i * stride + 3, j * stride : j * stride + 3]
        found[k, i, j] = (weight[k] * (near if module.groups == 1 else near[k : k + 1])).sum() + bias[k]
    return found


def batch_normed(maps, norm):
    own = numbers(norm)
    return np.stack(
        [
            (plane - own["running_mean"][k]) / math.sqrt(own["running_var"][k] + 1e-5) * own["weight"][k]
            + own["bias"][k]
            for k, plane in enumerate(maps)
        ]
    )


def layer_normed(vector, norm):
    return (vector - vector.mean()) / math.sqrt(vector.var() + 1e-5) * norm.weight.numpy() + norm.bias.numpy()


def gelu(values):
    return np.vectorize(lambda value: 0.5 * value * (1 + math.erf(value / math.sqrt(2))))(values)


def test_the_palette_branchs_patches_against_loops():
    branch = scattered(PaletteBranch(8, 3))
    x = torch.rand(2, 3, 10, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = branch.patches(x)
    assert found.shape == (2, 8, 3, 2)
    first, first_norm, _, second, second_norm = branch.embed
    for image, patches in zip(x.numpy(), found.numpy(), strict=True):
        halved = gelu(batch_normed(convolved(image, first, stride=2), first_norm))
        quartered = batch_normed(convolved(halved, second, stride=2), second_norm)
        np.testing.assert_allclose(patches, quartered + convolved(quartered, branch.position), rtol=1e-9, atol=1e-9)


def test_the_palette_branchs_colors_against_queries_one_by_one():
    branch = scattered(PaletteBranch(8, 3))
    heads = torch.randn(2, 4, 3, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = branch.colors(heads)
    assert found.shape == (2, 3, 3)

    def through(linear, vector):
        return linear.weight.numpy() @ vector + linear.bias.numpy()

    norm, wide, _, narrow = branch.mlp
    hidden, _, last = branch.color
    for b, c in np.ndindex(2, 3):
        query = through(branch.project, np.concatenate([heads[b, head, c].numpy() for head in range(4)]))
        query = query + through(narrow, gelu(through(wide, layer_normed(query, norm))))
        expected = [1 / (1 + math.exp(-logit)) for logit in through(last, gelu(through(hidden, query)))]
        np.testing.assert_allclose(found[b, c], expected, rtol=1e-9)
    assert np.ptp(found.numpy()) > 0.1


def test_a_palette_is_of_the_queries_colors_of_what_they_find_in_all_patches():
    branch = scattered(PaletteBranch(8, 3))
    x = torch.rand(2, 3, 12, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    patches = branch.patches(x)
    tokens = torch.stack([patches[:, :, i, j] for i in range(3) for j in range(5)], dim=1)
    torch.testing.assert_close(branch(x), branch.colors(branch.attend(tokens)[0]))


def test_unext_against_loops():
    backbone = scattered(UNeXt(2), seed=1)
    x = torch.rand(1, 3, 32, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def norm(maps, layer):
        return np.stack([layer_normed(maps[:, i, j], layer) for i, j in np.ndindex(*maps.shape[1:])], axis=1).reshape(
            maps.shape
        )

    def tokens(maps, block, layer):
        """The block has a test of its own."""
        return norm(block(torch.from_numpy(maps)[None])[0].numpy(), layer)

    def pooled(maps):
        found = np.zeros((len(maps), maps.shape[1] // 2, maps.shape[2] // 2))
        for k, i, j in np.ndindex(*found.shape):
            found[k, i, j] = max(0.0, maps[k, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max())
        return found

    def enlarged(maps):
        """Twice the sides: a place takes 3/4 of the nearest one and 1/4 of the next on each axis."""
        count, height, width = maps.shape
        found = np.zeros((count, 2 * height, 2 * width))
        for k, i, j in np.ndindex(*found.shape):
            rows = i // 2, min(max(i // 2 + (1 if i % 2 else -1), 0), height - 1)
            columns = j // 2, min(max(j // 2 + (1 if j % 2 else -1), 0), width - 1)
            parts = [
                (u, v, a * b) for u, a in zip(rows, (3, 1), strict=True) for v, b in zip(columns, (3, 1), strict=True)
            ]
            found[k, i, j] = max(0.0, sum(share * maps[k, u, v] for u, v, share in parts) / 16)
        return found

    maps, skips = x[0].numpy(), []
    for convolution, batch_norm in backbone.convolve:
        maps = pooled(batch_normed(convolved(maps, convolution), batch_norm))
        skips.append(maps)
    for embed, embed_norm, block, block_norm in backbone.embed:
        maps = tokens(norm(convolved(maps, embed, stride=2), embed_norm), block, block_norm)
        skips.append(maps)
    assert [skip.shape for skip in skips] == [(2, 16, 32), (4, 8, 16), (16, 4, 8), (20, 2, 4), (32, 1, 2)]
    for n, (convolution, batch_norm) in enumerate(backbone.up):
        maps = enlarged(batch_normed(convolved(maps, convolution), batch_norm)) + skips[3 - n]
        if n < 2:
            maps = tokens(maps, *backbone.refine[n])
    expected = enlarged(convolved(maps, backbone.last))
    assert 0.2 < (expected > 0).mean() < 0.8
    np.testing.assert_allclose(backbone(x)[0], expected, rtol=1e-8, atol=1e-8)


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
