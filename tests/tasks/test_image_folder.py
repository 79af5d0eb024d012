import itertools
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.contracts import Augmentation, BadInput
from harness.discovery import discover
from harness.plan import make_plan
from harness.registry import Registry
from harness.spec.resolve import resolve
from tasks import image_folder, progress
from tasks.image_files import to_square
from tasks.image_folder import ImageFolder
from tasks.image_trees import find_images

CLIPART = Path(__file__).parents[3] / "shared" / "data" / "clipart64.tar.xz"


def make_plugin(**params):
    import tasks

    registry = Registry()
    registry.add_module(tasks, "built in")
    return registry.get("dataset", "image-folder", "spec").make(params, "datasets[0]")


def write(root, *names, size=(8, 8)):
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (number, 0, 0)).save(path)
    return root


def numbered(*folders, count=2):
    return [f"{folder}/{n}.png" for folder in folders for n in range(count)]


def split_layout(root):
    return write(root, *numbered("train/a", "train/b", "test/a", "test/b"))


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"text")


def tree_names(dataset):
    tree = dataset._tree()
    return [[str(p.relative_to(dataset.root)) for paths in s.values() for p in paths] for s in (tree.train, tree.test)]


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.mark.filterwarnings("ignore:image-folder")
def test_a_split_layout_is_taken_as_it_is(tmp_path):
    root = write(tmp_path, "train/b/1.png", "train/a/x/2.PNG", "test/a/3.png", "test/b/4.png", size=(40, 20))
    touch(root, "train/a/readme.txt", "train/a/.hidden.png", "train/.ipynb_checkpoints/1.png", "train/notes.png")
    dataset = make_plugin(root=str(root), side=16)
    dataset.check()
    arrays = dataset.load().check()
    assert arrays.classes == ("a", "b")
    assert arrays.train.images.shape == arrays.test.images.shape == (2, 16, 16, 3)
    assert arrays.train.images[:, 0, 0, 0].tolist() == [1, 0]
    assert arrays.test.images[:, 0, 0, 0].tolist() == [2, 3]
    assert arrays.train.labels.tolist() == arrays.test.labels.tolist() == [0, 1]
    assert (arrays.train.names, arrays.test.names) == (
        ("train/a/x/2.PNG", "train/b/1.png"),
        ("test/a/3.png", "test/b/4.png"),
    )
    assert dataset.known_sizes() == (2, 2)
    assert len({*arrays.train.groups.tolist(), *arrays.test.groups.tolist()}) == 4


@pytest.mark.parametrize(("side", "padding"), [(32, 4), (64, 8), (96, 12)])
def test_augmentation_is_the_papers_for_its_sides_and_can_be_set(tmp_path, side, padding):
    split_layout(tmp_path)
    assert make_plugin(root=str(tmp_path), side=side).load().augmentation == Augmentation(True, padding)
    own = make_plugin(root=str(tmp_path), side=side, flip=False, crop_padding=0)
    assert own.load().augmentation == Augmentation(False, 0)


@pytest.mark.parametrize(
    ("stated", "one_key"),
    [({"crop_padding": 8}, True), ({"resize": 64}, True), ({"crop_padding": 4}, False), ({"resize": 80}, False)],
)
def test_what_is_left_out_and_what_it_becomes_are_one_key(tmp_path, stated, one_key):
    def keys(**params):
        dataset = {"name": "image-folder", "params": {"root": str(tmp_path), "side": 64, **params}}
        content = {"datasets": [dataset], "classifiers": ["alexnet"], "methods": ["wu"], "colors": [2]}
        return set(make_plan(resolve(content, discover())).jobs)

    split_layout(tmp_path)
    assert (keys() == keys(**stated)) == one_key


