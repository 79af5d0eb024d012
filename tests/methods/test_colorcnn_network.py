"""ColorCNN's network: its size, the shapes it takes, and its test-time pass over 8-bit images."""

import numpy as np
import pytest
import torch

from harness.contracts import IMAGENET_NORMALIZATION, check_palettized
from harness.learning import freeze
from methods.colorcnn.network import ColorCNN, palettize


def network(backbone="unet", width=4, colors=4):
    """An untrained network; evaluated batch statistics differ from channel to channel as after training."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        made = ColorCNN(backbone, width, colors, IMAGENET_NORMALIZATION)
    for name, buffer in made.backbone.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1, generator=generator)
        if name.endswith("running_var"):
            buffer.uniform_(0.01, 0.1, generator=generator)
    return freeze(made)


def photographs(count, side=32):
    """Smooth random images, so that neighbours resemble each other."""
    generator = torch.Generator().manual_seed(count)
    coarse = torch.rand(count, 3, 5, 5, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)
    return (255 * smooth).byte().permute(0, 2, 3, 1).numpy()


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_papers_network_has_13_4_million_parameters():
    for colors in (2, 64):
        assert round(count(ColorCNN("unet", 64, colors, IMAGENET_NORMALIZATION)) / 1e6, 1) == 13.4


def test_dncnn_has_17_layers_of_64_channels():
    backbone = ColorCNN("dncnn", 64, 2, IMAGENET_NORMALIZATION).backbone
    convolutions = [layer for layer in backbone.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == 17 * [64]
    weights = 3 * 64 * 9 + 16 * 64 * 64 * 9
    assert count(backbone) == weights + 2 * 64 + 15 * 2 * 64


NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def double_convolution(name):
    """State names of convolution 0, normalization 1, ReLU 2, convolution 3, normalization 4, ReLU 5."""
    return [f"{name}.{n}" for c in (0, 3) for n in (f"{c}.weight", *(f"{c + 1}.{part}" for part in NORM))]


STATE_NAMES = {
    "unet": [
        name
        for stack in ("top", *(f"down.{n}" for n in range(4)), *(f"up.{n}" for n in range(4)))
        for name in double_convolution(stack)
    ],
    "dncnn": [
        "0.weight",
        "0.bias",
        *(f"{n}.{part}" for c in range(2, 47, 3) for n, parts in ((c, ["weight"]), (c + 1, NORM)) for part in parts),
        "47.weight",
        "47.bias",
    ],
}


@pytest.mark.parametrize("backbone", ["unet", "dncnn"])
def test_names_in_the_state_stay_so_that_stored_quantizers_load(backbone):
    names = [f"backbone.{name}" for name in STATE_NAMES[backbone]]
    assert list(network(backbone).state_dict()) == [
        "mean",
        "std",
        *names,
        "head.0.weight",
        "head.0.bias",
        "head.2.weight",
    ]


@pytest.mark.parametrize("width", [4, 64])
def test_the_head_follows_the_width_and_has_no_last_bias(width):
    head = ColorCNN("unet", width, 6, IMAGENET_NORMALIZATION).head
    assert count(head) == width * 4 * width + 4 * width + 4 * width * 6


@pytest.mark.parametrize("backbone", ["unet", "dncnn"])
@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 33), (96, 96), (17, 40), (5, 3)])
def test_any_side_gives_a_probability_map_of_that_size(backbone, height, width):
    m = network(backbone, width=2, colors=3)(torch.randn(2, 3, height, width))
    assert m.shape == (2, 3, height, width)
    torch.testing.assert_close(m.sum(dim=1), torch.ones(2, height, width))


def halved(maps):
    """The largest of each 2x2 pixels, of fewer at an odd side's end."""
    height, width = ((side + 1) // 2 for side in maps.shape[1:])
    tiles = [
        [maps[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(1, 2)) for j in range(width)] for i in range(height)
    ]
    return np.array(tiles).transpose(2, 0, 1)


def enlarged(maps, height, width):
    """Linear interpolation down each column, then along each row; first and last pixels stay where they are."""
    for axis, length in ((1, height), (2, width)):
        places = np.linspace(0, maps.shape[axis] - 1, length)
        maps = np.apply_along_axis(lambda line, at=places: np.interp(at, np.arange(len(line)), line), axis, maps)
    return maps


def convolved_twice(state, name, maps):
    """3x3 convolution, normalization by stored statistics and ReLU, twice."""
    for layer in (0, 3):
        weight = state[f"{name}.{layer}.weight"]
        scale, shift, mean, variance = (state[f"{name}.{layer + 1}.{part}"][:, None, None] for part in NORM[:4])
        height, width = maps.shape[1:]
        padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
        maps = sum(
            np.einsum("nk,khw->nhw", weight[:, :, i, j], padded[:, i : i + height, j : j + width])
            for i in range(3)
            for j in range(3)
        )
        maps = np.maximum(0, (maps - mean) / np.sqrt(variance + 1e-5) * scale + shift)
    return maps


@pytest.mark.parametrize(("height", "width"), [(16, 16), (19, 6), (1, 33)])
def test_the_unet_halves_enlarges_and_joins_maps_of_any_side(height, width):
    backbone = network(width=2).backbone
    x = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    state = {name: tensor.double().numpy() for name, tensor in backbone.state_dict().items()}
    levels = [convolved_twice(state, "top", x[0].double().numpy())]
    for n in range(4):
        levels.append(convolved_twice(state, f"down.{n}", halved(levels[-1])))
    maps = levels.pop()
    for n in range(4):
        skip = levels.pop()
        maps = convolved_twice(state, f"up.{n}", np.concatenate((skip, enlarged(maps, *skip.shape[1:]))))
    np.testing.assert_allclose(backbone(x)[0].numpy(), maps, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("side", [32, 33])
def test_the_test_time_pass_is_equations_3_4_5_in_8_bits(side):
    images, made = photographs(3, side), network()
    palettized = palettize(made, images)
    mean, std = (np.array(constant) for constant in (IMAGENET_NORMALIZATION.mean, IMAGENET_NORMALIZATION.std))
    decoded = palettized.render()
    for image, shown, indices in zip(images, decoded, palettized.indices, strict=True):
        x = torch.from_numpy(((image / 255 - mean) / std).transpose(2, 0, 1)[None]).float()
        m = made(x)[0].numpy()
        for c in range(4):
            mine = indices == c
            assert (m[c][mine] >= m.max(axis=0)[mine] - 1e-5).all()
            if mine.any():
                assert (shown[mine] == np.round(image[mine].astype(np.float64).mean(axis=0))).all()


@pytest.mark.parametrize("colors", [2, 3, 8, 256])
def test_no_image_has_more_colors_than_asked_for(colors):
    images = photographs(5)
    compacted = check_palettized(palettize(network(colors=colors), images), images, colors)
    assert compacted.colors().max() > 1


@pytest.mark.parametrize("backbone", ["unet", "dncnn"])
def test_an_image_does_not_depend_on_its_batch(backbone):
    images, made = photographs(300), network(backbone)
    together = palettize(made, images)
    for some in (slice(0, 1), slice(250, 260)):
        apart = palettize(made, images[some])
        same = together.indices[some] == apart.indices
        assert same.mean() > 0.999, "only rounding may move a pixel between two equally probable colors"
        exact = same.all(axis=(1, 2))
        assert (together.palettes[some][exact] == apart.palettes[exact]).all()


def test_images_may_be_read_only_and_few():
    images = photographs(2)
    images.flags.writeable = False
    assert palettize(network(), images[:0]).indices.shape == (0, 32, 32)
    assert palettize(network(), images[::-1]).indices.shape == (2, 32, 32)
