"""``validate`` passes what keeps the contract and finds each way of breaking it."""

# ruff: noqa: ARG001, ARG002, ARG005 - toy plugins have no use for what they are handed

import numpy as np
import pytest

from harness.contracts import BadInput, Palettized
from harness.discovery import discover
from harness.registry import Registry, codec, quantizer
from harness.work.validate import check_method, sample_batches


def validated(cls, levels=(2,), **params):
    """What was found wrong, one string a check; pickling is tried with plugins that another process can import."""
    registry = Registry()
    registry.add(cls, "here")
    (plugin,) = registry
    found = list(check_method(plugin, params, levels, ()))
    return [f"{check.what}: {check.found}" for check in found if not check.ok and check.what != "pickling"]


def halves(images):
    """Dark and bright, in gray: what the toys below return, each with a fault of its own."""
    bright = (images.mean(axis=-1) > 128).astype(np.uint8)
    return Palettized(bright, np.tile(np.array([[10], [200]], np.uint8), (len(images), 1, 3)))


def method_with(palettize):
    return quantizer("mine")(type("Mine", (), {"palettize": palettize}))


def raises(self, images, colors):
    raise KeyError("inside")


def ragged(self, images, colors):
    """One palette an image, each as long as it needs, stacked: a flat image beside a rich one is beyond it."""
    found = [np.unique(image.reshape(-1, 3)[:2], axis=0) for image in images]
    return Palettized(np.zeros(images.shape[:3], np.uint8), np.stack(found))


def one_more_color(self, images, colors):
    height, width = images.shape[1:3]
    indices = (np.arange(height * width) % (colors + 1)).reshape(height, width)
    palettes = np.arange(colors + 1).repeat(3).reshape(-1, 3)
    return Palettized(
        np.broadcast_to(indices, images.shape[:3]).astype(np.uint8),
        np.broadcast_to(palettes, (len(images), colors + 1, 3)).astype(np.uint8),
    )


def square_only(self, images, colors):
    return halves(images.transpose(0, 2, 1, 3)) if images.shape[1] != images.shape[2] else halves(images)


def at_random(self, images, colors):
    found = halves(images)
    return Palettized(found.indices, np.random.default_rng().integers(0, 256, found.palettes.shape, np.uint8))


def by_batch(self, images, colors):
    found = halves(images)
    return Palettized(found.indices, found.palettes // np.uint8(len(images)))


def in_place(self, images, colors):
    images //= 2
    return halves(images)


def by_memory(self, images, colors):
    base = images if images.base is None else images.base
    return halves(np.resize(base, images.shape))


@pytest.mark.parametrize(
    ("palettize", "what"),
    [
        (lambda self, images, colors: images, "mixed images of 32 x 32 pixels: ContractError: palettize returned"),
        (raises, "KeyError: 'inside' (test_validate.py, line"),
        (ragged, "ValueError: all input arrays must have the same shape"),
        (one_more_color, "image 0 has 3 colors, at most 2 were asked for"),
        (square_only, "mixed images of 17 x 31 pixels: ContractError: indices are uint8 [8, 31, 17]"),
        (at_random, "determinism: 100.00% of pixels differ the second time"),
        (by_batch, "batch invariance: "),
        (in_place, "read-only images: "),
        (by_memory, "non-contiguous images: ValueError: "),
    ],
)
def test_a_broken_promise_is_found(palettize, what):
    (first,) = validated(method_with(palettize))
    assert what in first


def test_what_keeps_the_contract_passes_at_every_level():
    assert validated(method_with(lambda self, images, colors: halves(images)), levels=()) == []


def test_the_batches_mix_what_methods_trip_over():
    for batch in sample_batches().values():
        colors = [len(np.unique(image.reshape(-1, 3), axis=0)) for image in batch]
        assert min(colors) == 1
        assert max(colors) > 100 or batch[0].size == 3
    shapes = {batch.shape[1:3] for batch in sample_batches().values()}
    assert (1, 1) in shapes
    assert any(height % 2 and width % 2 and height != width for height, width in shapes)


def test_a_codec_is_tried_at_both_ends_of_its_range():
    asked = []

    @codec("raw", quality=(3, 9), default_qualities=(5,))
    class Raw:
        def encode(self, images, quality):
            asked.append(quality)
            self.shape = images.shape[1:]
            return [image.tobytes() for image in images]

        def decode(self, files):
            return np.stack([np.frombuffer(file, np.uint8).reshape(self.shape) for file in files])

    assert validated(Raw, levels=()) == []
    assert sorted(set(asked)) == [3, 5, 9]
    with pytest.raises(BadInput, match="--level 2: 'raw' takes 3 to 9"):
        validated(Raw, levels=(2,))


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (lambda self, files: None, []),
        (lambda self, files: [0] * len(files), []),
        (lambda self, files: [len(file) + 1 for file in files], ["payload returned", "bytes"]),
        (lambda self, files: len(files), ["payload returned int", "it must return None or a list of 8 whole numbers"]),
        (lambda self, files: files[0].no, ["AttributeError"]),
    ],
)
def test_what_a_codec_says_of_its_payload_is_checked(payload, found):
    @codec("raw", quality=None)
    class Raw:
        def encode(self, images, quality):
            return [bytes(image.shape[:2]) + image.tobytes() for image in images]

        def decode(self, files):
            return np.stack([np.frombuffer(file[2:], np.uint8).reshape(*file[:2], 3) for file in files])

    Raw.payload = payload
    wrong = validated(Raw, levels=())
    assert len(wrong) == bool(found)
    assert all(words in line for line in wrong for words in ["no level: payload: ", *found])