def test_one_tree_is_split_by_class_and_seed(tmp_path):
    write(tmp_path, *numbered("a", count=20), *numbered("b", count=4), *numbered("c", count=2))
    train, test = tree_names(ImageFolder(root=str(tmp_path), test_fraction=0.3))
    assert [sum(name.startswith(c) for name in test) for c in "abc"] == [6, 1, 1]
    assert [sum(name.startswith(c) for name in train) for c in "abc"] == [14, 3, 1]
    assert sorted(train + test) == sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.png"))
    again = tree_names(ImageFolder(root=str(tmp_path), test_fraction=0.3))
    other = tree_names(ImageFolder(root=str(tmp_path), test_fraction=0.3, split_seed=1))
    assert again == [train, test]
    assert other != [train, test]


def test_the_split_depends_on_neither_the_file_system_nor_other_classes(tmp_path, monkeypatch):
    write(tmp_path / "one", *numbered("a", "b", count=9))
    write(tmp_path / "two", *numbered("0", "b", "a", count=9)[::-1])
    (one, two) = (tree_names(ImageFolder(root=str(tmp_path / name))) for name in ("one", "two"))
    assert [name for name in two[1] if name[0] != "0"] == one[1]
    forwards, backwards = Path.rglob, lambda *a: reversed(list(forwards(*a)))
    monkeypatch.setattr(Path, "rglob", backwards)
    assert tree_names(ImageFolder(root=str(tmp_path / "one"))) == one


def test_the_fingerprint_follows_content_and_names_alone(tmp_path):
    first, second = split_layout(tmp_path / "first"), split_layout(tmp_path / "second")
    known = ImageFolder(root=str(first)).fingerprint()
    assert ImageFolder(root=str(second)).fingerprint() == known
    touch(second, "test/a/readme.txt")
    assert ImageFolder(root=str(second)).fingerprint() == known
    (second / "test/a/0.png").rename(second / "test/a/9.png")
    renamed = ImageFolder(root=str(second)).fingerprint()
    Image.new("RGB", (8, 8), "blue").save(second / "test/a/9.png")
    assert len({known, renamed, ImageFolder(root=str(second)).fingerprint()}) == 3


def count_reads(monkeypatch):
    read = []

    def spied(file, name=None, open_rgb=image_folder.open_rgb):
        read.append(name)
        return open_rgb(file, name)

    monkeypatch.setattr(image_folder, "open_rgb", spied)
    return read


def test_only_files_that_changed_are_read_again(tmp_path, monkeypatch):
    dataset, read = ImageFolder(root=str(split_layout(tmp_path))), count_reads(monkeypatch)
    dataset.check()
    before = dataset.fingerprint()
    assert len(read) == len(set(read)) == 8
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "test/a/1.png")
    read.clear()
    dataset.check()
    assert dataset.fingerprint() != before
    assert read == [str(tmp_path / "test/a/1.png")]


