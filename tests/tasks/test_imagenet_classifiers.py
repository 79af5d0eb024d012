import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision import models

from harness.contracts import CIFAR10_NORMALIZATION, IMAGENET_NORMALIZATION, Augmentation, BadInput, Lesson, Split
from harness.learning import freeze, normalize, predict, tensor_of
from harness.registry import Registry
from harness.work.explaining import class_activation_maps
from methods.colorcnn.folding import fold
from tasks.imagenet_classifiers import indices_of
from tasks.imagenet_networks import categories, torchvision_network

NAMES = {
    "imagenet-resnet18": "resnet18",
    "imagenet-resnet50": "resnet50",
    "imagenet-convnext-tiny": "convnext_tiny",
    "imagenet-vit-b-16": "vit_b_16",
}
SIDE = 64


def make(name="imagenet-resnet18", **params):
    import tasks

    registry = Registry()
    registry.add_module(tasks, "built in")
    return registry.get("classifier", name, "spec").make(params, "classifiers[0].params")


def images(count, side=SIDE):
    return np.random.default_rng(count).integers(0, 256, (count, side, side, 3), np.uint8)


def lesson(classes=3, side=SIDE, normalization=CIFAR10_NORMALIZATION, **changes):
    train = Split.of(images(8, side), np.arange(8) % classes)
    names = tuple("abcdefgh"[:classes])
    base = Lesson("photos", train, train.take(slice(0, 0)), names, normalization, Augmentation(), 0, batch_size=4)
    return dataclasses.replace(base, **changes)


def untrained(name, classes):
    """A network whose batch statistics are not those that it starts with."""
    torch.manual_seed(1)
    network = models.get_model(name, weights=None, num_classes=classes)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    return freeze(network)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def thousand(folder):
    """ResNet18 with ImageNet's 1,000 outputs, and its file as torchvision publishes it."""
    network = untrained("resnet18", 1000)
    torch.save(network.state_dict(), folder / "thousand.pth")
    return network, str(folder / "thousand.pth")


@pytest.fixture(scope="module")
def three(folder):
    """ResNet18 for three classes, as safetensors."""
    network = untrained("resnet18", 3)
    save_file(network.state_dict(), folder / "three.safetensors")
    return network, str(folder / "three.safetensors")


def as_torchvision(network, pixels):
    """Logits by torchvision's own way from an image file's pixels."""
    shown = models.ResNet18_Weights.IMAGENET1K_V1.transforms(crop_size=SIDE, resize_size=SIDE)
    with torch.no_grad():
        return network(torch.stack([shown(Image.fromarray(each)) for each in pixels])).numpy()


@pytest.mark.parametrize("normalization", [IMAGENET_NORMALIZATION, CIFAR10_NORMALIZATION])
def test_weights_that_fit_give_the_logits_of_torchvision(three, normalization):
    network, file = three
    classifier = make(weights=file)
    classifier.check()
    found = classifier.fit(lesson(normalization=normalization, on_epoch=lambda *_: pytest.fail("trained")))
    wanted = as_torchvision(network, images(5))
    assert not found.training
    np.testing.assert_allclose(predict(found, images(5), normalization), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("outputs", [[701, 0, 217], ["parachute", "tench", 217]])
def test_outputs_choose_among_imagenets_classes(thousand, outputs):
    network, file = thousand
    classifier = make(weights=file, outputs=outputs)
    classifier.check()
    found = predict(classifier.fit(lesson()), images(4), CIFAR10_NORMALIZATION)
    np.testing.assert_allclose(found, as_torchvision(network, images(4))[:, [701, 0, 217]], rtol=1e-4, atol=1e-4)


def test_a_stored_network_needs_no_weights(three):
    made = make(weights=three[1]).fit(lesson())
    again = make().build(3)
    again.load_state_dict(made.state_dict())
    assert np.array_equal(
        predict(freeze(again), images(2), CIFAR10_NORMALIZATION), predict(made, images(2), CIFAR10_NORMALIZATION)
    )


def test_the_datasets_own_normalization_is_left_alone_where_it_is_the_networks(three):
    made = make(weights=three[1]).fit(lesson(normalization=IMAGENET_NORMALIZATION))
    assert torch.equal(made.scale, torch.ones(1, 3, 1, 1))
    assert torch.equal(made.shift, torch.zeros(1, 3, 1, 1))


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "convnext_tiny"])
def test_class_activation_maps_average_to_the_logits(name):
    """Zhou et al. 2016; for ConvNeXt with the layer normalization between map and last layer."""
    torch.manual_seed(0)
    network = freeze(torchvision_network(name, 5))
    network.renormalize(IMAGENET_NORMALIZATION, CIFAR10_NORMALIZATION)
    shown = normalize(tensor_of(images(2)), CIFAR10_NORMALIZATION)
    maps = torch.einsum("kf,bfhw->bkhw", network.head.weight, network.features(shown))
    assert maps.shape[2:] == (SIDE // 32, SIDE // 32)
    torch.testing.assert_close(maps.mean((2, 3)) + network.head.bias, network(shown), rtol=1e-3, atol=1e-4)
    cams = class_activation_maps(network, images(2), np.array([0, 4]), CIFAR10_NORMALIZATION)
    assert cams is not None
    assert cams.shape == (2, SIDE, SIDE)


@pytest.mark.parametrize("name", ["resnet18", "convnext_tiny"])
def test_a_quantizer_can_be_trained_through_it(name):
    """ColorCNN's batch normalizations are folded away; what has none is left, and the colors get a gradient."""
    torch.manual_seed(0)
    network = freeze(torchvision_network(name, 3))
    network.renormalize(IMAGENET_NORMALIZATION, CIFAR10_NORMALIZATION)
    colors = normalize(tensor_of(images(2)), CIFAR10_NORMALIZATION).requires_grad_()
    folded = fold(network, colors.detach())
    assert (folded is not network, any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())) == (True, False)
    torch.testing.assert_close(folded(colors), network(colors), rtol=1e-3, atol=1e-4)
    (gradient,) = torch.autograd.grad(folded(colors).logsumexp(1).sum(), colors)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


