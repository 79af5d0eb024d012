"""ColorCNN+ as a plugin: what training does and leaves alone, its parts' switches, the way through state and load."""

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from harness.contracts import Augmentation, BadInput, ContractError, Lesson, Normalization, Split, check_palettized
from harness.discovery import discover
from harness.learning import freeze, normalize, seeded
from harness.work.validate import check_method
from methods.colorcnn_plus import equations, training
from methods.colorcnn_plus.distortion import Unit
from methods.colorcnn_plus.method import ColorCNNPlus, reference_palette_norm
from methods.colorcnn_plus.training import ColorCounts

SIDE = 8
SMALL = {"width": 1, "epochs": 2, "batch_size": 8, "rate": 0.1, "redraw": 1}
CONSTANT = {"mean", "std", "counts"}


def sides(count, seed):
    """Dark noise with a bright half, on the left (class 0) or on the right (class 1)."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, count)
    images = generator.integers(0, 120, (count, SIDE, SIDE, 3), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, label * SIDE // 2 : (label + 1) * SIDE // 2] += 110
    images.flags.writeable = False
    return Split.of(images, labels)


class Sides(nn.Module):
    """Compares the brightness of two halves, and is dazzled by bright images; its features are those halves."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.pool = nn.AvgPool2d((SIDE, SIDE // 2))

    def forward(self, x):
        return 4 * self.pool(self.norm(x.tanh())).mean(dim=1).flatten(1)