def test_progress_is_said_by_the_first_reading_and_by_each_loading(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(progress, "PLAIN_SECONDS", -1.0)
    dataset = ImageFolder(root=str(split_layout(tmp_path)))
    for function, count in ((dataset.check, 8), (dataset.load, 4)):
        function()
        assert f"fewcolors: reading the images in {tmp_path}: 3 of {count}\n" in capsys.readouterr().err


def test_a_damaged_file_costs_no_other_its_reading(tmp_path, monkeypatch):
    truncate(tmp_path)
    dataset, read = ImageFolder(root=str(tmp_path)), count_reads(monkeypatch)
    for _ in range(2):
        with pytest.raises(BadInput, match=r"test/b/1\.png cannot be read"):
            dataset.check()
    assert read.count(str(tmp_path / "train/a/0.png")) == 1


def test_a_damaged_memory_of_files_costs_time_only(tmp_path, monkeypatch):
    dataset, read = ImageFolder(root=str(split_layout(tmp_path))), count_reads(monkeypatch)
    before = dataset.fingerprint()
    (kept,) = Path(os.environ["XDG_CACHE_HOME"]).rglob("digests/*")
    content = bytearray(kept.read_bytes())
    content[-9] ^= 1
    kept.write_bytes(content)
    assert dataset.fingerprint() == before
    assert len(read) == 16


def test_what_is_left_out_is_counted_and_said(tmp_path):
    split_layout(tmp_path)
    touch(tmp_path, "train/a/readme.txt", "train/a/more.txt", "test/b/.hidden.png", "test/b/raw")
    (tmp_path / "train/b/gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "train/b/again").symlink_to(tmp_path / "train/b")
    (tmp_path / "train/a/others").symlink_to(write(tmp_path.parent / f"{tmp_path.name}-others", "x.png"))
    tree = find_images(tmp_path, 0.25, 0)
    assert [path.name for path in tree.train["a"]] == ["0.png", "1.png", "x.png"]
    assert [path.name for path in tree.train["b"]] == ["0.png", "1.png"]
    (note,) = tree.notes
    assert note == (
        f"{tmp_path}: 6 entries are left out: with the suffix '.txt' (2, such as train/a/more.txt), links to folders "
        "that were read already (1, such as train/b/again), broken links (1, such as train/b/gone.png), hidden (1, "
        "such as test/b/.hidden.png), without a suffix (1, such as test/b/raw)."
    )
    with pytest.warns(UserWarning, match="6 entries are left out"):
        ImageFolder(root=str(tmp_path)).check()


def test_so_is_what_lies_outside_the_class_folders(tmp_path):
    write(split_layout(tmp_path), *numbered("val/a", "extra/c"), "1.png", "train/2.png")
    touch(tmp_path, "README.md", "test/.DS_Store")
    (tmp_path / "train/gone").symlink_to("nowhere")
    left_out, unused = find_images(tmp_path, 0.25, 0).notes
    assert left_out == (
        f"{tmp_path}: 6 entries are left out: images outside class folders (2, such as 1.png), with the suffix '.md' "
        "(1, such as README.md), folders beside train and test (1, such as extra), broken links (1, such as "
        "train/gone), hidden (1, such as test/.DS_Store)."
    )
    assert unused == f"{tmp_path / 'val'} is not used: test is the test split."
    (note,) = find_images(write(tmp_path / "tree", *numbered("a", "b"), "1.png"), 0.25, 0).notes
    assert "1 entry is left out: images outside class folders (1, such as 1.png)" in note


def test_train_and_test_may_be_in_capitals_which_is_said(tmp_path):
    write(tmp_path, *numbered("Train/a", "Train/b", "TEST/a", "TEST/b"))
    tree = find_images(tmp_path, 0.25, 0)
    assert [path.name for path in tree.test["b"]] == ["0.png", "1.png"]
    assert tree.notes == (f"{tmp_path}: Train is taken for the training images, TEST for the test images.",)
    (tmp_path / "Test").mkdir()
    with pytest.raises(BadInput, match=r"has TEST and Test; rename the one that is meant to test\.$"):
        find_images(tmp_path, 0.25, 0)
    (tmp_path / "TEST").rename(tmp_path / "test")
    assert "folders beside train and test (1, such as Test)" in find_images(tmp_path, 0.25, 0).notes[0]


def test_other_names_of_splits_are_classes_which_is_said(tmp_path):
    write(tmp_path, *numbered("training/a", "validation/a"))
    (note,) = find_images(tmp_path, 0.25, 0).notes
    assert "training and validation are taken for classes; splits are called train and test, or val." in note


@pytest.mark.parametrize("layout", [["train/a", "train/b", "test/a", "test/b"], ["a", "b"]])
def test_links_that_lead_back_or_nowhere_are_left_out(tmp_path, layout):
    root, outside = write(tmp_path / "x", *numbered(*layout)), write(tmp_path / "y", "more.png")
    before = find_images(root, 0.25, 0).files()
    links = {"itself": ".", "loop": "loop", "above": ".."}
    if "train/a" in layout:
        links |= {"train/itself": ".", "train/above": "..", "train/b/half": "../../train"}
    links |= {
        f"{layout[0]}/{name}": to for name, to in (("root", root), ("above", "/"), ("loop", "loop"), ("y", outside))
    }
    for link, to in links.items():
        (root / link).symlink_to(to)
    (outside / "back").symlink_to(root)
    tree = find_images(root, 0.25, 0)
    assert sorted(tree.files()) == sorted([*before, root / layout[0] / "y" / "more.png"])
    (note,) = tree.notes
    assert f"{len(links)} entries are left out: " in note
    assert "broken links (2, such as loop)" in note


def test_a_folder_that_cannot_be_listed_and_a_file_that_cannot_be_read_are_one_sentence(tmp_path, monkeypatch):
    dataset, denied, opens = ImageFolder(root=str(split_layout(tmp_path))), PermissionError(13, "Not today"), Path.open

    def deny(path, *args, **more):
        if path.suffix == ".png":
            raise denied
        return opens(path, *args, **more)

    monkeypatch.setattr(Path, "open", deny)
    with pytest.raises(BadInput, match=r"png cannot be read as an image \(Not today\)\.$"):
        dataset.check()
    monkeypatch.setattr(os, "scandir", lambda _: (_ for _ in ()).throw(denied))
    with pytest.raises(BadInput, match=rf"^{tmp_path} cannot be listed \(Not today\)"):
        dataset.check()


@pytest.mark.parametrize(
    ("link", "to", "first"),
    [
        ("train/a/more", "train/b", "train/a/more/0.png and {root}/train/b/0.png"),
        ("test/b/9.png", "train/b/1.png", "train/b/1.png and {root}/test/b/9.png"),
    ],
)
def test_an_image_that_links_put_into_two_places_is_named(tmp_path, link, to, first):
    split_layout(tmp_path)
    (tmp_path / link).symlink_to(tmp_path / to)
    with pytest.raises(BadInput) as error:
        find_images(tmp_path, 0.25, 0)
    assert str(error.value) == (
        f"root: {tmp_path}/{first.format(root=tmp_path)} are one file; an image can be in one class of one split only."
    )


def test_val_is_taken_for_the_test_images_and_said(tmp_path):
    write(tmp_path, *numbered("train/a", "train/b", "val/a", "val/b"))
    with pytest.warns(UserWarning, match=r"has no test: val is the test split\."):
        ImageFolder(root=str(tmp_path)).check()
    assert tree_names(ImageFolder(root=str(tmp_path)))[1] == numbered("val/a", "val/b")


def test_normalization_by_the_images_own_values(tmp_path):
    for split, label in itertools.product(("train", "test"), "ab"):
        write(tmp_path, f"{split}/{label}/0.png")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    for label, image in zip("ab", pixels, strict=True):
        Image.fromarray(image).save(tmp_path / "train" / label / "0.png")
    found = make_plugin(root=str(tmp_path), side=16, normalization="own").load().normalization
    assert found.mean == pytest.approx(tuple((pixels / 255).mean(axis=(0, 1, 2))))
    assert found.std == pytest.approx(tuple((pixels / 255).std(axis=(0, 1, 2))))
    assert make_plugin(root=str(tmp_path), side=16, normalization="cifar10").load().normalization.mean[0] == 0.4914


def test_the_middle_of_a_larger_image_is_kept(tmp_path):
    write(tmp_path, *numbered("train/a", "train/b", "test/a", "test/b"), size=(80, 40))
    arrays = make_plugin(root=str(tmp_path), side=16, resize=20).load()
    assert arrays.train.images.shape[1:] == (16, 16, 3)
    stripes = Image.fromarray((np.arange(80) // 20 * 80).astype(np.uint8)[None].repeat(40, axis=0))
    whole = np.asarray(to_square(stripes.convert("RGB"), 20, "crop"))
    np.testing.assert_array_equal(to_square(stripes.convert("RGB"), 16, "crop", 20), whole[2:18, 2:18])


def truncate(root):
    path = split_layout(root) / "test/b/1.png"
    path.write_bytes(path.read_bytes()[:-30])


BAD = {
    "no folder": (lambda _: None, "missing is a folder that does not exist"),
    "a file": (lambda root: touch(root.parent, root.name), "missing is not a folder"),
    "empty": (lambda root: root.mkdir(), "missing holds no images in class folders"),
    "images without classes": (lambda root: write(root, "1.png", "2.png"), "holds no images in class folders"),
    "other files": (lambda root: touch(root, "a/1.txt", "b/2.txt"), "holds no images in class folders"),
    "a split without images": (
        lambda root: touch(root, "train/a/1.txt", "test/a/1.txt"), "/train holds no images in class folders",
    ),
    "a class without images": (
        lambda root: (split_layout(root), touch(root, "train/c/note.txt"), touch(root, "test/c/note.txt")),
        r"class folder .*/train/c holds no images",
    ),
    "a class only in train": (
        lambda root: write(split_layout(root), "train/c/1.png"), "class 'c' is in .*/train, but not in .*/test",
    ),
    "a class only in test": (
        lambda root: write(split_layout(root), "test/c/1.png"), "class 'c' is in .*/test, but not in .*/train",
    ),
    "no test folder": (lambda root: write(root, *numbered("train/a", "train/b")), "/test has no class folders"),
    "no train folder": (lambda root: write(root, *numbered("test/a", "test/b")), "/train has no class folders"),
    "splits without classes": (lambda root: write(root, *numbered("train", "test")), "/train has no class folders"),
    "one class": (lambda root: write(root, *numbered("a")), "has one class only, 'a'"),
    "one class, split": (lambda root: write(root, *numbered("train/a", "test/a")), "has one class only, 'a'"),
    "one image of a class": (
        lambda root: write(root, *numbered("a"), "b/1.png"), "class 'b' in .* has one image",
    ),
    "truncated": (truncate, r"test/b/1\.png cannot be read as an image"),
    "not an image": (lambda root: touch(split_layout(root), "train/a/0.jpg"), r"0\.jpg cannot be read as an image"),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "message"), BAD.values(), ids=BAD)
def test_bad_folders_are_one_sentence(tmp_path, spoil, message):
    root = tmp_path / "missing"
    spoil(root)
    with pytest.raises(BadInput, match=message) as caught:
        ImageFolder(root=str(root)).check()
    assert "\n" not in str(caught.value)
    assert str(root) in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("params", [{"shape": "pad", "resize": 80}, {"side": 64, "resize": 32}])
def test_a_resize_that_does_not_fit_is_named(tmp_path, params):
    with pytest.raises(BadInput, match=r"resize: \d+ needs shape crop and a side of at most that"):
        make_plugin(root=str(split_layout(tmp_path)), **params).check()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "root: it is missing"),
        ({"root": 3}, r"root: .*string"),
        ({"root": "x", "side": 7}, "side: .*greater than or equal to 8"),
        ({"root": "x", "side": 32.5}, "side: "),
        ({"root": "x", "shape": "stretch"}, "shape: .*'crop', 'squash' or 'pad'"),
        ({"root": "x", "test_fraction": 0}, "test_fraction: .*greater than 0"),
        ({"root": "x", "test_fraction": 1.0}, "test_fraction: .*less than 1"),
        ({"root": "x", "crop_padding": -1}, "crop_padding.*greater than or equal to 0"),
        ({"root": "x", "sides": 64}, "did you mean 'side'"),
        ({"root": "x", "normalization": "mine"}, "normalization: .*'imagenet', 'cifar10' or 'own'"),
    ],
)
def test_bad_parameters_are_named(params, message):
    with pytest.raises(BadInput, match=message):
        make_plugin(**params)


@pytest.mark.skipif(not CLIPART.exists(), reason="needs clipart64.tar.xz of the project's shared data folder")
def test_real_drawings_load(tmp_path):
    with tarfile.open(CLIPART) as archive:
        archive.extractall(tmp_path, filter="data")
    dataset = make_plugin(root=str(tmp_path / "clipart64"), side=64)
    dataset.check()
    arrays = dataset.load().check()
    assert len(arrays.classes) == 11
    assert (len(arrays.train), len(arrays.test)) == (2356, 783)
    first = np.asarray(Image.open(sorted((tmp_path / "clipart64/test/animals").glob("*.png"))[0]))
    np.testing.assert_array_equal(arrays.test.images[0], first)
