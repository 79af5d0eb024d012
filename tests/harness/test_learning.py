# ruff: noqa: ARG005 - callbacks are told more than most of them use

import dataclasses
import hashlib
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from harness import learning
from harness.contracts import Augmentation, ContractError, DamagedCheckpoint, Lesson, Normalization, Split

NORMALIZATION = Normalization((0.5, 0.4, 0.3), (0.2, 0.25, 0.3))
RNG = np.random.default_rng(0)


def network():
    with learning.seeded("test"):
        return nn.Sequential(
            nn.Conv2d(3, 4, 3, 2, 1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 3),
        )


def lesson(**changes):
    split = Split.of(np.random.default_rng(1).integers(0, 256, (50, 8, 8, 3), np.uint8), np.arange(50) % 3)
    base = Lesson(
        dataset="toys",
        train=split,
        validation=split.take(slice(0, 0)),
        classes=("a", "b", "c"),
        normalization=NORMALIZATION,
        augmentation=Augmentation(flip=True, crop_padding=2),
        seed=5,
    )
    return dataclasses.replace(base, **changes)


def train(net, given, epochs=4, **changes):
    settings = {
        "epochs": epochs,
        "batch_size": 16,
        "schedule": lambda batches: learning.one_cycle(4 * batches, 0.1),
        "weight_decay": 1e-3,
    }
    learning.train(net, lambda images, labels: cross_entropy(net(images), labels), given, **settings | changes)
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def of_torch(scheduler_of, steps, momentum=0.9):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=momentum)
    scheduler = scheduler_of(optimizer)
    found = []
    for _ in range(steps):
        found.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("total", [4, 5, 10, 63, 200])
@pytest.mark.parametrize("warm", [0.3, 0.5])
@pytest.mark.parametrize("momenta", [(0.85, 0.95), (0.5, 0.5)])
def test_one_cycle_is_torchs(total, warm, momenta):
    low, high = momenta

    def scheduler(optimizer):
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 0.3, total, pct_start=warm, base_momentum=low, max_momentum=high
        )

    at = learning.one_cycle(total, 0.3, momenta, warm)
    np.testing.assert_allclose([at(step) for step in range(total)], of_torch(scheduler, total), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("total", [1, 2, 3])
def test_one_cycle_of_a_few_steps_begins_at_its_peak(total):
    at = learning.one_cycle(total, 0.3)
    assert at(0) == pytest.approx((0.3, 0.85))
    assert all(math.isfinite(value) for step in range(total) for value in at(step))


@pytest.mark.parametrize("period", [1, 7, 20])
def test_cosine_restarts_are_torchs(period):
    def scheduler(optimizer):
        return torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, period)

    at = learning.cosine_restarts(period, 0.1, 0.9)
    np.testing.assert_allclose([at(step) for step in range(50)], of_torch(scheduler, 50), rtol=1e-9, atol=1e-12)


def test_normalize_against_a_loop():
    pixels = RNG.integers(0, 256, (2, 3, 4, 3), np.uint8)
    found = learning.normalize(torch.from_numpy(pixels), NORMALIZATION)
    assert found.dtype == torch.float32
    assert found.shape == (2, 3, 3, 4)
    assert found.is_contiguous(memory_format=torch.channels_last)
    for n, y, x, c in np.ndindex(pixels.shape):
        expected = (pixels[n, y, x, c] / 255 - NORMALIZATION.mean[c]) / NORMALIZATION.std[c]
        assert float(found[n, c, y, x]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "augmentation", [Augmentation(), Augmentation(True), Augmentation(False, 2), Augmentation(True, 3)]
)
def test_augment_against_a_loop_with_the_same_draws(augmentation):
    pixels = torch.from_numpy(RNG.integers(1, 256, (6, 5, 7, 3), np.uint8))
    found = learning.augment(pixels, augmentation, torch.Generator().manual_seed(3))
    draws, pad = torch.Generator().manual_seed(3), augmentation.crop_padding
    flips = torch.randint(2, (6, 1), generator=draws) if augmentation.flip else torch.zeros(6, 1)
    tops = torch.randint(2 * pad + 1, (6, 1), generator=draws) if pad else torch.zeros(6, 1)
    lefts = torch.randint(2 * pad + 1, (6, 1), generator=draws) if pad else torch.zeros(6, 1)
    for n in range(6):
        height, width = pixels.shape[1:3]
        padded = np.zeros((height + 2 * pad, width + 2 * pad, 3), np.uint8)
        padded[pad : pad + height, pad : pad + width] = pixels[n].numpy()
        cropped = padded[int(tops[n]) :, int(lefts[n]) :][:height, :width]
        assert np.array_equal(found[n].numpy(), cropped[:, ::-1] if flips[n] else cropped)
    if augmentation != Augmentation():
        assert not torch.equal(found, pixels)


