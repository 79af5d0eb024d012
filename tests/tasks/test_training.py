import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from harness.contracts import IMAGENET_NORMALIZATION, Augmentation, BadInput, Lesson, Split
from harness.learning import predict
from harness.registry import Registry, classifier
from tasks.training import PaperRecipe


@classifier("tiny-net", summary="two convolutions")
class TinyNet(PaperRecipe):
    channels: int = 8

    def build(self, classes):
        return nn.Sequential(
            nn.Conv2d(3, self.channels, 3, stride=2),
            nn.BatchNorm2d(self.channels),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.1),
            nn.Linear(self.channels, classes),
        )


def plugin(name):
    import tasks

    registry = Registry()
    registry.add_module(tasks, "built in")
    registry.add(TinyNet, "this test")
    return registry.get("classifier", name, "spec")


def colored_split(count, seed):
    """Two classes: reddish and bluish noise."""
    labels = np.arange(count) % 2
    images = np.random.default_rng(seed).integers(0, 120, (count, 16, 16, 3), dtype=np.uint8)
    images[labels == 0, ..., 0] += 60
    images[labels == 1, ..., 2] += 60
    return Split.of(images, labels)


def lesson(**changes):
    train = colored_split(64, 0)
    nothing = train.take(slice(0, 0))
    base = Lesson(
        "colors", train, nothing, ("red", "blue"), IMAGENET_NORMALIZATION, Augmentation(flip=True, crop_padding=2), 0
    )
    return dataclasses.replace(base, **changes)


def states_equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "resnet18"])
def test_the_papers_recipe_is_the_default(name):
    made = plugin(name).make({}, "spec")
    stated = {
        "epochs": 60,
        "batch_size": None,
        "rate": 0.1,
        "momentum": 0.5,
        "cycle_momentum": True,
        "weight_decay": 5e-4,
        "weights": None,
        "width": 1.0,
    }
    assert dataclasses.asdict(made) == stated
    assert plugin(name).paper == stated | {"batch_size": 128}


@pytest.mark.parametrize(("dataset", "others"), [("cifar10", 32), ("stl10", 128)])
def test_only_a_batch_that_is_not_the_papers_on_this_dataset_is_told(dataset, others):
    def told(batch_size):
        return plugin("alexnet").make({"batch_size": batch_size}, "spec").departures(dataset, ())

    assert told(None) == told(32 + 128 - others)
    assert told(others) == [*told(None), f"batch_size is {others} for {dataset}, the paper has {160 - others}"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"epochs": 0}, "epochs"),
        ({"epochs": 1.5}, "epochs"),
        ({"batch_size": 1}, "batch_size"),
        ({"rate": 0}, "rate"),
        ({"momentum": 1}, "momentum"),
        ({"cycle_momentum": 1}, "cycle_momentum"),
        ({"weight_decay": -1}, "weight_decay"),
        ({"width": 0}, "width"),
        ({"weights": 3}, "weights"),
        ({"epoch": 3}, "did you mean 'epochs'"),
    ],
)
def test_bad_parameters_are_named(params, message):
    with pytest.raises(BadInput, match=message):
        plugin("alexnet").make(params, "classifiers[0]")


@pytest.mark.parametrize(
    ("name", "width"), [("alexnet", 0.125), ("vgg16", 0.05), ("resnet18", 0.05), ("tiny-net", None)]
)
def test_a_short_training_lowers_the_loss_the_same_way_each_time(name, width):
    params = {"epochs": 6, "batch_size": 8, "rate": 0.02} | ({"width": width} if width else {})
    losses = []
    school = lesson(on_epoch=lambda done, total, metrics: losses.append((done, total, metrics["loss"])))
    networks = [plugin(name).make(params, "spec").fit(school) for _ in range(2)]
    assert losses[:6] == losses[6:]
    assert [entry[:2] for entry in losses[:6]] == [(n, 6) for n in range(1, 7)]
    assert losses[5][2] < losses[0][2]
    assert states_equal(*networks)
    assert not networks[0].training
    other = plugin(name).make(params, "spec").fit(lesson(seed=1))
    assert not states_equal(networks[0], other)


