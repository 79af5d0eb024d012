"""The anchored quantizer: its clustering, its loss against plain loops, and the way through fit, state and load."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from skimage import data
from torch import nn

from harness.contracts import (
    VALIDATION_ACCURACY,
    Augmentation,
    BadInput,
    ContractError,
    Lesson,
    Normalization,
    Split,
    check_palettized,
)
from harness.learning import normalize
from harness.trained.onnx import export_onnx
from methods.anchored import network as networks
from methods.anchored.clustering import LUMA, cluster, log_posterior, points_of, squared_distances
from methods.anchored.method import Anchored
from methods.anchored.network import AnchoredNetwork, Correction, corrected, palettize_in_tiles
from methods.anchored.training import TEMPERATURE, divergence, hardened, noisy, objective
from methods.colorcnn import equations
from methods.colorcnn.network import palettize
from methods.spaces import to_space

PLAIN = Normalization((0.4, 0.5, 0.45), (0.2, 0.25, 0.3))
SMALL = {"width": 2, "epochs": 4, "batch_size": 16, "rate": 0.3, "momentum": 0.9, "restart_period": 4}


def normalized(images: np.ndarray) -> torch.Tensor:
    return normalize(torch.from_numpy(images), PLAIN)


def placed(x: torch.Tensor, space: str = "rgb"):
    return points_of(x, torch.tensor(PLAIN.mean), torch.tensor(PLAIN.std), space)


def anchored(backbone: str, *counts: int, **changes) -> AnchoredNetwork:
    taught = {"kappa": 0.5, "learn_kappa": False, "steps": 3, "space": "rgb", "corrected": False} | changes
    return AnchoredNetwork(backbone, 2, counts, PLAIN, **taught).eval()


def slow_halves(pixels: np.ndarray, colors: int) -> list[list[int]]:
    """Numbers of the pixels of each part: rounds in which the parts of the largest squared error are halved."""
    parts = [list(range(len(pixels)))]
    while len(parts) < colors:
        errors = [((pixels[part] - pixels[part].mean(0)) ** 2).sum() for part in parts]
        most = sorted(range(len(parts)), key=lambda i: -errors[i])[: colors - len(parts)]
        for i in most:
            axis = int(pixels[parts[i]].var(0).argmax())
            mean = pixels[parts[i]][:, axis].mean()
            parts.append([p for p in parts[i] if pixels[p, axis] > mean])
            parts[i] = [p for p in parts[i] if pixels[p, axis] <= mean]
    return parts


def slow_clustering(pixels: np.ndarray, std: np.ndarray, colors: int, steps: int) -> tuple[np.ndarray, float]:
    """Lloyd's algorithm on ``float [P, 3]``, pixel by pixel."""
    centers = [pixels[part].mean(0) for part in slow_halves(pixels, colors)]
    for _ in range(steps):
        members: list[list[np.ndarray]] = [[] for _ in centers]
        for pixel in pixels:
            members[int(np.argmin([((pixel - center) ** 2).sum() for center in centers]))].append(pixel)
        centers = [np.mean(own, axis=0) if own else center for own, center in zip(members, centers, strict=True)]
    centers.sort(key=lambda center: float(center @ (np.array(LUMA) * std)))
    spread = float(np.mean([min(((pixel - center) ** 2).sum() for center in centers) for pixel in pixels]))
    return np.array(centers), max(spread, 1e-3)


@pytest.mark.parametrize("colors", [2, 5, 16])
def test_the_clustering_is_lloyds_from_halves_of_the_pixels_and_ordered_by_luminance(colors):
    noise = np.random.default_rng(colors).integers(0, 256, (4, 12, 12, 3), np.uint8)
    x = normalized(noise)
    found = cluster(placed(x), colors, steps=4)
    for image, centers, spread in zip(x, *found, strict=True):
        pixels = image.flatten(1).T.double().numpy()
        expected, expected_spread = slow_clustering(pixels, np.array(PLAIN.std), colors, steps=4)
        np.testing.assert_allclose(centers, expected, atol=1e-4)
        assert float(spread) == pytest.approx(expected_spread, rel=1e-3)


@pytest.mark.parametrize("space", ["rgb", "lab"])
def test_the_order_in_which_pixels_are_added_up_changes_no_center(space):
    crops = np.stack([data.astronaut()[y : y + 32, x : x + 32] for y in range(0, 480, 64) for x in range(0, 480, 64)])
    points = placed(normalized(crops), space)
    order = torch.randperm(32 * 32, generator=torch.Generator().manual_seed(0))
    found, again = (cluster(points._replace(places=p), 64, 3) for p in (points.places, points.places[:, order]))
    assert torch.equal(found.centers, again.centers)