def test_a_transformer_has_logits_but_no_class_activation_maps():
    network = freeze(torchvision_network("vit_b_16", 3))
    assert predict(network, images(1, 224), IMAGENET_NORMALIZATION).shape == (1, 3)
    assert class_activation_maps(network, images(1, 224), np.array([0]), IMAGENET_NORMALIZATION) is None


@pytest.mark.parametrize(
    ("name", "side", "message"),
    [
        ("imagenet-vit-b-16", 64, r"takes images of 224 x 224 pixels, those of photos are 64 x 64"),
        ("imagenet-convnext-tiny", 16, r"takes images of at least 32 x 32 pixels, those of photos are 16 x 16"),
    ],
)
def test_images_of_a_size_that_a_network_cannot_take_are_refused(name, side, message):
    with pytest.raises(BadInput, match=message):
        make(name).fit(lesson(side=side))


def spoiled(folder, state, name="spoiled.pth"):
    torch.save(state, folder / name)
    return str(folder / name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer1.0.conv1.weight": None}, r"lacks the tensor 'layer1\.0\.conv1\.weight' \[64, 64, 3, 3\]"),
        ({"conv1.weight": torch.zeros(64, 3, 3, 3)}, r"'conv1\.weight' in .* is \[64, 3, 3, 3\], .* \[64, 3, 7, 7\]"),
        ({"more.weight": torch.zeros(1)}, r"holds a tensor 'more\.weight' that this network does not have"),
        ({"fc.weight": None}, r"lacks the last layer of this network, 'fc\.weight'"),
        ({"fc.bias": "text"}, r"holds something other than tensors by name"),
        ({"fc.bias": np.float64}, r"cannot be read; it must be a safetensors file, or a \.pth file of tensors alone"),
    ],
)  # fmt: skip
def test_weights_of_another_network_are_named_before_anything_runs(folder, three, changes, message):
    state = three[0].state_dict() | changes
    state = {name: tensor for name, tensor in state.items() if tensor is not None}
    with pytest.raises(BadInput, match=rf"^weights: .*spoiled\.pth {message}|^weights: {message}"):
        make(weights=spoiled(folder, state)).check()


