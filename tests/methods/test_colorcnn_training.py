"""ColorCNN as a plugin: what training does and leaves alone, and the way through state and load."""

import dataclasses
import itertools
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from harness.contracts import (
    Augmentation,
    BadInput,
    ContractError,
    Lesson,
    Normalization,
    Split,
    check_palettized,
)
from harness.learning import freeze
from harness.registry import Registry
from methods.colorcnn import method
from methods.colorcnn.method import ColorCNN, reference_palette_norm

SIDE = 16
SMALL = {"width": 2, "epochs": 4, "batch_size": 16, "rate": 0.1, "momentum": 0.9, "restart_period": 4}


def spots(count, seed):
    """A bright spot on dark noise, on the left (class 0) or on the right (class 1)."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, count)
    images = generator.integers(0, 120, (count, SIDE, SIDE, 3), np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = generator.integers(0, SIDE - 5), generator.integers(0, SIDE // 2 - 5) + label * SIDE // 2
        image[row : row + 5, column : column + 5] += 110
    images.flags.writeable = False  # as shared memory between processes is
    return Split.of(images, labels)


class Sides(nn.Module):
    """A classifier that compares the two halves' brightest regions; its batch statistics would move in train mode."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.pool = nn.AvgPool2d(4)

    def forward(self, x):
        return 4 * self.pool(self.norm(x)).mean(dim=1).unflatten(-1, (2, -1)).amax(dim=(1, 3))


class Dazzled(Sides):
    """Unlike Sides it recognizes less where the whole image is brighter or darker, so that any jitter matters."""

    def forward(self, x):
        return super().forward(x.tanh())


def lesson(count=64, classifiers=1, colors=(2,), **changes):
    return Lesson(
        dataset="spots",
        train=spots(count, 1),
        validation=spots(32, 2),
        classes=("left", "right"),
        normalization=Normalization((0.3, 0.3, 0.3), (0.2, 0.2, 0.2)),
        augmentation=Augmentation(),
        seed=3,
        classifiers=tuple(freeze(Sides()) for _ in range(classifiers)),
        classifier_names=classifiers * ("alexnet",),
        colors=colors,
        **changes,
    )


def fitted(given, **params):
    made = ColorCNN(**{**SMALL, **params})
    made.fit(given)
    return made


def epochs_of(given, **params):
    """The metrics of each epoch."""
    metrics = []
    fitted(dataclasses.replace(given, on_epoch=lambda *now: metrics.append(now[2])), **params)
    return metrics


def assert_same_state(one, other):
    assert one.state().keys() == other.state().keys()
    assert all(torch.equal(tensor, other.state()[name]) for name, tensor in one.state().items())


def moved(one, other):
    """How far the last weights of two trained ColorCNNs are apart."""
    return (one.state()["head.2.weight"] - other.state()["head.2.weight"]).abs().max().item()


def test_training_lowers_the_loss_and_is_judged_on_decoded_images():
    metrics = epochs_of(lesson(), epochs=6, restart_period=6)
    assert metrics[-1]["loss"] < 0.7 * metrics[0]["loss"]
    assert metrics[-1]["validation_accuracy"] > 0.9


def test_validation_accuracy_is_the_classifiers_on_the_decoded_images():
    given = lesson()
    accuracies = []
    made = fitted(dataclasses.replace(given, on_epoch=lambda *now: accuracies.append(now[2]["validation_accuracy"])))
    decoded = made.palettize(given.validation.images, 2).render()
    x = (decoded / 255 - 0.3) / 0.2
    logits = given.classifiers[0](torch.from_numpy(x.transpose(0, 3, 1, 2)).float())
    assert accuracies[-1] == (logits.argmax(1).numpy() == given.validation.labels).mean()


def test_without_validation_images_there_is_no_validation_accuracy():
    nothing = spots(32, 2).take(slice(0))
    assert list(epochs_of(dataclasses.replace(lesson(), validation=nothing))[0]) == ["loss"]


def test_training_moves_the_quantizer_and_never_the_classifier():
    given = lesson(classifiers=2)
    before = [{name: tensor.clone() for name, tensor in c.state_dict().items()} for c in given.classifiers]
    short, long = fitted(given, epochs=1), fitted(given)
    for classifier, state in zip(given.classifiers, before, strict=True):
        assert not classifier.training
        assert all(torch.equal(tensor, state[name]) for name, tensor in classifier.state_dict().items())
        assert all(parameter.grad is None for parameter in classifier.parameters())
    constant = {"mean", "std"}
    assert {name for name, t in long.state().items() if torch.equal(t, short.state()[name])} == constant


def test_same_lesson_same_bits_other_seed_other_network():
    one, other = fitted(lesson()), fitted(lesson())
    assert_same_state(one, other)
    differently = fitted(dataclasses.replace(lesson(), seed=4))
    assert not torch.equal(one.state()["head.0.weight"], differently.state()["head.0.weight"])


