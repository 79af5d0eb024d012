"""ColorCNN+'s network, and its form as a ColorCNN at one color count: test-time pass, tiles, pictures, export."""

import numpy as np
import pytest
import torch

from harness.contracts import IMAGENET_NORMALIZATION, BadInput
from harness.learning import freeze, normalize, seeded
from methods.colorcnn import equations as colorcnn_equations
from methods.colorcnn import tiling
from methods.colorcnn.network import palettize
from methods.colorcnn_plus.method import ColorCNNPlus as Method
from methods.colorcnn_plus.network import AtColors, ColorCNNPlus

IMAGES = np.random.default_rng(2).integers(0, 256, (2, 8, 8, 3), np.uint8)


def network(width=4, bottleneck=16, top=4, counts=(2, 8, 64), grouped=True):
    """With random weights, and batch statistics of noise, so that colors differ from pixel to pixel."""
    with seeded(1):
        made = ColorCNNPlus(width, bottleneck, top, counts, IMAGENET_NORMALIZATION, grouped=grouped)
        for module in made.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None
        with torch.no_grad():
            made.train()(torch.randn(4, 3, 16, 16), 2)
    return freeze(made)


def method(**params):
    made = Method(width=4, **params)
    made.load(network(bottleneck=made.bottleneck, top=made.top, grouped=made.grouped).state_dict(), "cpu")
    return made


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_authors_network_has_13_4_million_parameters_nearly_all_in_the_unet():
    made = ColorCNNPlus(64, 16, 4, (2,), IMAGENET_NORMALIZATION)
    assert round(count(made.backbone) / 1e6, 1) == 13.4
    assert count(made.bottleneck) == 64 * 16 + 16 + 2 * 16
    assert count(made.head) == 16 * 256
    assert count(ColorCNNPlus(64, None, 4, (2,), IMAGENET_NORMALIZATION).head) == 64 * 256


@pytest.mark.parametrize("bottleneck", [16, None])
@pytest.mark.parametrize("colors", [2, 8, 64])
def test_the_probability_map_is_the_top_softmax_of_averaged_logits(colors, bottleneck):
    made = network(bottleneck=bottleneck)
    x = normalize(torch.from_numpy(IMAGES), IMAGENET_NORMALIZATION)
    logits = made.head(made.bottleneck(made.backbone(x)))  # all 256
    means = sum(logits[:, start : start + colors] for start in range(0, 256, colors)) / (256 // colors)
    expected = torch.full_like(means, 1e-16)
    alive = (means != 0).any(dim=1)  # where all features are 0 any four colors are the largest
    assert alive.float().mean() > 0.5
    for b, i, j in alive.nonzero().tolist():
        largest = means[b, :, i, j].argsort(descending=True)[:4]
        expected[b, largest, i, j] = means[b, largest, i, j].softmax(dim=0)
    for m in (made(x, colors), AtColors(made, colors, made.top)(x)):
        torch.testing.assert_close(m.movedim(1, -1)[alive], expected.movedim(1, -1)[alive], rtol=1e-3, atol=1e-5)
    whole = AtColors(made, colors)(x)
    torch.testing.assert_close(whole, means.softmax(dim=1), rtol=1e-3, atol=1e-5)
    assert (whole.argmax(dim=1) == expected.argmax(dim=1))[alive].float().mean() > 0.99


@pytest.mark.parametrize(("colors", "first"), [(2, 0), (8, 2), (64, 10)])
def test_logits_that_are_not_grouped_are_of_weights_that_each_count_has_for_itself(colors, first):
    made = network(counts=(64, 2, 8), grouped=False)
    assert made.head.weight.shape == (2 + 8 + 64, 16, 1, 1)
    x = normalize(torch.from_numpy(IMAGES[:1]), IMAGENET_NORMALIZATION)
    features = made.bottleneck(made.backbone(x))[0].double().numpy()
    weights = made.head.weight[:, :, 0, 0].double().numpy()
    found = [m[0].numpy() for m in (made(x, colors), AtColors(made, colors, made.top)(x))]
    seen = 0
    for i, j in np.ndindex(8, 8):
        logits = [sum(weights[first + c, k] * features[k, i, j] for k in range(16)) for c in range(colors)]
        if max(logits) == min(logits):  # no feature: any four colors are the largest
            continue
        kept = sorted(range(colors), key=lambda c, at=logits: -at[c])[:4]
        whole = sum(np.exp(logits[c]) for c in kept)
        expected = [np.exp(logits[c]) / whole if c in kept else 0 for c in range(colors)]
        for m in found:
            np.testing.assert_allclose(m[:, i, j], expected, rtol=1e-3, atol=1e-5)
        seen += 1
    assert seen > 32


def test_of_weights_that_are_not_grouped_only_the_counts_own_are_learned():
    made = network(top=None, grouped=False).requires_grad_(True)
    made(normalize(torch.from_numpy(IMAGES), IMAGENET_NORMALIZATION), 8)[:, 0].mean().backward()
    assert made.head.weight.grad.flatten(1).any(dim=1).nonzero().flatten().tolist() == list(range(2, 10))


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("colors", [2, 8, 64])
def test_the_test_time_pass_is_argmax_and_exact_means(colors, grouped):
    made = network(grouped=grouped)
    found = palettize(AtColors(made, colors), IMAGES)
    m = made(normalize(torch.from_numpy(IMAGES), IMAGENET_NORMALIZATION), colors).numpy()
    assert found.indices.max() < colors
    assert len(np.unique(found.indices)) > 1
    for n, image in enumerate(IMAGES):
        for c in np.unique(found.indices[n]):
            mine = found.indices[n] == c
            assert (m[n, c][mine] >= m[n].max(axis=0)[mine] - 1e-5).all()
            assert (found.palettes[n, c] == np.rint(image[mine].astype(np.float64).mean(axis=0))).all()


def test_what_it_is_at_one_count_shares_weights_and_leaves_the_network_alone():
    made = network()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    at = AtColors(made, 8)
    palettize(at, IMAGES)
    assert at.backbone is made.backbone
    assert not at.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.state_dict().items())