def test_training_learns_and_reports_validation_accuracy():
    seen = []
    validation = colored_split(40, 1)
    school = lesson(validation=validation, on_epoch=lambda *a: seen.append(a[2]["validation_accuracy"]))
    network = plugin("tiny-net").make({"epochs": 8, "batch_size": 8, "rate": 0.1}, "spec").fit(school)
    logits = predict(network, validation.images, IMAGENET_NORMALIZATION)
    assert seen[-1] == (logits.argmax(1) == validation.labels).mean()
    assert seen[-1] > 0.9


@pytest.mark.parametrize(
    ("params", "momenta"),
    [
        ({}, (0.85, 0.95)),
        ({"cycle_momentum": False}, (0.5, 0.5)),
        ({"cycle_momentum": False, "momentum": 0.9}, (0.9, 0.9)),
    ],
)
def test_rate_and_momentum_follow_pytorchs_one_cycle(monkeypatch, params, momenta):
    used = []
    step = torch.optim.SGD.step

    def record(self, *args, **kwargs):
        used.append([(g["lr"], g["momentum"], g["weight_decay"]) for g in self.param_groups])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.SGD, "step", record)
    made = plugin("tiny-net").make({"epochs": 4, "batch_size": 8, "rate": 0.2, **params}, "spec")
    made.fit(lesson())
    monkeypatch.undo()
    reference = torch.optim.SGD(TinyNet().build(2).parameters(), lr=0.1, momentum=0.5)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        reference, 0.2, total_steps=32, base_momentum=momenta[0], max_momentum=momenta[1]
    )
    assert len(used) == 32
    for groups in used:
        for rate, momentum, decay in groups:
            assert rate == pytest.approx(cycle.get_last_lr()[0])
            assert momentum == pytest.approx(reference.param_groups[0]["momentum"])
            assert decay == 5e-4
        reference.step()
        cycle.step()


def save(network, path, **changes):
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()} | changes
    save_file({name: tensor for name, tensor in state.items() if tensor is not None}, path)
    return str(path)


def test_own_weights_are_used_and_nothing_is_trained(tmp_path):
    trained = plugin("tiny-net").make({"epochs": 1, "batch_size": 8}, "spec").fit(lesson())
    made = plugin("tiny-net").make({"weights": save(trained, tmp_path / "own.safetensors")}, "spec")
    made.check()
    network = made.fit(lesson(seed=5, on_epoch=lambda *_: pytest.fail("trained")))
    assert states_equal(network, trained)
    assert not network.training


def test_the_fingerprint_is_that_of_the_weights(tmp_path):
    network = TinyNet().build(2)
    one, copy = (TinyNet(weights=save(network, tmp_path / name)) for name in ("one.safetensors", "copy.safetensors"))
    other = TinyNet(weights=save(network, tmp_path / "other.safetensors", **{"0.bias": torch.ones(8)}))
    assert one.fingerprint() == copy.fingerprint() != other.fingerprint()
    assert TinyNet().fingerprint() == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"there is no file .*own\.safetensors"),
        (b"", "not a safetensors file"),
        (b"x" * 100, "not a safetensors file"),
    ],
)
def test_weights_that_cannot_be_read_are_refused_early(tmp_path, content, message):
    path = tmp_path / "own.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=message):
        TinyNet(weights=str(path)).check()


def test_truncated_weights_are_refused_early(tmp_path):
    path = tmp_path / "own.safetensors"
    save(TinyNet().build(2), path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(BadInput, match="not a safetensors file"):
        TinyNet(weights=str(path)).check()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"6.weight": torch.zeros(3, 8)}, r"'6\.weight' in .* is \[3, 8\], this network needs \[2, 8\]"),
        ({"0.bias": None}, r"lacks the tensor '0\.bias' \[8\]"),
        ({"9.weight": torch.zeros(1)}, r"holds a tensor '9\.weight' that this network does not have"),
    ],
)
def test_weights_of_another_network_are_named(tmp_path, changes, message):
    path = save(TinyNet().build(2), tmp_path / "own.safetensors", **changes)
    with pytest.raises(BadInput, match=message):
        TinyNet(weights=path).fit(lesson())


def test_batches_are_the_datasets_where_none_are_stated():
    made = plugin("tiny-net").make({"epochs": 1}, "spec")
    with_own = made.fit(lesson(batch_size=4, seed=3))
    assert states_equal(with_own, plugin("tiny-net").make({"epochs": 1, "batch_size": 4}, "spec").fit(lesson(seed=3)))
    assert not states_equal(with_own, made.fit(lesson(batch_size=8, seed=3)))