@pytest.mark.parametrize("name", ["own.pth", "own.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"x" * 100])
def test_files_that_are_none_of_weights_are_refused_early(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=r"there is no file" if content is None else "cannot be read"):
        make(weights=str(tmp_path / name)).check()


def test_files_of_older_versions_without_counts_of_batches_are_read(folder, three):
    state = {name: t for name, t in three[0].state_dict().items() if not name.endswith("num_batches_tracked")}
    make(weights=spoiled(folder, state, "older.pth")).check()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"outputs": [0, 1]}, "^outputs: it says what is done with weights, and there are none; state weights"),
        ({"fine_tune": "head"}, "^fine_tune: it says what is done with weights"),
        ({"weights": "THREE", "outputs": [0, 3]}, r"^outputs: there is no 3, .* has 3 outputs, 0 to 2"),
        ({"weights": "THREE", "outputs": [0, -1]}, "^outputs: there is no -1, outputs are numbered from 0"),
        ({"weights": "THREE", "outputs": [0, 0]}, "^outputs: 0 is the output of two classes; each needs one"),
        ({"weights": "THREE", "outputs": [0, "tenhc"]}, "^outputs: ImageNet has no class 'tenhc', did you mean 'te"),
    ],
)  # fmt: skip
def test_outputs_that_cannot_be_are_refused_early(three, params, message):
    params = {name: three[1] if value == "THREE" else value for name, value in params.items()}
    with pytest.raises(BadInput, match=message):
        make(**params).check()


def test_a_name_of_several_classes_is_refused(monkeypatch):
    monkeypatch.setattr("tasks.imagenet_networks.categories", lambda: ["hen", "crane", "crane"])
    with pytest.raises(BadInput, match=r"several classes 'crane'; name one by its number, 1 and 2\."):
        indices_of(["crane", 0])


@pytest.mark.parametrize("params", [{"outputs": [0.5, 1]}, {"outputs": 5}, {"fine_tune": "trunk"}])
def test_parameters_are_validated(params):
    with pytest.raises(BadInput, match=rf"classifiers\[0\]\.params\.{next(iter(params))}"):
        make(**params)


def test_classes_must_be_those_of_the_dataset(thousand):
    with pytest.raises(BadInput, match=r"tells 1000 classes apart, photos has 3; name the output of each class by"):
        make(weights=thousand[1]).fit(lesson())
    with pytest.raises(BadInput, match=r"^outputs: 2 are named, photos has 3 classes; name one for each\."):
        make(weights=thousand[1], outputs=[0, 1]).fit(lesson())


def test_the_fingerprint_is_that_of_the_weights(three, thousand):
    assert make(weights=three[1]).fingerprint() != make(weights=thousand[1]).fingerprint()
    assert make().fingerprint() == ""


def changed(network, before):
    """The names of the tensors of torchvision's network that are not what they were."""
    after = network.network.state_dict()
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}


def test_a_new_last_layer_is_trained_and_nothing_else(thousand):
    losses = []
    school = lesson(on_epoch=lambda *said: losses.append(said[2]["loss"]))
    networks = [make(weights=thousand[1], fine_tune="head", epochs=4, rate=0.001).fit(school) for _ in range(2)]
    state = {name: tensor for name, tensor in thousand[0].state_dict().items() if not name.startswith("fc.")}
    assert changed(networks[0], state) == set()
    assert losses[3] < losses[0]
    assert losses[:4] == losses[4:]
    assert torch.equal(networks[0].head.weight, networks[1].head.weight)


@pytest.mark.parametrize("outputs", [None, [2, 0, 1]])
def test_all_layers_are_trained_on_from_the_weights(three, outputs):
    made = make(weights=three[1], outputs=outputs, fine_tune="all", epochs=1, rate=1e-6, weight_decay=0).fit(lesson())
    start = three[0].state_dict()
    start["fc.weight"] = start["fc.weight"][outputs or slice(None)]
    assert changed(made, {"fc.weight": start["fc.weight"], "conv1.weight": start["conv1.weight"]}) != set()
    torch.testing.assert_close(made.head.weight, start["fc.weight"], rtol=0, atol=1e-3)


def test_without_weights_it_is_trained_from_its_random_start():
    seen = []
    school = lesson(on_epoch=lambda *a: seen.append(a[2]), validation=lesson().train)
    make(epochs=2, rate=0.01).fit(school)
    assert [sorted(metrics) for metrics in seen] == [["loss", "validation_accuracy"]] * 2


def test_no_network_departs_from_a_paper_that_has_none_of_them():
    assert all(make(name).departures("cifar10", ()) == [] for name in NAMES)


def test_categories_are_imagenets_in_the_order_of_their_wordnet_ids():
    assert len(categories()) == 1000
    imagenette = ["tench", "English springer", "cassette player", "chain saw", "church", "French horn",
                  "garbage truck", "gas pump", "golf ball", "parachute"]  # fmt: skip
    assert indices_of(imagenette) == [0, 217, 482, 491, 497, 566, 569, 571, 574, 701]