def test_batches_hold_each_image_once_shuffled_anew_in_each_epoch():
    given = lesson(augmentation=Augmentation())
    batches = learning.Batches(given.train, given, 16)
    expected = learning.normalize(torch.from_numpy(given.train.images), NORMALIZATION)
    orders = []
    for epoch in (0, 1, 0):
        parts = list(batches.epoch(epoch))
        assert [len(labels) for _, labels in parts] == [16, 16, 16, 2]
        images, labels = (torch.cat(part) for part in zip(*parts, strict=True))
        order = [next(i for i in range(50) if torch.equal(expected[i], image)) for image in images]
        assert sorted(order) == list(range(50))
        assert labels.tolist() == given.train.labels[order].tolist()
        orders.append(order)
    assert orders[0] == orders[2] != orders[1]


def test_stored_images_are_read_where_they_lie(tmp_path):
    split = lesson().train
    np.save(tmp_path / "images.npy", split.images)
    stored = np.load(tmp_path / "images.npy", mmap_mode="c")
    given = lesson(train=dataclasses.replace(split, images=stored))
    batches = learning.Batches(given.train, given, 16)
    assert np.shares_memory(batches.pixels.numpy(), stored)
    assert np.shares_memory(batches.labels.numpy(), split.labels)
    before = stored.copy()
    for (images, _), (expected, _) in zip(batches.epoch(0), learning.Batches(split, given, 16).epoch(0), strict=True):
        assert torch.equal(images, expected)
    assert np.array_equal(stored, before)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("change", [lambda a: a, lambda a: a[3:], lambda a: a[::-1], lambda a: a[:, ::2]])
@pytest.mark.parametrize("writable", [True, False])
def test_an_array_becomes_a_tensor_by_a_copy_only_where_it_must(change, writable):
    array = change(np.arange(60, dtype=np.uint8).reshape(10, 6))
    array.flags.writeable = writable
    tensor = learning.tensor_of(array)
    assert np.array_equal(tensor.numpy(), array)
    assert np.shares_memory(tensor.numpy(), array) == (writable and array.flags.c_contiguous)


@pytest.mark.parametrize(
    ("images", "size", "expected"), [(50, 16, 4), (49, 16, 3), (48, 16, 3), (5, 16, 1), (1, 16, 1)]
)
def test_a_rest_of_one_image_is_left_out(images, size, expected):
    given = lesson()
    batches = learning.Batches(given.train.take(slice(0, images)), given, size)
    assert len(batches) == expected == len(list(batches.epoch(0)))


def test_a_frozen_network_does_not_move():
    net = learning.freeze(network())
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    images = torch.rand(4, 3, 8, 8, requires_grad=True)
    net(images).sum().backward()
    assert images.grad is not None
    assert not net.training
    assert all(parameter.grad is None for parameter in net.parameters())
    assert same(before, net.state_dict())


def test_a_training_is_a_function_of_its_lesson():
    one = train(network(), lesson())
    torch.manual_seed(99)
    assert same(one, train(network(), lesson()))
    assert not same(one, train(network(), lesson(seed=6)))
    assert not same(one, train(network(), lesson(augmentation=Augmentation())))


def test_a_training_learns():
    given = lesson(augmentation=Augmentation())
    images = np.zeros((60, 8, 8, 3), np.uint8)
    images[np.arange(60), :, :, np.arange(60) % 3] = 255
    given = dataclasses.replace(given, train=Split.of(images, np.arange(60) % 3))
    net = network()
    train(net, given, epochs=15, schedule=lambda batches: learning.one_cycle(15 * batches, 0.5))
    assert not net.training
    assert (learning.predict(net, images, NORMALIZATION).argmax(1) == given.train.labels).all()