def test_training_that_was_cut_off_goes_on_to_the_same_bits(tmp_path):
    class CutOff(Exception):
        pass

    def cut(done, *_):
        if done == 2:
            raise CutOff

    given = lesson(checkpoints=tmp_path)
    with pytest.raises(CutOff):
        fitted(dataclasses.replace(given, on_epoch=cut))
    remaining = []
    resumed = fitted(dataclasses.replace(given, on_epoch=lambda done, *_: remaining.append(done)))
    assert remaining == [3, 4]
    assert_same_state(resumed, fitted(lesson()))


@pytest.mark.parametrize("backbone", ["unet", "dncnn"])
def test_what_is_loaded_quantizes_as_what_was_trained(backbone):
    given = lesson(colors=(3,))
    trained = fitted(given, backbone=backbone, epochs=1)
    loaded = ColorCNN(**SMALL | {"backbone": backbone})
    loaded.load(trained.state(), "cpu")
    images = given.validation.images
    one, other = trained.palettize(images, 3), loaded.palettize(images, 3)
    assert np.array_equal(one.indices, other.indices)
    assert np.array_equal(one.palettes, other.palettes)
    assert check_palettized(other, images, 3).colors().max() <= 3


def test_a_state_may_hold_numpy_arrays_and_is_contiguous():
    trained = fitted(lesson(), epochs=1)
    assert all(tensor.is_contiguous() for tensor in trained.state().values())
    loaded = ColorCNN(**SMALL)
    loaded.load({name: tensor.numpy() for name, tensor in trained.state().items()}, "cpu")
    assert_same_state(trained, loaded)


OPTIONS = {
    "jitter": ("scalar", "image", "channel", "pixel"),
    "regularizer": ("color", "pixel"),
}


@pytest.mark.parametrize(("option", "values"), OPTIONS.items())
def test_each_option_trains_reproducibly_to_its_own_network(option, values):
    given = dataclasses.replace(lesson(), classifiers=(freeze(Dazzled()),))
    made = [[fitted(given, epochs=2, **{option: value}) for _ in range(2)] for value in values]
    for one, again in made:
        assert_same_state(one, again)
    for (one, _), (other, _) in itertools.combinations(made, 2):
        assert moved(one, other) > 1e-5


@pytest.mark.parametrize("jitter", OPTIONS["jitter"])
def test_each_jitter_goes_on_from_a_checkpoint_to_the_same_bits(tmp_path, jitter):
    cut_off = lesson(checkpoints=tmp_path, on_epoch=lambda done, *_: done == 1)
    fitted(cut_off, epochs=2, jitter=jitter)
    remaining = []
    rest = lesson(checkpoints=tmp_path, on_epoch=lambda done, *_: remaining.append(done))
    resumed = fitted(rest, epochs=2, jitter=jitter)
    assert remaining == [2]
    assert_same_state(resumed, fitted(lesson(), epochs=2, jitter=jitter))


@pytest.mark.parametrize(("regularizer", "equation"), [("color", "regularizer"), ("pixel", "pixel_regularizer")])
def test_gamma_weighs_the_regularizer_that_was_chosen(monkeypatch, regularizer, equation):
    from methods.colorcnn import equations

    monkeypatch.setattr(equations, equation, lambda m: m.new_full((len(m),), 100.0))
    still = {"regularizer": regularizer, "epochs": 1, "rate": 1e-12}
    without = epochs_of(lesson(), **still, gamma=0.0)[0]["loss"]
    assert epochs_of(lesson(), **still, gamma=0.5)[0]["loss"] == pytest.approx(without + 50, rel=1e-5)