class Lamp:
    """Learns one brightness from its lesson; subclasses break one promise each."""

    def fit(self, lesson):
        self.light = float(np.random.default_rng(lesson.seed).integers(99, 200))

    def state(self):
        return {"light": np.array([self.light])}

    def load(self, state, device):
        self.light = float(state["light"][0])

    def palettize(self, images, colors):
        found = halves(images)
        return Palettized(found.indices, np.full_like(found.palettes, self.light))


def writes_into_images(self, lesson):
    lesson.train.images[:] = 0
    Lamp.fit(self, lesson)


def trains_the_classifier(self, lesson):
    with __import__("torch").no_grad():
        next(lesson.classifiers[0].parameters()).add_(1)
    Lamp.fit(self, lesson)


def forgets_eval_mode(self, lesson):
    lesson.classifiers[0].train()
    Lamp.fit(self, lesson)


def leaves_gradients(self, lesson):
    weight = next(lesson.classifiers[0].parameters())
    weight.grad = weight.clone()
    Lamp.fit(self, lesson)


def draws_from_the_global_generator(self, lesson):
    self.light = float(np.random.randint(99, 200))  # noqa: NPY002


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ({}, None),
        ({"fit": writes_into_images}, "fit changed lesson.train.images; it must work on a copy"),
        ({"fit": trains_the_classifier}, "fit changed the weights or running statistics of a frozen classifier"),
        ({"fit": forgets_eval_mode}, "fit left a frozen classifier in training mode"),
        ({"fit": leaves_gradients}, "fit left gradients on a frozen classifier's weights"),
        ({"fit": draws_from_the_global_generator}, "fitted again with the same lesson its state differs"),
        (
            {"state": lambda self: {}, "load": lambda self, state, device: setattr(self, "light", 7)},
            "palettize gives other",
        ),
    ],
)
def test_what_a_learned_method_promises(parts, what):
    found = validated(quantizer("lamp")(type("Mine", (Lamp,), parts)))
    assert (what is None) == (found == [])
    assert what is None or what in found[0]


def test_a_joint_method_is_fitted_for_all_levels_at_once():
    lessons = []

    def fit(self, lesson):
        lessons.append(lesson.colors)
        Lamp.fit(self, lesson)

    assert validated(quantizer("lamp")(type("Mine", (Lamp,), {"fit": fit, "joint_colors": True})), levels=(2, 5)) == []
    assert set(lessons) == {(2, 5)}


@pytest.mark.parametrize(("together", "expected"), [(True, {(2, 5)}), (False, {(2,), (5,)})])
def test_a_method_whose_parameter_says_so_is_fitted_for_each_level(together, expected):
    lessons = []

    def fit(self, lesson):
        lessons.append(lesson.colors)
        Lamp.fit(self, lesson)

    parts = {"fit": fit, "__annotations__": {"joint_colors": bool}, "joint_colors": True}
    mine = quantizer("lamp")(type("Mine", (Lamp,), parts))
    assert validated(mine, levels=(2, 5), joint_colors=together) == []
    assert set(lessons) == expected


def test_built_in_methods_keep_the_contract():
    plugin = discover().get("method", "colorcnn", "test")
    assert all(check.ok for check in check_method(plugin, {"width": 4, "epochs": 1}, (3,), ()))
    assert all(check.ok for check in check_method(discover().get("method", "median-cut", "test"), {}, (), ()))