def test_steps_follow_the_schedule_and_sgd():
    """Against a plain loop with torch's own SGD and scheduler on the same batches."""
    given = lesson(augmentation=Augmentation())
    net = network()
    net[3].p = 0.0
    found = train(net, given, epochs=2)
    other = network()
    other[3].p = 0.0
    other.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, 16)
    batches = learning.Batches(given.train, given, 16)
    for epoch in range(2):
        for images, labels in batches.epoch(epoch):
            optimizer.zero_grad()
            cross_entropy(other(images), labels).backward()
            optimizer.step()
            scheduler.step()
    for name, tensor in other.state_dict().items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-5, atol=1e-7)


def test_the_callback_is_given_the_metrics_of_an_epoch():
    told = []
    net = network()
    losses = []

    def loss(images, labels):
        value = cross_entropy(net(images), labels)
        losses.append(value.item())
        return value

    def callback(done, epochs, metrics):
        assert not net.training
        told.append((done, epochs, dict(metrics)))

    given = lesson(on_epoch=callback)
    learning.train(
        net,
        loss,
        given,
        epochs=3,
        batch_size=16,
        schedule=lambda batches: learning.cosine_restarts(batches, 0.1, 0.9),
        weight_decay=0.0,
        measure=lambda: {"accuracy": 0.5},
    )
    assert [(done, epochs) for done, epochs, _ in told] == [(1, 3), (2, 3), (3, 3)]
    means = np.array(losses).reshape(3, 4).mean(axis=1)
    assert [metrics["loss"] for _, _, metrics in told] == pytest.approx(means, rel=1e-6)
    assert {metrics["accuracy"] for _, _, metrics in told} == {0.5}


def stop_after(epochs):
    return lambda done, of, metrics: done == epochs


@pytest.mark.parametrize("interrupted_after", [1, 2, 3])
def test_a_training_that_goes_on_ends_with_the_same_bits(tmp_path, interrupted_after):
    whole = train(network(), lesson())
    first = train(network(), lesson(checkpoints=tmp_path / "c", on_epoch=stop_after(interrupted_after)))
    assert not same(first, whole)
    epochs = []
    net = network()
    rest = train(net, lesson(checkpoints=tmp_path / "c", on_epoch=lambda done, of, metrics: epochs.append(done)))
    assert epochs == list(range(interrupted_after + 1, 5))
    assert same(rest, whole)
    assert same(train(network(), lesson(checkpoints=tmp_path / "c")), whole), "nothing is left to do"
    assert [path.name for path in (tmp_path / "c").iterdir()] == [learning.CHECKPOINT]


def test_a_crash_within_an_epoch_goes_back_to_its_beginning(tmp_path):
    whole, calls = train(network(), lesson()), []
    net = network()

    def loss(images, labels):
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return cross_entropy(net(images), labels)

    with pytest.raises(KeyboardInterrupt):
        learning.train(
            net,
            loss,
            lesson(checkpoints=tmp_path),
            epochs=4,
            batch_size=16,
            schedule=lambda batches: learning.one_cycle(4 * batches, 0.1),
            weight_decay=1e-3,
        )
    assert same(train(network(), lesson(checkpoints=tmp_path)), whole)


def test_a_true_answer_of_the_callback_ends_the_training():
    told = []
    train(network(), lesson(on_epoch=lambda done, of, metrics: told.append(done) or done == 2))
    assert told == [1, 2]


def flip(content):
    return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]