@pytest.mark.parametrize("jitter", OPTIONS["jitter"])
@pytest.mark.parametrize("regularizer", OPTIONS["regularizer"])
@pytest.mark.parametrize(("gamma", "xi"), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
def test_gamma_and_xi_of_zero_remove_their_terms(monkeypatch, gamma, xi, regularizer, jitter):
    from methods.colorcnn import equations

    params = {"epochs": 1, "gamma": gamma, "xi": xi, "regularizer": regularizer, "jitter": jitter}
    given = dataclasses.replace(lesson(count=32), classifiers=(freeze(Dazzled()),))
    plain = fitted(given, **params)
    term = {"color": "regularizer", "pixel": "pixel_regularizer"}[regularizer]
    regularize, draw = getattr(equations, term), equations.draw_jitter
    changes = {
        term: (gamma, lambda m: 2 * regularize(m)),
        "draw_jitter": (xi, lambda jitter, x: draw(jitter, x) + 1),
    }
    for name, (weight, changed) in changes.items():
        with monkeypatch.context() as patch:
            patch.setattr(equations, name, changed)
            now = fitted(given, **params)
        assert moved(now, plain) > 1e-5 if weight else moved(now, plain) == 0, name


def test_several_classifiers_count_by_the_mean_of_their_losses():
    class Undecided(Sides):
        def forward(self, x):
            return 0 * super().forward(x)

    without_r = {"gamma": 0.0, "epochs": 1, "rate": 1e-12}
    alone = epochs_of(lesson(), **without_r)[0]["loss"]
    both = dataclasses.replace(lesson(), classifiers=(freeze(Sides()), freeze(Undecided())))
    assert epochs_of(both, **without_r)[0]["loss"] == pytest.approx((alone + math.log(2)) / 2, rel=1e-5)


def test_bf16_training_stays_finite_and_quantizes_in_fp32():
    given = lesson(precision="bf16")
    trained = fitted(given, epochs=1)
    assert all(tensor.dtype != torch.bfloat16 for tensor in trained.state().values())
    assert trained.palettize(given.train.images, 2).palettes.any()


@pytest.mark.parametrize(
    ("dataset", "classifiers", "norm"),
    [
        ("cifar10", ("alexnet",), 4.0),
        ("cifar100", ("alexnet",), 4.0),
        ("stl10", ("alexnet",), 1.0),
        ("digits-on-photos", ("alexnet",), 1.0),
        ("digits-on-photos", ("resnet18",), 4.0),
        ("digits-on-photos", ("vgg16", "alexnet"), 1.0),
        ("cifar10", ("vgg16",), 4.0),
        ("tiny-imagenet", (), 4.0),
    ],
)
def test_the_reference_palette_norm(dataset, classifiers, norm):
    assert reference_palette_norm(dataset, classifiers) == norm


def test_what_depends_on_other_parameters_is_filled_in():
    assert ColorCNN().recipe(lesson()).restart_period == 20
    assert ColorCNN(epochs=2).recipe(lesson()).restart_period == 1
    assert ColorCNN(epochs=9, restart_period=9).recipe(lesson()).restart_period == 9
    assert ColorCNN().recipe(lesson()).palette_norm == 1.0
    assert ColorCNN(palette_norm=2.5).recipe(lesson()).palette_norm == 2.5


def test_the_defaults_are_the_papers():
    defaults = {field.name: field.default for field in dataclasses.fields(ColorCNN)}
    rules = {"batch_size", "palette_norm", "restart_period"}
    assert {name for name, value in defaults.items() if value is None} == rules
    assert {k: v for k, v in defaults.items() if k not in rules} == {
        k: v for k, v in ColorCNN.paper.items() if k not in rules
    }
    recipe = ColorCNN().recipe(dataclasses.replace(lesson(), dataset="cifar10"))
    assert {name: getattr(recipe, name) for name in rules} == {name: ColorCNN.paper[name] for name in rules}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"classifiers": ()}, "the lesson has none"),
        ({"colors": (2, 4)}, r"one color count at a time, the lesson has \[2, 4\]"),
    ],
)
def test_a_lesson_it_cannot_learn_from(changes, sentence):
    with pytest.raises(ContractError, match=sentence):
        fitted(dataclasses.replace(lesson(), **changes))


def test_untrained_or_for_other_colors_or_from_another_network():
    images = spots(2, 1).images
    with pytest.raises(ContractError, match="is not trained"):
        ColorCNN().palettize(images, 2)
    trained = fitted(lesson(), epochs=1)
    with pytest.raises(BadInput, match="trained for 2 colors and cannot give 4"):
        trained.palettize(images, 4)
    for other in (ColorCNN(width=3), ColorCNN(width=2, backbone="dncnn")):
        with pytest.raises(BadInput, match=f"backbone {other.backbone} and width {other.width}"):
            other.load(trained.state(), "cpu")
    with pytest.raises(BadInput, match="not the state"):
        ColorCNN().load({}, "cpu")


@pytest.mark.parametrize(
    "params",
    [
        {"width": 0},
        {"backbone": "resnet"},
        {"momentum": 1.0},
        {"xi": -1.0},
        {"palette_norm": 0.0},
        {"jitter": "color"},
        {"regularizer": "scalar"},
        {"C": 2},
    ],
)
def test_parameters_are_validated(params):
    registry = Registry()
    registry.add_module(method, "here")
    with pytest.raises(BadInput):
        registry.get("method", "colorcnn", "here").make(params, "here")


def test_an_untrained_instance_travels():
    registry = Registry()
    registry.add_module(method, "here")
    made = registry.get("method", "colorcnn", "here").make({"width": 2, "epochs": 1}, "here")
    arrived = pickle.loads(pickle.dumps(made))
    assert (arrived.width, arrived.epochs) == (2, 1)
    arrived.fit(lesson())
    assert arrived.state().keys() == fitted(lesson(), epochs=1).state().keys()


def test_naming_the_plugin_does_not_load_torch():
    code = "import sys, methods.colorcnn.method; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