def test_in_tiles_an_image_comes_out_as_whole(monkeypatch):
    monkeypatch.setattr(tiling, "SIDE", 288)
    at = AtColors(network(), 8)
    image = np.random.default_rng(1).integers(0, 256, (1, 4, 80, 3), np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    whole, tiled = palettize(at, image), tiling.palettize_in_tiles(at, image)
    assert len(tiling.spans(320)) > 1
    assert len(np.unique(whole.indices)) > 2
    assert (whole.indices != tiled.indices).mean() < 0.01


def test_pictures_are_the_backbones_magnitude_and_the_soft_image():
    made = method()
    shown = made.explain(IMAGES, 8)
    at = made._at(8, 4)
    x = normalize(torch.from_numpy(IMAGES), IMAGENET_NORMALIZATION)
    m, pixels = at(x), torch.from_numpy(IMAGES).permute(0, 3, 1, 2).float()
    soft = colorcnn_equations.soft_image(colorcnn_equations.soft_palette(pixels, m), m).permute(0, 2, 3, 1).numpy()
    assert np.abs(shown["train-time"] - soft).max() <= 0.51
    strength = at.backbone(x).abs().mean(dim=1).flatten(1).numpy()
    assert [np.argmax(s) for s in strength] == [np.argmax(a) for a in shown["activation"].reshape(2, -1)]


@pytest.mark.parametrize(("colors", "grouped"), [(2, True), (64, True), (8, False)])
def test_the_exported_module_gives_what_palettize_gives(colors, grouped):
    made = method(grouped=grouped)
    with torch.no_grad():
        indices, palettes = (out.numpy() for out in made.onnx_module(colors)(torch.from_numpy(IMAGES)))
    expected = made.palettize(IMAGES, colors)
    assert np.array_equal(indices, expected.indices)
    assert np.array_equal(palettes, expected.palettes)


def test_counts_that_were_not_learned_and_other_networks_states_are_refused():
    with pytest.raises(BadInput, match="was trained for 2, 8, 64 colors and cannot give 16"):
        method().palettize(IMAGES, 16)
    state = network().state_dict()
    others = (
        {"width": 3},
        {"width": 4, "bottleneck": 8},
        {"width": 4, "bottleneck": None},
        {"width": 4, "grouped": False},
    )
    for other in others:
        with pytest.raises(BadInput, match="not the state of a colorcnn-plus with width"):
            Method(**other).load(state, "cpu")
    with pytest.raises(BadInput, match="not the state"):
        Method().load({}, "cpu")


NAMES = [
    *("mean", "std", "counts"),
    *("bottleneck.0.weight", "bottleneck.0.bias", "bottleneck.1.weight", "bottleneck.1.bias"),
    *("bottleneck.1.running_mean", "bottleneck.1.running_var", "bottleneck.1.num_batches_tracked", "head.weight"),
]


def test_names_in_the_state_stay_so_that_stored_quantizers_load():
    assert [name for name in network().state_dict() if not name.startswith("backbone.")] == NAMES