def test_an_image_of_one_color_has_centers_and_a_spread_above_zero():
    points = placed(torch.full((1, 3, 4, 4), 0.25))
    found = cluster(points, 4, 6)
    assert torch.isfinite(log_posterior(points, found)).all()
    assert found.spread.item() == pytest.approx(1e-3)


def test_the_log_posterior_is_a_mixture_of_gaussians(photos):
    x = normalized(photos[:2, :5, :4])
    found = cluster(placed(x), 3, 2)
    logits = log_posterior(placed(x), found).mT.unflatten(2, (5, 4))
    for b in range(2):
        for c in range(3):
            for y in range(5):
                for z in range(4):
                    distance = float(((x[b, :, y, z] - found.centers[b, c]) ** 2).sum())
                    assert float(logits[b, c, y, z]) == pytest.approx(
                        -distance / (2 * float(found.spread[b])), abs=1e-3
                    )


def test_points_in_cielab_are_those_of_the_other_quantizers(photos):
    lab = placed(normalized(photos), "lab")
    np.testing.assert_allclose(lab.places, to_space(photos, "lab").reshape(len(photos), -1, 3), atol=2e-3)
    np.testing.assert_allclose(lab.places @ lab.brightness, lab.places[..., 0])


@pytest.mark.parametrize("space", ["rgb", "lab"])
def test_an_untrained_network_is_the_clustering_whatever_kappa_is(photos, space):
    for kappa in (0.1, 5.0):
        network = anchored("unet", 4, kappa=kappa, steps=5, space=space, corrected=True)
        x, points = normalized(photos), placed(normalized(photos), space)
        nearest = squared_distances(points.places, cluster(points, 4, 5).centers).argmin(2)
        result = palettize(network, photos)
        assert (result.indices.reshape(nearest.shape) == nearest.numpy()).all()
        assert float(network(x).detach().sum(1).sub(1).abs().max()) < 1e-5
        assert (corrected(network, result).palettes == result.palettes).all()


def of_one(joint: AnchoredNetwork, colors: int, rows: slice) -> AnchoredNetwork:
    """A network for one color count with a joint network's weights, these rows of its last layer."""
    alone, state = anchored("unet", colors), joint.state_dict()
    alone.load_state_dict(state | {"head.2.weight": state["head.2.weight"][rows], "counts": torch.tensor([colors])})
    return alone


ROWS = {2: slice(0, 2), 3: slice(2, 5), 5: slice(5, 10)}


@pytest.fixture
def joint() -> AnchoredNetwork:
    network = anchored("unet", 5, 2, 3)
    torch.nn.init.normal_(network.head[-1].weight, std=0.1, generator=torch.Generator().manual_seed(1))
    return network


def test_color_counts_share_all_but_their_rows_of_the_last_layer(photos, joint):
    x = normalized(photos)
    for colors, rows in ROWS.items():
        m = joint.at(colors)(x)
        assert (m == of_one(joint, colors, rows)(x)).all()
        joint.zero_grad()
        m[:, 0].mean().backward()
        moved = joint.head[-1].weight.grad.abs().sum(dim=(1, 2, 3)).nonzero().flatten()
        assert moved.tolist() == list(range(10))[rows]
        assert joint.head[0].weight.grad.abs().max() > 0


def test_a_step_of_a_joint_training_is_of_one_color_count_and_each_is_as_likely(joint):
    given = lesson(colors=(2, 3, 5))
    recipe = Anchored(joint_colors=True).recipe(given)
    x, labels = normalized(given.train.images[:4]), torch.from_numpy(given.train.labels[:4])

    def loss_of(network: AnchoredNetwork) -> Callable[[], float]:
        loss = objective(network, given.classifiers, "cpu", recipe)
        return lambda: round(loss(x, labels).item(), 5)

    torch.manual_seed(0)
    draw = loss_of(joint)
    seen = Counter(draw() for _ in range(300))
    assert set(seen) == {loss_of(of_one(joint, colors, rows))() for colors, rows in ROWS.items()}
    assert min(seen.values()) > 75