class Mapped(Sides):
    """The same with ``features`` and ``head``, so that it is compared by maps."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4, 2)

    def features(self, x):
        return self.conv(self.norm(x)).relu()

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


def made(kind):
    with seeded(kind.__name__):
        return freeze(kind())


def lesson(count=16, kinds=(Sides,), colors=(2, 16), **changes):
    return Lesson(
        **{
            "dataset": "sides",
            "train": sides(count, 1),
            "validation": sides(0, 2),
            "classes": ("left", "right"),
            "normalization": Normalization((0.3, 0.3, 0.3), (0.2, 0.2, 0.2)),
            "augmentation": Augmentation(flip=False, crop_padding=1),
            "seed": 3,
            "classifiers": tuple(map(made, kinds)),
            "classifier_names": len(kinds) * ("alexnet",),
            "colors": colors,
            **changes,
        }
    )


def fitted(given, **params):
    method = ColorCNNPlus(**{**SMALL, **params})
    method.fit(given)
    return method


def same(one, other):
    return all(torch.equal(tensor, other.state()[name]) for name, tensor in one.state().items())


def losses(given, **params):
    found = []
    fitted(dataclasses.replace(given, on_epoch=lambda *now: found.append(now[2]["loss"])), **params)
    return found


def test_training_is_judged_at_all_color_counts_and_gets_better():
    metrics = []
    given = lesson(64, validation=sides(16, 2), on_epoch=lambda *now: metrics.append(now[2]))
    calm = {"augmentation": "none", "color_jitter": 0.0, "tone_jitter": 0.0, "feature_weight": 0.0}
    trained = fitted(given, epochs=4, width=2, momentum=0.5, **calm)
    assert metrics[0]["validation_accuracy"] < 0.8
    hits = []
    for colors in (2, 16):
        decoded = torch.from_numpy(trained.palettize(given.validation.images, colors).render())
        logits = given.classifiers[0](normalize(decoded, given.normalization))
        hits.append((logits.argmax(1).numpy() == given.validation.labels).mean())
    assert metrics[-1]["validation_accuracy"] == pytest.approx(np.mean(hits))
    assert np.mean(hits) > 0.9


def test_training_moves_all_weights_and_never_the_classifiers():
    given = lesson(kinds=(Sides, Mapped))
    before = [{name: tensor.clone() for name, tensor in c.state_dict().items()} for c in given.classifiers]
    short, long = fitted(given, epochs=1), fitted(given)
    for classifier, state in zip(given.classifiers, before, strict=True):
        assert not classifier.training
        assert all(torch.equal(tensor, state[name]) for name, tensor in classifier.state_dict().items())
        assert all(parameter.grad is None for parameter in classifier.parameters())
    assert {name for name, t in long.state().items() if torch.equal(t, short.state()[name])} == CONSTANT


def test_same_lesson_same_bits_other_seed_other_network():
    one = fitted(lesson())
    torch.rand(3)  # nothing depends on the state outside
    assert same(one, fitted(lesson()))
    assert not same(one, fitted(dataclasses.replace(lesson(), seed=4)))


@pytest.mark.parametrize("redraw", [3, 100])
def test_training_that_was_cut_off_goes_on_to_the_same_color_counts_and_bits(tmp_path, monkeypatch, redraw):
    class CutOff(Exception):
        pass

    drawn = []
    following = ColorCounts.next

    def noted(counts):
        drawn.append(following(counts))
        return drawn[-1]

    monkeypatch.setattr(ColorCounts, "next", noted)
    whole = fitted(lesson(count=40), epochs=3, redraw=redraw)
    expected, drawn[:] = drawn[:], []
    given = lesson(count=40, checkpoints=tmp_path)

    def cut(done, *_):
        if done == 2:
            raise CutOff

    with pytest.raises(CutOff):
        fitted(dataclasses.replace(given, on_epoch=cut), epochs=3, redraw=redraw)
    remaining = []
    on = dataclasses.replace(given, on_epoch=lambda done, *_: remaining.append(done))
    resumed = fitted(on, epochs=3, redraw=redraw)
    assert remaining == [3]
    assert drawn == expected
    assert same(resumed, whole)


def test_color_counts_are_drawn_every_few_steps_and_at_each_epochs_start():
    counts = ColorCounts((2, 4, 8, 16, 32, 64), 4)
    with seeded("counts"):
        drawn = [counts.next() for _ in range(400)]
        counts.next()
        counts.start_epoch()
        more = [counts.next() for _ in range(4)]
    assert all(len(set(drawn[start : start + 4])) == 1 for start in range(0, 400, 4))
    assert set(drawn) == {2, 4, 8, 16, 32, 64}
    assert len(set(more)) == 1
    with seeded("counts"):
        assert [int(torch.randint(6, ())) for _ in range(100)] == [(2, 4, 8, 16, 32, 64).index(c) for c in drawn[::4]]


SWITCHES = [
    {"top": None},
    {"bottleneck": None},
    {"grouped": False},
    {"feature_weight": 0.0},
    {"present_weight": 0.0},
    {"entropy_weight": 0.0},
    {"similarity_weight": 0.0},
    {"similarity_by_colors": False},
    {"color_jitter": 0.0},
    {"tone_jitter": 0.0},
    {"augmentation": "image"},
    {"augmentation": "none"},
    {"palette_norm": 2.0},
    {"similarity_share": 1.0},
]


@pytest.fixture(scope="module")
def plain():
    return fitted(lesson())


@pytest.mark.parametrize("switch", SWITCHES, ids=str)
def test_each_switch_trains_another_network(plain, switch):
    other = fitted(lesson(), **switch)
    if "bottleneck" in switch:
        assert other.state()["head.weight"].shape == (256, 1, 1, 1)
    else:
        assert not same(plain, other)
    assert check_palettized(other.palettize(sides(4, 5).images, 16), sides(4, 5).images, 16).colors().max() <= 16


TERMS = {
    "present_weight": ("color_absence", 1),
    "entropy_weight": ("usage_entropy", -1),
    "similarity_weight": ("pixel_similarity", equations.similarity_factor(16)),
}


@pytest.mark.parametrize(("weight", "term"), TERMS.items(), ids=TERMS)
def test_weights_weigh_their_own_terms_and_zero_leaves_them_out(monkeypatch, weight, term):
    name, factor = term
    still = {"epochs": 1, "rate": 1e-12}
    given = lesson(count=8, colors=(16,))  # one step: further draws do not shift
    without = losses(given, **still, **{weight: 0.0})[0]
    monkeypatch.setattr(equations, name, lambda m, *_: m.new_full((len(m),), 100.0))
    assert losses(given, **still, **{weight: 0.5})[0] == pytest.approx(without + 50 * factor, rel=1e-4)
    monkeypatch.setattr(equations, name, lambda *_: pytest.fail("it has no weight"))
    assert losses(given, **still, **{weight: 0.0})[0] == without


@pytest.mark.parametrize("colors", [2, 4, 8, 16, 32, 64])
def test_the_similarity_counts_more_the_more_colors_there_are_or_always_as_much(monkeypatch, colors):
    given = lesson()
    m, images = torch.full((2, colors, SIDE, SIDE), 1 / colors), torch.rand(2, 3, SIDE, SIDE)
    monkeypatch.setattr(equations, "pixel_similarity", lambda *_: torch.tensor([1.0, 4.0]))
    unit = Unit(torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1))
    for by_colors, factor in ((True, 1 / (1 + math.exp(4 - math.log2(colors)))), (False, 1.0)):
        weights = {"present_weight": 0.0, "entropy_weight": 0.0, "similarity_weight": 3.0}
        recipe = ColorCNNPlus(**weights, similarity_by_colors=by_colors).recipe(given)
        assert training.map_loss(m, images, unit, recipe).item() == pytest.approx(3 * factor * 2.5)


def test_the_loss_is_the_mean_of_the_classifiers_cross_entropies_and_feature_distances(monkeypatch):
    given = lesson(count=8, kinds=(Sides, Mapped), colors=(2,))
    off = {"present_weight": 0.0, "entropy_weight": 0.0, "similarity_weight": 0.0, "augmentation": "none"}
    recipe = ColorCNNPlus(**SMALL, **off, feature_weight=0.3).recipe(given)
    images = torch.rand(8, 3, SIDE, SIDE)
    quantized = torch.rand(8, 3, SIDE, SIDE)
    monkeypatch.setattr(training, "train_time_image", lambda *_: quantized)
    network = lambda x, colors: torch.full((len(x), colors, SIDE, SIDE), 0.5)  # noqa: E731
    loss = training.objective(network, training.viewers_of(given), ColorCounts((2,), 1), given, recipe)
    labels = torch.from_numpy(given.train.labels)
    entropy, distance = 0.0, 0.0
    for classifier in given.classifiers:
        entropy -= sum(classifier(quantized).log_softmax(1)[n, label].item() for n, label in enumerate(labels)) / 8 / 2
        told = getattr(classifier, "features", classifier)  # logits where there are no features
        distance += (told(quantized) - told(images)).square().mean().item() / 2
    assert loss(images, labels).item() == pytest.approx(entropy + 0.3 * distance, rel=1e-4)


def test_images_are_cropped_after_quantization_or_before_it(monkeypatch):
    given, seen = lesson(), []
    monkeypatch.setattr(training, "train", lambda _network, _loss, lesson, **_: seen.append(lesson.augmentation))
    for augmentation in ("batch", "image", "none"):
        given = dataclasses.replace(given, augmentation=Augmentation(flip=True, crop_padding=4))
        fitted(given, augmentation=augmentation)
    assert seen == [Augmentation(True, 0), Augmentation(True, 0), Augmentation(True, 4)]


@pytest.mark.parametrize("grouped", [True, False])
def test_what_is_loaded_quantizes_as_what_was_trained(plain, grouped):
    trained = plain if grouped else fitted(lesson(), grouped=False)
    loaded = ColorCNNPlus(**SMALL, grouped=grouped)
    loaded.load({name: tensor.numpy() for name, tensor in trained.state().items()}, "cpu")
    assert same(trained, loaded)
    images = sides(4, 2).images
    for colors in (2, 16):
        one, other = trained.palettize(images, colors), loaded.palettize(images, colors)
        assert np.array_equal(one.render(), other.render())


def test_bf16_training_stays_finite_and_quantizes_in_fp32():
    trained = fitted(lesson(precision="bf16"), epochs=1)
    assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in trained.state().values())
    assert all(tensor.isfinite().all() for tensor in trained.state().values())
    assert not same(trained, fitted(lesson(), epochs=1))


@pytest.mark.parametrize("colors", [(5,), (2, 128), (256,), (2, 48)])
def test_counts_it_cannot_give_are_refused_in_a_sentence(colors):
    with pytest.raises(BadInput, match=rf"gives 2, 4, 8, 16, 32 or 64 colors, not {colors[-1]}"):
        fitted(lesson(colors=colors))


def test_without_a_classifier_or_a_training_there_is_nothing():
    with pytest.raises(ContractError, match="the lesson has none"):
        fitted(lesson(kinds=()))
    with pytest.raises(ContractError, match="is not trained"):
        ColorCNNPlus().palettize(sides(1, 1).images, 2)


@pytest.mark.parametrize(
    ("dataset", "classifiers", "norm"),
    [
        ("cifar10", ("alexnet",), 4.0),
        ("stl10", ("alexnet",), 1.0),
        ("stl10", ("alexnet", "vgg16", "resnet18"), 4.0),
        ("digits-on-photos", ("resnet18",), 4.0),
    ],
)
def test_the_reference_palette_norm(dataset, classifiers, norm):
    assert reference_palette_norm(dataset, classifiers) == norm
    assert ColorCNNPlus().resolved(dataset, classifiers) == {"palette_norm": norm, "restart_period": 20}


def test_the_defaults_are_the_papers_and_departures_are_named():
    recipe = ColorCNNPlus().recipe(lesson(dataset="cifar10"))
    paper = dict(ColorCNNPlus.paper)
    for name in ("width", "bottleneck", "grouped", "top", "joint_colors"):
        assert getattr(ColorCNNPlus(), name) == paper.pop(name)
    assert dataclasses.asdict(recipe) == paper
    assert ColorCNNPlus().departures("cifar10", ("alexnet",)) == []
    assert ColorCNNPlus(epochs=5).cycle() == 5
    assert ColorCNNPlus(top=None, batch_size=16, palette_norm=2.0).departures("cifar10", ("alexnet",)) == [
        "top is off, the paper has 4",
        "batch_size is 16 for cifar10, the paper has 128",
        "palette_norm is 2, the paper has 4",
    ]
    [norm] = ColorCNNPlus().departures("stl10", ("alexnet",))
    assert norm == "palette_norm is 1 for alexnet on stl10 as in the authors' code, the paper has 4"


def test_it_keeps_the_contract():
    plugin = discover().get("method", "colorcnn-plus", "test")
    assert plugin.joint_colors
    for more in ({}, {"grouped": False, "joint_colors": False}):
        checks = check_method(plugin, {"width": 2, "epochs": 1, **more}, (2, 16), ())
        assert [check for check in checks if not check.ok] == []


def test_naming_the_plugin_does_not_load_torch():
    code = "import sys, methods.colorcnn_plus.method; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