@pytest.mark.parametrize(
    "damage",
    [flip, lambda c: c[: len(c) // 2], lambda c: b"", lambda c: b"no tensors at all", lambda c: c + b"x"],
    ids=["a byte", "cut", "empty", "text", "longer"],
)
def test_a_damaged_checkpoint_is_said_and_the_training_starts_anew(tmp_path, damage):
    whole = train(network(), lesson())
    train(network(), lesson(checkpoints=tmp_path, on_epoch=stop_after(2)))
    path = tmp_path / learning.CHECKPOINT
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(DamagedCheckpoint, match="training starts anew"):
        found = train(network(), lesson(checkpoints=tmp_path))
    assert same(found, whole)


@pytest.mark.parametrize("other", [nn.Linear(4, 5), nn.Linear(7, 3), nn.Sequential(nn.Linear(4, 3))])
def test_a_checkpoint_of_another_network_leaves_this_one_as_it_is(tmp_path, other):
    net = network()
    net[6] = other
    learning.train(
        net,
        lambda images, labels: sum(parameter.square().sum() for parameter in net.parameters()),
        lesson(checkpoints=tmp_path, on_epoch=stop_after(1)),
        epochs=4,
        batch_size=16,
        schedule=lambda batches: learning.cosine_restarts(batches, 0.1, 0.9),
        weight_decay=0.0,
    )
    with pytest.warns(DamagedCheckpoint, match="training starts anew"):
        found = train(network(), lesson(checkpoints=tmp_path))
    assert same(found, train(network(), lesson()))


def test_weights_that_two_layers_share_can_be_checkpointed(tmp_path):
    def shared():
        net = network()
        net.append(nn.Linear(3, 3)).append(nn.Linear(3, 3))
        with learning.seeded("shared"):
            nn.init.normal_(net[7].weight)
            nn.init.zeros_(net[7].bias)
            nn.init.zeros_(net[8].bias)
        net[8].weight = net[7].weight
        return net

    train(shared(), lesson(checkpoints=tmp_path, on_epoch=stop_after(2)))
    assert same(train(shared(), lesson(checkpoints=tmp_path)), train(shared(), lesson()))


def test_a_training_that_diverges_says_so_and_leaves_no_checkpoint_of_it(tmp_path):
    with pytest.raises(FloatingPointError, match=r"training diverged: the mean loss of epoch 1 is (nan|inf)"):
        train(
            network(),
            lesson(checkpoints=tmp_path),
            schedule=lambda batches: learning.cosine_restarts(1, 1e30, 0.9),
        )
    assert list(tmp_path.iterdir()) == []


def test_nobody_elses_random_numbers_are_touched():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the global state is what is looked at
    train(network(), lesson(), epochs=1)
    assert torch.equal(torch.rand(3), expected)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_seeds_come_from_what_they_are_for():
    digest = hashlib.sha256(b"(3, 'epoch', 7)").digest()
    assert learning.derive_seed(3, "epoch", 7) == int.from_bytes(digest[:8], "big") // 2
    different = {learning.derive_seed(*parts) for parts in ((1, 23), (12, 3), ("1", 23), (1, "23"), (), (1,))}
    assert len(different) == 6
    with learning.seeded("a", 1):
        one = torch.rand(2)
    with learning.seeded("a", 1):
        assert torch.equal(torch.rand(2), one)


def test_bf16_is_used_only_where_it_is_asked_for():
    linear, images = nn.Linear(2, 2), torch.rand(3, 2)
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with learning.autocast("cpu", precision):
            assert linear(images).dtype == dtype


def test_prediction_is_the_networks_own_in_batches():
    net = learning.freeze(network())
    images = RNG.integers(0, 256, (11, 8, 8, 3), np.uint8)
    images.flags.writeable = False
    found = learning.predict(net, images, NORMALIZATION, batch_size=4)
    assert found.dtype == np.float32
    with torch.no_grad():
        expected = net(learning.normalize(torch.from_numpy(images.copy()), NORMALIZATION))
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-6)


class Answers(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, images):
        return self.answer(images)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda images: images, r"gave \[4, 3, 8, 8\] for 4 images, not logits \[4, classes\]"),
        (lambda images: images[:, 0, 0, 0], r"gave \[4\] for 4 images"),
        (lambda images: torch.zeros(3, 2), r"gave \[3, 2\] for 4 images"),
        (lambda images: (torch.zeros(4, 2),), "gave tuple for 4 images"),
        (lambda images: torch.full((4, 2), torch.nan), "logits that are not finite"),
        (lambda images: torch.full((4, 2), torch.inf), "logits that are not finite"),
    ],
)
def test_what_is_no_prediction(answer, message):
    with pytest.raises(ContractError, match=message):
        learning.predict(Answers(answer), np.zeros((4, 8, 8, 3), np.uint8), NORMALIZATION)


@pytest.mark.filterwarnings("error")
def test_predict_takes_arrays_that_cannot_be_written_to():
    images = np.zeros((3, 8, 8, 3), np.uint8)
    images.flags.writeable = False
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    assert learning.predict(network.eval(), images, NORMALIZATION).shape == (3, 2)