def test_a_correction_sees_a_color_its_share_and_the_image_they_make():
    generator = torch.Generator().manual_seed(4)
    t, shares = torch.randn(2, 3, 3, generator=generator), torch.rand(2, 3, generator=generator).softmax(1)
    correction = Correction(hidden=5)
    torch.nn.init.normal_(correction.layers[-1].weight, generator=generator)
    found = correction(t, shares)
    for b in range(2):
        mean = sum(shares[b, c] * t[b, c] for c in range(3))
        contrast = (sum(shares[b, c] * (t[b, c] - mean) ** 2 for c in range(3)) + 1e-6).sqrt()
        for c in range(3):
            seen = torch.cat((t[b, c] - mean, shares[b, c, None], mean, contrast))
            expected = t[b, c] + contrast * correction.layers(seen)
            torch.testing.assert_close(found[b, c], expected)


def test_a_corrected_palette_is_that_of_the_pixels_of_each_index(photos):
    """In training a map of zeros and ones gives the palette of test time, but for rounding."""
    network = anchored("unet", 4, corrected=True)
    torch.nn.init.normal_(network.correction.layers[-1].weight, 0, 0.1, generator=torch.Generator().manual_seed(0))
    result = corrected(network, palettize(network, photos))
    m = nn.functional.one_hot(torch.from_numpy(result.indices).long(), 4).permute(0, 3, 1, 2).float()
    t = network.correction(equations.soft_palette(normalized(photos), m), m.mean(dim=(2, 3))).detach()
    expected = (255 * (t * network.std + network.mean)).clamp(0, 255)
    used = m.sum(dim=(2, 3)) > 0
    assert np.abs(expected[used].numpy() - result.palettes[used.numpy()]).max() <= 1.5


@pytest.mark.parametrize("learned", [False, True])
def test_kappa_is_trained_only_where_that_is_asked_for(photos, learned):
    network = anchored("unet", 2, learn_kappa=learned)
    network(normalized(photos))[:, 0].mean().backward()
    assert (network.log_kappa.grad is not None) is learned


def test_a_hardened_map_is_one_hot_and_has_the_gradient_of_the_soft_one():
    m = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)).softmax(1).requires_grad_()
    weights = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    hard = hardened(m)
    np.testing.assert_allclose(hard.detach(), nn.functional.one_hot(m.argmax(1), 3).permute(0, 3, 1, 2), atol=1e-6)
    (hard * weights).sum().backward()
    np.testing.assert_allclose(m.grad, weights)


def test_after_gumbel_noise_each_color_is_the_largest_as_often_as_it_is_probable():
    torch.manual_seed(5)
    m = torch.tensor([0.6, 0.3, 0.1]).view(1, 3, 1, 1).expand(1, 3, 200, 200)
    drawn = noisy(m, 1.0)
    torch.testing.assert_close(drawn.sum(1), torch.ones(1, 200, 200))
    shares = drawn.argmax(1).flatten().bincount(minlength=3) / 40_000
    np.testing.assert_allclose(shares, [0.6, 0.3, 0.1], atol=0.01)


def test_the_divergence_is_kullback_and_leiblers():
    generator = torch.Generator().manual_seed(2)
    logits, original = (3 * torch.randn(5, 4, generator=generator) for _ in range(2))

    def softened(row):
        powers = [math.exp(v / TEMPERATURE) for v in row.tolist()]
        return [power / sum(powers) for power in powers]

    expected = 0.0
    for a, b in zip(logits, original, strict=True):
        expected += sum(q * math.log(q / p) for p, q in zip(softened(a), softened(b), strict=True)) / 5
    assert float(divergence(logits, original)) == pytest.approx(TEMPERATURE**2 * expected, rel=1e-5)
    assert float(divergence(original, original)) == pytest.approx(0, abs=1e-6)


class Halves(nn.Module):
    """Logits from the mean of the left and of the right half."""

    def forward(self, x):
        return 4 * x.mean(1).unflatten(2, (2, -1)).mean((1, 3))


class Bands(nn.Module):
    """Logits from the upper and the lower half, which a shift of all colors changes too."""

    def forward(self, x):
        return 3 * x.mean(1).unflatten(1, (2, -1)).mean((2, 3)).exp() * x.new_tensor([1.0, -1.0])


