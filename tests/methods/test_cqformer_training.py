"""CQFormer as a plugin: what training does and leaves alone, and the way through state and load."""

import dataclasses
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from harness.contracts import Augmentation, BadInput, ContractError, Lesson, Normalization, Split, check_palettized
from harness.discovery import discover
from harness.learning import freeze, normalize, predict
from harness.work.validate import check_method
from methods.cqformer import training
from methods.cqformer.method import CQFormer, reference_epochs
from methods.cqformer.network import CQFormer as Network

SIDE = 32
SMALL = {"width": 1, "epochs": 2, "batch_size": 16, "rate": 0.1, "momentum": 0.9, "restart_period": 2}


def spots(count, seed):
    """A bright spot on dark noise, on the left (class 0) or on the right (class 1)."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, count)
    images = generator.integers(0, 80, (count, SIDE, SIDE, 3), np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = generator.integers(0, SIDE - 10), generator.integers(0, SIDE // 2 - 10) + label * SIDE // 2
        image[row : row + 10, column : column + 10] += 150
    images.flags.writeable = False  # as shared memory between processes is
    return Split.of(images, labels)


class Sides(nn.Module):
    """A classifier that compares the two halves' brightest regions; its batch statistics would move in train mode."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.pool = nn.AvgPool2d(8)

    def forward(self, x):
        return 4 * self.pool(self.norm(x)).mean(dim=1).unflatten(-1, (2, -1)).amax(dim=(1, 3))


