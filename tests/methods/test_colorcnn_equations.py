"""Each equation of ColorCNN against the loop its formula spells out."""

import math

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from methods.colorcnn import equations
from methods.colorcnn.training import train_time_image

SHAPES = [(1, 2, 1, 1), (3, 2, 4, 5), (2, 5, 6, 3), (2, 16, 7, 7)]
JITTERS = ["scalar", "image", "channel", "pixel"]
REGULARIZERS = [equations.regularizer, equations.pixel_regularizer]


def draw(batch, colors, height, width, *, sharpness=2.0, seed=0):
    """Random x, m in double precision, as channels-last tensors."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, height, width, 3, generator=generator, dtype=torch.float64).permute(0, 3, 1, 2)
    logits = sharpness * torch.randn(batch, colors, height, width, generator=generator, dtype=torch.float64)
    return x, logits.to(memory_format=torch.channels_last).softmax(dim=1)


def draw_indexed(batch, colors, height, width):
    generator = np.random.default_rng(colors)
    pixels = generator.integers(0, 256, (batch, height, width, 3), np.uint8)
    return torch.from_numpy(pixels), torch.from_numpy(generator.integers(0, colors, (batch, height, width)))


@pytest.mark.parametrize("shape", SHAPES)
def test_equation_3_is_the_most_probable_color(shape):
    _, m = draw(*shape)
    batch, colors, height, width = shape
    indices = equations.index_map(m)
    for b in range(batch):
        for u in range(height):
            for v in range(width):
                assert indices[b, u, v] == max(range(colors), key=lambda c: m[b, c, u, v])


@pytest.mark.parametrize("shape", SHAPES)
def test_equation_4_is_the_mean_of_the_pixels_of_a_color(shape):
    pixels, indices = draw_indexed(*shape)
    batch, colors, height, width = shape
    palettes = equations.palette(pixels, indices, colors)
    for b in range(batch):
        for c in range(colors):
            own = [pixels[b, u, v].tolist() for u in range(height) for v in range(width) if indices[b, u, v] == c]
            expected = [sum(channel) / len(own) for channel in zip(*own, strict=True)] if own else [0, 0, 0]
            assert palettes[b, c].tolist() == pytest.approx(expected, rel=1e-12)


def test_equation_4_is_exact_where_single_precision_would_not_be():
    pixels = torch.full((1, 512, 512, 3), 255, dtype=torch.uint8)
    pixels[0, 0, 0] = 0
    expected = 255 * (512 * 512 - 1) / (512 * 512)
    assert equations.palette(pixels, torch.zeros(1, 512, 512, dtype=torch.int64), 2)[0, 0, 0].item() == expected


@pytest.mark.parametrize("shape", SHAPES)
def test_equation_5_looks_colors_up(shape):
    pixels, indices = draw_indexed(*shape)
    batch, colors, height, width = shape
    palettes = equations.palette(pixels, indices, colors)
    image = equations.look_up(palettes, indices)
    for b in range(batch):
        for u in range(height):
            for v in range(width):
                expected = sum(palettes[b, c] * float(indices[b, u, v] == c) for c in range(colors))
                assert torch.equal(image[b, u, v], expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_equation_6_is_the_weighted_mean_of_all_pixels(shape):
    x, m = draw(*shape)
    batch, colors, height, width = shape
    t = equations.soft_palette(x, m)
    places = [(u, v) for u in range(height) for v in range(width)]
    for b in range(batch):
        for c in range(colors):
            for channel in range(3):
                above = sum(float(x[b, channel, u, v] * m[b, c, u, v]) for u, v in places)
                below = sum(float(m[b, c, u, v]) for u, v in places)
                assert t[b, c, channel].item() == pytest.approx(above / below, rel=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_equation_7_is_the_weighted_mean_of_all_colors(shape):
    x, m = draw(*shape)
    batch, colors, height, width = shape
    t = equations.soft_palette(x, m)
    image = equations.soft_image(t, m)
    assert image.shape == x.shape
    for b in range(batch):
        for channel in range(3):
            for u in range(height):
                for v in range(width):
                    expected = sum(float(t[b, c, channel] * m[b, c, u, v]) for c in range(colors))
                    assert image[b, channel, u, v].item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_equation_8_rewards_certainty_about_one_pixel_of_each_color(shape):
    _, m = draw(*shape)
    batch, colors, height, width = shape
    regularizers = equations.regularizer(m)
    for b in range(batch):
        highest = [max(float(m[b, c, u, v]) for u in range(height) for v in range(width)) for c in range(colors)]
        assert regularizers[b].item() == pytest.approx(math.log2(colors) * (1 - sum(highest) / colors), rel=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_pixel_regularizer_rewards_certainty_of_each_pixel(shape):
    _, m = draw(*shape)
    batch, colors, height, width = shape
    regularizers = equations.pixel_regularizer(m)
    assert regularizers.shape == (batch,)
    for b in range(batch):
        highest = [max(float(m[b, c, u, v]) for c in range(colors)) for u in range(height) for v in range(width)]
        mean = sum(highest) / (height * width)
        assert regularizers[b].item() == pytest.approx(math.log2(colors) * (1 - mean), rel=1e-9)


@pytest.mark.parametrize("regularizer", REGULARIZERS)
@pytest.mark.parametrize("colors", [2, 4, 256])
def test_the_regularizers_span_from_one_hot_to_uniform(regularizer, colors):
    uniform = torch.full((1, colors, 16, 16), 1 / colors)
    one_hot = torch.eye(colors).T.repeat(1, 256 // colors).view(1, colors, 16, 16)
    assert regularizer(one_hot).item() == 0
    assert regularizer(uniform).item() == pytest.approx(math.log2(colors) * (colors - 1) / colors)


def test_only_the_regularizer_of_equation_8_minds_an_unused_color():
    all_first = torch.zeros(1, 4, 8, 8)
    all_first[:, 0] = 1
    assert equations.pixel_regularizer(all_first).item() == 0
    assert equations.regularizer(all_first).item() == pytest.approx(2 * 3 / 4)


def test_train_time_meets_test_time_where_m_is_one_hot():
    pixels, indices = draw_indexed(3, 4, 8, 8)
    m = torch.nn.functional.one_hot(indices, 4).permute(0, 3, 1, 2).double()
    x = pixels.permute(0, 3, 1, 2).double()
    sharp = equations.look_up(equations.palette(pixels, indices, 4), equations.index_map(m)).permute(0, 3, 1, 2)
    torch.testing.assert_close(train_time_image(x, m, 1.0, 0.0, 1.0), sharp)


def test_jitter_shifts_the_image_and_the_norm_takes_contrast():
    x, m = draw(2, 4, 5, 5)
    plain = equations.soft_image(equations.soft_palette(x, m), m)
    torch.testing.assert_close(train_time_image(x, m, 4.0, 0.5, -3.0), plain / 4 - 1.5)
    assert torch.equal(train_time_image(x, m, 1.0, 0.0, 7.0), plain)


@pytest.mark.parametrize("jitter", JITTERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_jitter_is_added_to_each_pixel_of_the_normalized_quantized_image(shape, jitter):
    x, m = draw(*shape)
    batch, colors, height, width = shape
    n = equations.draw_jitter(jitter, x)
    t = equations.soft_palette(x, m)
    image = train_time_image(x, m, 4.0, 0.7, n)
    assert image.shape == x.shape
    for b in range(batch):
        for channel in range(3):
            for u in range(height):
                for v in range(width):
                    own = {
                        "scalar": lambda: n,
                        "image": lambda b=b: n[b, 0, 0, 0],
                        "channel": lambda b=b, channel=channel: n[b, channel, 0, 0],
                        "pixel": lambda b=b, channel=channel, u=u, v=v: n[b, channel, u, v],
                    }[jitter]()
                    plain = sum(float(t[b, c, channel] * m[b, c, u, v]) for c in range(colors))
                    assert image[b, channel, u, v].item() == pytest.approx(plain / 4 + 0.7 * float(own), rel=1e-9)


def test_the_scalar_is_added_to_the_palette_as_the_authors_code_does():
    x, m = (part.float() for part in draw(2, 4, 5, 5))
    palette = equations.soft_palette(x, m) / 4.0
    assert torch.equal(train_time_image(x, m, 4.0, 0.7, 0.3), equations.soft_image(palette + 0.7 * 0.3, m))


@pytest.mark.parametrize(
    ("jitter", "shape"),
    [("image", (500, 1, 1, 1)), ("channel", (500, 3, 1, 1)), ("pixel", (500, 3, 4, 5))],
)
def test_jitter_is_drawn_anew_for_all_that_has_its_own(jitter, shape):
    x, _ = draw(500, 2, 4, 5)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first, second = equations.draw_jitter(jitter, x), equations.draw_jitter(jitter, x)
        torch.manual_seed(1)
        again = equations.draw_jitter(jitter, x)
    assert first.shape == shape
    assert len(first.unique()) == first.numel()
    assert not torch.equal(first, second)
    assert torch.equal(first, again)
    assert abs(first.mean().item()) < 4 / math.sqrt(first.numel())
    assert first.std().item() == pytest.approx(1, abs=4 / math.sqrt(2 * first.numel()))


@pytest.mark.parametrize("jitter", ["image", "channel", "pixel"])
def test_jitter_is_drawn_where_and_as_the_images_are(jitter):
    x = torch.empty(2, 3, 4, 5, device="meta").to(memory_format=torch.channels_last)
    n = equations.draw_jitter(jitter, x)
    assert (n.device, n.dtype) == (x.device, x.dtype)
    assert n.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("jitter", JITTERS)
@pytest.mark.parametrize("colors", [2, 4])
def test_gradients_of_the_train_time_pass(colors, jitter):
    x, _ = draw(2, colors, 3, 4, seed=1)
    logits = torch.randn(2, colors, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    n = equations.draw_jitter(jitter, x)

    def train_time(logits):
        m = logits.softmax(dim=1)
        return train_time_image(x, m, 4.0, 1.0, n), *(regularizer(m) for regularizer in REGULARIZERS)

    assert torch.autograd.gradcheck(train_time, logits.requires_grad_())


@pytest.mark.parametrize("logit", [30.0, 80.0, 1000.0])
def test_a_color_that_no_pixel_wants_stays_finite(logit):
    x = torch.randn(1, 3, 4, 4)
    logits = torch.zeros(1, 2, 4, 4)
    logits[:, 0] = logit
    m = logits.requires_grad_().softmax(dim=1)
    image = train_time_image(x, m, 1.0, 1.0, 0.5)
    (image.square().sum() + sum(regularizer(m).sum() for regularizer in REGULARIZERS)).backward()
    assert image.isfinite().all()
    assert logits.grad.isfinite().all()
    mean = x.mean(dim=(2, 3), keepdim=True).expand_as(x) + 0.5
    torch.testing.assert_close(image, mean)


@pytest.mark.parametrize("jitter", JITTERS)
@pytest.mark.parametrize("regularizer", REGULARIZERS)
def test_nothing_is_built_that_is_larger_than_the_probability_map(regularizer, jitter):
    class Largest(TorchDispatchMode):
        elements = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                self.elements = max(self.elements, result.numel())
            return result

    x, m = draw(4, 8, 8, 8)
    with Largest() as seen:
        m.requires_grad_()
        n = equations.draw_jitter(jitter, x)
        (train_time_image(x, m, 4.0, 1.0, n).sum() + regularizer(m).sum()).backward()
    assert seen.elements == m.numel()
