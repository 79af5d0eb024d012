"""Each metric against a slow, obvious computation."""

import math

import numpy as np
import pytest

from harness import encoding
from harness.contracts import BadInput
from harness.discovery import discover
from methods.metrics.ciede2000 import ColorDifference
from methods.metrics.lpips import PerceptualDistance
from methods.metrics.mse import MeanSquaredError
from methods.metrics.ssim import StructuralSimilarity

RNG = np.random.default_rng(0)
CHEAP = [MeanSquaredError(), StructuralSimilarity(), ColorDifference()]


def pair(n=3, height=9, width=12):
    original = RNG.integers(0, 256, (n, height, width, 3), np.uint8)
    noise = RNG.normal(0, 20, original.shape)
    return original, (original + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("metric", CHEAP, ids=lambda metric: type(metric).__name__)
@pytest.mark.parametrize("size", [(1, 1), (2, 9), (5, 5), (33, 17)])
def test_each_image_is_measured_by_itself_whatever_batch_it_comes_in(metric, size, monkeypatch):
    original, decoded = pair(70, *size)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    whole = metric.measure(original, decoded)
    assert whole.dtype == np.float64
    assert whole.shape == (70,)
    assert np.isfinite(whole).all()
    one_by_one = [metric.measure(original[i : i + 1], decoded[i : i + 1])[0] for i in range(70)]
    assert whole.tolist() == one_by_one
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert metric.measure(original, decoded).tolist() == whole.tolist()


@pytest.mark.parametrize(("metric", "best"), list(zip(CHEAP, (0, 1, 0), strict=True)), ids=["mse", "ssim", "ciede2000"])
def test_equal_images_have_the_best_value_and_a_coarser_one_a_worse(metric, best):
    original = pair(4)[0]
    values = [metric.measure(original, original // step * step) for step in (1, 16, 64)]
    assert values[0] == pytest.approx([best] * 4, abs=1e-12)
    away = [np.abs(value - best) for value in values]
    assert (away[0] < away[1]).all()
    assert (away[1] < away[2]).all()


def test_mse_against_a_loop():
    original, decoded = pair()
    found = MeanSquaredError().measure(original, decoded)
    for n in range(len(original)):
        squares = [(int(a) - int(b)) ** 2 for a, b in zip(original[n].ravel(), decoded[n].ravel(), strict=True)]
        assert found[n] == sum(squares) / len(squares)
    assert encoding.psnr(original, decoded) == pytest.approx(10 * np.log10(255**2 / found), rel=1e-14)
    assert (
        MeanSquaredError().measure(np.zeros((1, 96, 96, 3), np.uint8), np.full((1, 96, 96, 3), 255, np.uint8)) == 255**2
    )


def slow_ssim(one, other, window):
    """Wang et al. 2004, Eq. 13 with K1 = 0.01, K2 = 0.03, over all windows that lie in the image, sample covariance."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for channel in range(3):
        for row in range(one.shape[0] - window + 1):
            for column in range(one.shape[1] - window + 1):
                place = slice(row, row + window), slice(column, column + window), channel
                x, y = one[place].ravel().astype(float), other[place].ravel().astype(float)
                mx, my = x.mean(), y.mean()
                ddof = 1 if window > 1 else 0
                vx, vy = x.var(ddof=ddof), y.var(ddof=ddof)
                vxy = ((x - mx) * (y - my)).sum() / (x.size - ddof)
                values.append((2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    return float(np.mean(values))


@pytest.mark.parametrize(
    ("size", "window"), [((9, 12), 7), ((7, 7), 7), ((6, 30), 5), ((8, 4), 3), ((2, 2), 1), ((1, 5), 1)]
)
def test_ssim_against_a_loop_over_windows(size, window):
    original, decoded = pair(3, *size)
    expected = [slow_ssim(one, other, window) for one, other in zip(original, decoded, strict=True)]
    assert StructuralSimilarity().measure(original, decoded) == pytest.approx(expected, rel=1e-9)


def lab(color):
    """sRGB to CIELAB, IEC 61966-2-1 and CIE 15, white D65."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in color)]
    matrix = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
    xyz = [sum(m * v for m, v in zip(row, linear, strict=True)) for row in matrix]
    fx, fy, fz = (
        t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116
        for t in (value / white for value, white in zip(xyz, (0.95047, 1.0, 1.08883), strict=True))
    )
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def slow_ciede2000(one, other):
    """Sharma, Wu and Dalal 2005, Eq. 2 to 22, two colors in CIELAB."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    c = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(c**7 / (c**7 + 25**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    dh = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    dL, dC, dH = l2 - l1, c2 - c1, 2 * math.sqrt(c1 * c2) * math.sin(math.radians(dh / 2))
    L, C = (l1 + l2) / 2, (c1 + c2) / 2
    if c1 * c2 == 0:
        h = h1 + h2
    elif abs(h1 - h2) <= 180:
        h = (h1 + h2) / 2
    else:
        h = (h1 + h2 + 360) / 2 if h1 + h2 < 360 else (h1 + h2 - 360) / 2
    cosine = [math.cos(math.radians(angle)) for angle in (h - 30, 2 * h, 3 * h + 6, 4 * h - 63)]
    t = 1 - 0.17 * cosine[0] + 0.24 * cosine[1] + 0.32 * cosine[2] - 0.20 * cosine[3]
    sL = 1 + 0.015 * (L - 50) ** 2 / math.sqrt(20 + (L - 50) ** 2)
    sC, sH = 1 + 0.045 * C, 1 + 0.015 * C * t
    turn = 60 * math.exp(-(((h - 275) / 25) ** 2))
    rT = -2 * math.sqrt(C**7 / (C**7 + 25**7)) * math.sin(math.radians(turn))
    return math.sqrt((dL / sL) ** 2 + (dC / sC) ** 2 + (dH / sH) ** 2 + rT * dC / sC * dH / sH)


@pytest.mark.parametrize(
    ("one", "other", "published"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_slow_formula_is_the_published_one(one, other, published):
    """Rows of Table 1 of Sharma, Wu and Dalal 2005."""
    assert slow_ciede2000(one, other) == pytest.approx(published, abs=5e-5)


def test_ciede2000_against_the_formula_color_by_color():
    original, decoded = pair(3, 6, 7)
    decoded[0, :3] = original[0, :3] // 100 * 100
    expected = [
        np.mean([slow_ciede2000(lab(a), lab(b)) for a, b in zip(x.reshape(-1, 3), y.reshape(-1, 3), strict=True)])
        for x, y in zip(original, decoded, strict=True)
    ]
    assert ColorDifference().measure(original, decoded) == pytest.approx(expected, rel=1e-4)
    black, white = np.zeros((1, 4, 4, 3), np.uint8), np.full((1, 4, 4, 3), 255, np.uint8)
    assert ColorDifference().measure(black, white) == pytest.approx([100], abs=0.01)


def test_all_of_them_are_known_by_name():
    registry = discover()
    assert registry.names("metric") == ["ciede2000", "lpips", "mse", "ssim"]
    assert registry.get("metric", "lpips", "test").fingerprinted == ("weights",)


def test_lpips_says_what_is_missing(monkeypatch, tmp_path):
    metric = PerceptualDistance(weights=str(tmp_path / "none.pth"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(
        BadInput, match=r"needs the package lpips, which is not installed: pip install 'fewcolors\[lpips\]'"
    ):
        metric.check()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    with pytest.raises(
        BadInput, match=r"^weights: there is no file .*none\.pth; .* ImageNet weights of alex from a file\.$"
    ):
        metric.check()


@pytest.fixture
def alexnet(tmp_path):
    """An untrained AlexNet, and the same in the two kinds of file."""
    pytest.importorskip("lpips")
    import torch
    from safetensors.torch import save_file
    from torchvision.models import alexnet

    torch.manual_seed(0)
    network = alexnet(weights=None).eval()
    torch.save(network.state_dict(), tmp_path / "alex.pth")
    save_file(network.state_dict(), tmp_path / "alex.safetensors")
    return network, tmp_path


def slow_lpips(features, tops, one, other):
    """Zhang et al. 2018, Eq. 1, layer by layer with torchvision's network."""
    import torch

    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    x, y = (((torch.from_numpy(i).float() / 127.5 - 1 - shift) / scale).permute(2, 0, 1)[None] for i in (one, other))
    total, layer = 0.0, 0
    for module in features:
        x, y = module(x), module(y)
        if isinstance(module, torch.nn.ReLU):
            unit = [v / (v.pow(2).sum(1, keepdim=True).sqrt() + 1e-10) for v in (x, y)]
            total += float(((unit[0] - unit[1]) ** 2 * tops[layer].view(1, -1, 1, 1)).sum(1).mean())
            layer += 1
    return total


def test_lpips_against_the_network_layer_by_layer(alexnet):
    import lpips
    import torch

    network, folder = alexnet
    own = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    tops = [lin.model[-1].weight.flatten() for lin in own.lins]
    original, decoded = pair(3, 40, 36)
    with torch.no_grad():
        expected = [slow_lpips(network.features[:12], tops, a, b) for a, b in zip(original, decoded, strict=True)]
    for name in ("alex.pth", "alex.safetensors"):
        metric = PerceptualDistance(weights=str(folder / name))
        assert metric.measure(original, decoded) == pytest.approx(expected, rel=1e-4)
        assert metric.measure(original, original) == pytest.approx([0, 0, 0])


def test_lpips_takes_no_other_networks_weights(alexnet):
    metric = PerceptualDistance(weights=str(alexnet[1] / "alex.pth"), network="vgg")
    with pytest.raises(BadInput, match="does not hold the weights of torchvision's vgg"):
        metric.measure(*pair(1, 32, 32))