def lesson(count=32, classifiers=1, colors=(2,), **changes):
    return Lesson(
        dataset="spots",
        train=spots(count, 1),
        validation=spots(16, 2),
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
    made = CQFormer(**{**SMALL, **params})
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


def test_training_lowers_the_loss():
    losses = [now["loss"] for now in epochs_of(lesson(count=64), epochs=3, gamma=10.0)]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("palette", ["predicted", "means"])
def test_validation_accuracy_is_the_classifiers_on_the_decoded_images(palette):
    given, accuracies = lesson(), []
    note = dataclasses.replace(given, on_epoch=lambda *now: accuracies.append(now[2]["validation_accuracy"]))
    made = fitted(note, palette=palette, epochs=1)
    decoded = made.palettize(given.validation.images, 2).render()
    logits = predict(given.classifiers[0], decoded, given.normalization)
    assert accuracies[-1] == (logits.argmax(1) == given.validation.labels).mean()


def test_without_validation_images_there_is_no_validation_accuracy():
    nothing = spots(16, 2).take(slice(0))
    assert list(epochs_of(dataclasses.replace(lesson(), validation=nothing), epochs=1)[0]) == ["loss"]


def test_training_moves_both_branches_and_never_the_classifier():
    given = lesson(classifiers=2)
    before = [{name: tensor.clone() for name, tensor in c.state_dict().items()} for c in given.classifiers]
    short, long = fitted(given, epochs=1), fitted(given)
    for classifier, state in zip(given.classifiers, before, strict=True):
        assert not classifier.training
        assert all(torch.equal(tensor, state[name]) for name, tensor in classifier.state_dict().items())
        assert all(parameter.grad is None for parameter in classifier.parameters())
    assert not [name for name, tensor in long.state().items() if torch.equal(tensor, short.state()[name])]


def test_same_lesson_same_bits_other_seed_other_network():
    one, other = fitted(lesson()), fitted(lesson(), palette="means")
    assert_same_state(one, other)
    differently = fitted(dataclasses.replace(lesson(), seed=4))
    assert not torch.equal(one.state()["head.weight"], differently.state()["head.weight"])


def test_training_that_was_cut_off_goes_on_to_the_same_bits(tmp_path):
    class CutOff(Exception):
        pass

    def cut(done, *_):
        if done == 1:
            raise CutOff

    given = lesson(checkpoints=tmp_path)
    with pytest.raises(CutOff):
        fitted(dataclasses.replace(given, on_epoch=cut))
    remaining = []
    resumed = fitted(dataclasses.replace(given, on_epoch=lambda done, *_: remaining.append(done)))
    assert remaining == [2]
    assert_same_state(resumed, fitted(lesson()))


def test_what_is_loaded_quantizes_as_what_was_trained():
    given = lesson(colors=(3,))
    trained = fitted(given, epochs=1)
    assert all(tensor.is_contiguous() for tensor in trained.state().values())
    loaded = CQFormer(**SMALL)
    loaded.load({name: tensor.numpy() for name, tensor in trained.state().items()}, "cpu")
    images = given.validation.images
    one, other = trained.palettize(images, 3), loaded.palettize(images, 3)
    assert np.array_equal(one.indices, other.indices)
    assert np.array_equal(one.palettes, other.palettes)
    assert check_palettized(other, images, 3).colors().max() <= 3


def test_the_loss_is_cross_entropy_and_three_weighted_terms():
    given = lesson(classifiers=2)
    weights = {"alpha": 0.7, "beta": 0.3, "gamma": 1.5}
    network = freeze(Network(1, 2))
    recipe = CQFormer(**SMALL, **weights, temperature=0.05).recipe(given)
    x = normalize(torch.from_numpy(given.train.images[:6].copy()), given.normalization)
    labels = torch.from_numpy(given.train.labels[:6].copy())
    unit = x * 0.2 + 0.3
    p, palette = network(unit)
    powers = torch.exp(p / 0.05)
    m = powers / powers.sum(dim=1, keepdim=True)
    quantized = torch.einsum("bchw,bck->bkhw", m, palette)
    logits = given.classifiers[0]((quantized - 0.3) / 0.2)
    expected = -logits.log_softmax(1)[torch.arange(6), labels].mean()
    expected += 0.7 * training.equations.color_regularizer(unit, m).mean()
    expected += 0.3 * math.log2(2) * (1 - m.amax(dim=(2, 3)).mean())
    expected += 1.5 * ((unit - quantized) ** 2).mean()
    found = training.objective(network, given.classifiers, given, recipe)(x, labels)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


TERMS = {
    "alpha": (training.equations, "color_regularizer"),
    "beta": (training, "regularizer"),
    "gamma": (training.equations, "perceptual_loss"),
}


@pytest.mark.parametrize("weight", TERMS)
def test_a_weight_of_zero_removes_its_term(monkeypatch, weight):
    calls = []
    place, name = TERMS[weight]
    term = getattr(place, name)
    monkeypatch.setattr(place, name, lambda *args: calls.append(1) or term(*args))
    short = {"epochs": 1, "batch_size": 32}
    assert epochs_of(lesson(), **short)[0]["loss"] > epochs_of(lesson(), **short, **{weight: 0.0})[0]["loss"]
    assert len(calls) == 1


def test_several_classifiers_count_by_the_mean_of_their_losses():
    class Undecided(Sides):
        def forward(self, x):
            return 0 * super().forward(x)

    alone = {"alpha": 0.0, "beta": 0.0, "gamma": 0.0, "epochs": 1, "rate": 1e-12}
    one = epochs_of(lesson(), **alone)[0]["loss"]
    both = dataclasses.replace(lesson(), classifiers=(freeze(Sides()), freeze(Undecided())))
    assert epochs_of(both, **alone)[0]["loss"] == pytest.approx((one + math.log(2)) / 2, rel=1e-5)


def test_bf16_training_stays_finite_and_quantizes_in_full_precision():
    trained = fitted(lesson(precision="bf16"), epochs=1)
    assert all(tensor.dtype != torch.bfloat16 for tensor in trained.state().values())
    assert trained.palettize(spots(4, 1).images, 2).palettes.any()


def test_what_is_left_open_is_filled_in():
    assert [reference_epochs(colors) for colors in (2, 3, 8, 14, 64)] == [60, 80, 180, 300, 300]
    assert [CQFormer().recipe(lesson(colors=(c,))).epochs for c in (2, 4)] == [60, 100]
    assert CQFormer().recipe(lesson()).batch_size == lesson().batch_size
    assert CQFormer().cycle() == 20
    assert CQFormer(epochs=6).recipe(lesson()).restart_period == 6
    assert CQFormer(epochs=60, restart_period=9).resolved("spots", ("alexnet",)) == {"restart_period": 9}


def test_the_defaults_are_the_authors():
    defaults = {field.name: field.default for field in dataclasses.fields(CQFormer)}
    rules = {"epochs", "batch_size", "restart_period"}
    assert {name for name, value in defaults.items() if value is None} == rules
    assert {k: v for k, v in defaults.items() if k not in rules} == {
        k: v for k, v in CQFormer.paper.items() if k not in rules
    }
    recipe = CQFormer().recipe(dataclasses.replace(lesson(), batch_size=128))
    assert {name: getattr(recipe, name) for name in rules} == {name: CQFormer.paper[name] for name in rules}


def test_departures_name_the_frozen_classifier_and_what_was_changed():
    (always,) = CQFormer().departures("stl10", ("alexnet",))
    assert "frozen" in always
    said = CQFormer(epochs=5, batch_size=128).departures("stl10", ("alexnet",))[1:]
    assert said[0].startswith("epochs is 5, the authors' code has 60")
    assert said[1] == "batch_size is 128 for stl10, the authors' code has 32"
    assert len(CQFormer(batch_size=128).departures("cifar10", ("alexnet",))) == 1


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
    with pytest.raises(ContractError, match="is not trained"):
        CQFormer().palettize(spots(2, 1).images, 2)
    state, made = Network(1, 2).state_dict(), CQFormer(width=1)
    made.load(state, "cpu")
    with pytest.raises(BadInput, match="trained for 2 colors and cannot give 4"):
        made.palettize(spots(2, 1).images, 4)
    for broken in (state, {}):
        with pytest.raises(BadInput, match="not the state of a cqformer with width 2"):
            CQFormer(width=2).load(broken, "cpu")


@pytest.mark.parametrize(
    "params", [{"width": 0}, {"temperature": 0.0}, {"alpha": -1.0}, {"palette": "mean"}, {"epochs": 0}]
)
def test_parameters_are_validated(params):
    with pytest.raises(BadInput):
        discover().get("method", "cqformer", "here").make(params, "here")


def test_it_keeps_the_contract():
    plugin = discover().get("method", "cqformer", "test")
    for params, levels in (({}, (3,)), ({"palette": "means"}, (2,))):
        checks = list(check_method(plugin, {"width": 1, "epochs": 1, **params}, levels, ()))
        assert [f"{check.what}: {check.found}" for check in checks if not check.ok] == []


def test_an_untrained_instance_travels():
    arrived = pickle.loads(pickle.dumps(discover().get("method", "cqformer", "here").make({"width": 3}, "here")))
    assert (arrived.width, arrived.palette) == (3, "predicted")


def test_naming_the_plugin_does_not_load_torch():
    code = "import sys, methods.cqformer.method; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