def softmax(logits: list[float], temperature: float = 1.0) -> list[float]:
    powers = [math.exp(logit / temperature) for logit in logits]
    return [power / sum(powers) for power in powers]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"regularizer": "pixel", "jitter": "pixel"},
        {"straight_through": True},
        {"gumbel": 0.7},
        {"palette": "corrected"},
        {"straight_through": True, "gumbel": 0.7, "palette": "corrected", "jitter": "image"},
    ],
    ids=str,
)
def test_the_loss_is_cross_entropy_and_three_weighted_terms(options):
    given, classifiers, colors, xi, norm = lesson(), (Halves(), Bands()), 3, 1.3, 2.5
    recipe = Anchored(gamma=0.7, xi=xi, distillation=0.4, palette_norm=norm, **options).recipe(given)
    network = anchored("unet", colors, corrected=options.get("palette") == "corrected")
    generator = torch.Generator().manual_seed(6)
    torch.nn.init.normal_(network.head[-1].weight, std=0.1, generator=generator)
    if network.correction is not None:
        torch.nn.init.normal_(network.correction.layers[-1].weight, std=0.5, generator=generator)
    x, labels = normalized(given.train.images[:4]), torch.from_numpy(given.train.labels[:4])
    torch.manual_seed(7)
    found = objective(network, classifiers, "cpu", recipe)(x, labels).item()

    torch.manual_seed(7)  # what the loss draws, in its order
    drawn_like = {"image": x[:, :1, :1, :1], "pixel": x}.get(options.get("jitter", ""))
    n = torch.randn(()) if drawn_like is None else torch.randn_like(drawn_like)
    m = network(x).detach()
    noise = -torch.empty_like(m).exponential_().log() if "gumbel" in options else torch.zeros_like(m)
    m, shown = m.double(), (m.double() * torch.exp(options.get("gumbel", 0) * noise.double()))
    shown = shown / shown.sum(dim=1, keepdim=True)
    if options.get("straight_through"):
        shown = nn.functional.one_hot(shown.argmax(1), colors).permute(0, 3, 1, 2).double()
    quantized = torch.zeros_like(x)
    expected = 0.0
    for b in range(4):
        t = torch.zeros(colors, 3)
        for c in range(colors):
            mass = float(shown[b, c].sum())
            for k in range(3):
                t[c, k] = float((shown[b, c] * x[b, k]).sum()) / mass
        if network.correction is not None:
            t = network.correction(t[None], shown[b : b + 1].mean(dim=(2, 3)).float())[0].detach()
        for k in range(3):
            quantized[b, k] = sum(t[c, k] / norm * shown[b, c] for c in range(colors))
        certain = [m[b, c].max() for c in range(colors)] if recipe.regularizer == "color" else m[b].amax(0).flatten()
        expected += 0.7 * math.log2(colors) * (1 - sum(map(float, certain)) / len(certain)) / 4
    quantized = quantized + xi * n
    for classifier in classifiers:
        for answer, original, label in zip(classifier(quantized).tolist(), classifier(x).tolist(), labels, strict=True):
            expected -= math.log(softmax(answer)[label]) / 4 / 2
            pairs = zip(softmax(original, TEMPERATURE), softmax(answer, TEMPERATURE), strict=True)
            expected += 0.4 * TEMPERATURE**2 * sum(q * math.log(q / p) for q, p in pairs) / 4 / 2
    assert found == pytest.approx(expected, rel=1e-4)


def lesson(**changes) -> Lesson:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 64)
    images = generator.integers(0, 200, (64, 16, 16, 3), np.uint8)
    images[labels == 0, :, :8] += 50
    images[labels == 1, :, 8:] += 50
    train = Split.of(images, labels)
    taught = {
        "validation": train.take(slice(0, 0)),
        "classifiers": (Halves(),),
        "classifier_names": ("halves",),
        "colors": (2,),
    } | changes
    own = Augmentation(flip=False, crop_padding=1)
    return Lesson("spots", train, classes=("left", "right"), normalization=PLAIN, augmentation=own, seed=3, **taught)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"distillation": 0.0},
        {"straight_through": True},
        {"learn_kappa": True},
        {"backbone": "dncnn", "space": "lab"},
        {"palette": "corrected"},
        {"gumbel": 0.5},
    ],
)
def test_what_was_learned_survives_its_state_and_is_the_same_again(photos, options):
    losses: list[float] = []
    method, twin, restored = (Anchored(**SMALL | options) for _ in range(3))
    method.fit(lesson(on_epoch=lambda _done, _of, metrics: losses.append(metrics["loss"])))
    twin.fit(lesson())
    assert options == {"straight_through": True} or losses[-1] < losses[0]
    state = method.state()
    assert all(torch.equal(state[name], tensor) for name, tensor in twin.state().items())
    assert state["head.2.weight"].abs().max() > 0
    restored.load(state, "cpu")
    result = restored.palettize(photos, 2)
    check_palettized(result, photos, 2)
    assert (result.render() == method.palettize(photos, 2).render()).all()
    pictures = method.explain(photos, 2)
    assert pictures["activation"].shape == photos.shape[:3]
    assert pictures["train-time"].shape == photos.shape


def test_a_joint_training_serves_all_of_its_color_counts(photos):
    shared = {"joint_colors": True, "palette": "corrected", "learn_kappa": True}
    method, twin, restored = (Anchored(**SMALL, **shared) for _ in range(3))
    accuracies: list[float] = []
    taught = {"colors": (4, 2), "validation": lesson().train}
    method.fit(lesson(**taught, on_epoch=lambda _done, _of, metrics: accuracies.append(metrics[VALIDATION_ACCURACY])))
    twin.fit(lesson(**taught))
    state = method.state()
    assert all(torch.equal(state[name], tensor) for name, tensor in twin.state().items())
    restored.load(state, "cpu")
    hits = []
    for colors in (2, 4):
        result = restored.palettize(photos, colors)
        check_palettized(result, photos, colors)
        assert (result.render() == method.palettize(photos, colors).render()).all()
        assert restored.explain(photos, colors)["train-time"].shape == photos.shape
        spots = taught["validation"]
        answers = Halves()(normalized(restored.palettize(spots.images, colors).render())).argmax(1)
        hits.append((answers.numpy() == spots.labels).mean())
    assert accuracies[-1] == pytest.approx(np.mean(hits))
    with pytest.raises(BadInput, match="trained for 2, 4 colors and cannot give 3"):
        restored.palettize(photos, 3)


def test_what_it_cannot_do_is_said():
    method = Anchored(**SMALL)
    with pytest.raises(ContractError, match="not trained"):
        method.palettize(np.zeros((1, 8, 8, 3), np.uint8), 2)
    with pytest.raises(ContractError, match="one color count at a time"):
        method.fit(lesson(colors=(2, 4)))
    with pytest.raises(ContractError, match="the lesson has none"):
        method.fit(lesson(classifiers=()))
    with pytest.raises(BadInput, match="not the state of an anchored"):
        method.load({}, "cpu")


@pytest.mark.parametrize(("colors", "options"), [(32, {}), (5, {"space": "lab", "palette": "corrected"})])
def test_its_onnx_gives_what_palettize_gives(photos, colors, options):
    learned = anchored("unet", 2, colors, space=options.get("space", "rgb"), corrected="palette" in options)
    for layer in [learned.head[-1], *(learned.correction.layers[-1:] if learned.correction else ())]:
        torch.nn.init.normal_(layer.weight, 0, 0.1, generator=torch.Generator().manual_seed(0))
    method = Anchored(width=2, steps=3, **options)
    method.load(learned.state_dict(), "cpu")
    made = export_onnx(method, colors, photos)
    assert made.dynamic == ("N", "H", "W")
    assert made.equal_pixels > 0.999
    with pytest.raises(BadInput, match=f"trained for 2, {colors} colors and cannot give 3"):
        method.onnx_module(3)


def test_tiles_give_what_the_whole_image_gives(monkeypatch):
    """Where all pixels are clustered; a few that lie between two colors may differ by rounding."""
    photo = data.astronaut()[None, :300, :420]
    network = anchored("dncnn", 2, 6).at(6)
    torch.nn.init.normal_(network.head[-1].weight, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(networks, "_CLUSTERED_PIXELS", 300 * 420)
    monkeypatch.setattr("methods.colorcnn.tiling.SIDE", 280)
    whole, tiled = palettize(network, photo), palettize_in_tiles(network, photo)
    assert (whole.indices != tiled.indices).mean() < 1e-3
    assert np.abs(whole.palettes.astype(int) - tiled.palettes).max() <= 1


def test_evenly_spaced_pixels_of_a_large_image_have_nearly_its_clusters():
    photo = data.astronaut()[None]
    x = normalized(photo)
    whole, spaced = cluster(placed(x), 8, 6), cluster(placed(x[..., ::2, ::2]), 8, 6)

    def error(centers: torch.Tensor) -> float:
        return float(squared_distances(placed(x).places, centers).amin(2).mean())

    assert error(spaced.centers) < 1.05 * error(whole.centers)
