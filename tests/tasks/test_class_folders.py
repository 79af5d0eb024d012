"""Published sets as folders of images named after their classes."""

import hashlib
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from published_sets import WRITERS, canonical, write, write_folders

from harness.contracts import BadInput
from tasks import forms, listings
from tasks.published import published

TRUE, OTHER = "published ", "images "


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def true_digest(written):
    """As ``tasks.contents`` describes it, over images in the order in which they were drawn."""
    content = hashlib.sha256()
    for images, labels in (written.train, written.test):
        pairs = zip(images, labels, strict=True)
        entries = [bytes([0, 0, 0, label]) + hashlib.sha256(image.tobytes()).digest() for image, label in pairs]
        content.update(bytes([0, 0, 0, 0, 0, 0, 0, len(entries)]) + b"".join(sorted(entries)))
    return content.hexdigest()


def as_folders(name, tmp_path, monkeypatch, test_name="test"):
    """Class folders ``sets/<name>`` of a small set whose digest is known; also what is written in the old form."""
    written = write(name, tmp_path / "archives", monkeypatch)
    written.expect(monkeypatch, digest=true_digest(written))
    root = write_folders(tmp_path / "sets" / name, written, test_name)
    return replace(written, folder=tmp_path / "sets"), root, written


@pytest.fixture
def folders(tmp_path, monkeypatch):
    written, root, _ = as_folders("cifar10", tmp_path, monkeypatch)
    return written, root


def complaint(function):
    with pytest.raises(BadInput) as caught:
        function()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def some_image(root, split="train"):
    return min((root / split).rglob("*.png"))


def change(path):
    pixels = np.array(Image.open(path))
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(path)


@pytest.mark.parametrize("name", WRITERS)
def test_files_and_class_folders_give_the_same_arrays_and_one_key(name, tmp_path, monkeypatch):
    written, _, archives = as_folders(name, tmp_path, monkeypatch)
    written.make().check()
    assert written.make().fingerprint() == archives.make().fingerprint() == published(written.expected)
    assert written.make().departures(name, ["alexnet"]) == []
    ours, theirs = written.make().load().check(), archives.make().load().check()
    for split, other, part in ((ours.train, theirs.train, written.train), (ours.test, theirs.test, written.test)):
        for attribute in ("images", "labels", "groups"):
            one, two = getattr(split, attribute), getattr(other, attribute)
            assert one.dtype == two.dtype
            np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(split.images, canonical(*part)[0])
    assert ours.classes == tuple(name.replace(" ", "_") for name in theirs.classes)
    for attribute in ("normalization", "augmentation", "batch_size"):
        assert getattr(ours, attribute) == getattr(theirs, attribute)


def test_the_folder_itself_may_be_stated_and_the_files_are_preferred(folders, tmp_path):
    written, root = folders
    assert replace(written, folder=root).make().fingerprint().startswith(TRUE)
    shutil.copytree(tmp_path / "archives" / "cifar-10-batches-py", written.folder / "cifar-10-batches-py")
    change(some_image(root))
    assert written.make().fingerprint().startswith(TRUE)


def test_one_changed_pixel_is_another_set_and_is_said(folders):
    written, root = folders
    first = written.make().fingerprint()
    change(some_image(root, "test"))
    with pytest.warns(UserWarning, match=r"are not those of CIFAR-10 .* not comparable with the paper's\.$") as said:
        other = written.make().fingerprint()
    assert other.startswith(OTHER)
    assert str(root) in str(said[0].message)
    assert other != first
    assert written.make().departures("cifar10", []) == [str(said[0].message).removesuffix(".")]
    written.make().load().check()


def test_a_set_without_a_known_digest_has_the_digest_of_its_folder_and_that_is_said(folders, monkeypatch):
    written, root = folders
    written.expect(monkeypatch, digest=None)
    with pytest.warns(UserWarning, match="could not be compared with CIFAR-10's"):
        assert written.make().fingerprint() == f"images {true_digest(written)}"
    some_image(root).rename(some_image(root).with_name("z.png"))
    with pytest.warns(UserWarning, match="could not be compared"):
        assert written.make().fingerprint() == f"images {true_digest(written)}"


def test_a_digest_that_is_listed_nowhere_is_learned_from_the_authors_files(tmp_path, monkeypatch):
    written, root, archives = as_folders("svhn", tmp_path, monkeypatch)
    for each in (written, archives):
        each.expect(monkeypatch, digest=None)
    with pytest.warns(UserWarning, match="known only once the authors' files were read on this machine"):
        assert written.make().fingerprint() == f"images {true_digest(written)}"
    archives.make().load()
    assert written.make().fingerprint() == archives.make().fingerprint() == published(written.expected)
    assert written.make().departures("svhn", []) == []
    change(some_image(root))
    with pytest.warns(UserWarning, match="are not those of SVHN"):
        assert written.make().fingerprint().startswith(OTHER)


def test_jpegs_are_not_the_true_set(folders):
    written, root = folders
    for path in list(root.rglob("*.png")):
        Image.open(path).save(path.with_suffix(".JPG"), quality=95)
        path.unlink()
    with pytest.warns(UserWarning, match="are not those of CIFAR-10"):
        assert written.make().fingerprint().startswith(OTHER)


def test_val_in_the_place_of_test_is_taken_and_said(tmp_path, monkeypatch):
    written, root, _ = as_folders("cifar10", tmp_path, monkeypatch, "val")
    with pytest.warns(UserWarning, match=f"{root} has val and no test: val is the test split"):
        assert written.make().fingerprint().startswith(TRUE)
    assert len(written.make().load().test) == len(written.test[0])


def test_names_of_folders_may_be_written_otherwise(folders):
    written, root = folders
    for folder in [*root.glob("train/*"), *root.glob("test/*")]:
        folder.rename(folder.with_name(folder.name.replace("_", " ").title()))
    assert written.make().fingerprint().startswith(TRUE)


def test_what_is_no_image_and_what_is_hidden_does_not_count(folders):
    written, root = folders
    (root / "README.md").touch()
    (root / "train" / ".cache").mkdir()
    (some_image(root).parent / "Thumbs.db").touch()
    (some_image(root).parent / "._1.png").touch()
    assert written.make().fingerprint().startswith(TRUE)


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ("sets/cifar10/train", "one level above data_root"),
        ("sets/nothing", "one level above data_root"),
        (".", "one level below data_root"),
    ],
)
def test_a_data_root_one_level_off_is_found_and_named(folders, tmp_path, stated, words):
    written, root = folders
    shutil.rmtree(tmp_path / "archives")
    wrong = replace(written, folder=tmp_path / stated)
    with pytest.warns(UserWarning, match=words) as said:
        assert wrong.make().fingerprint().startswith(TRUE)
    assert str(wrong.folder) in str(said[0].message)
    assert str(root.parent) in str(said[0].message)
    wrong.make().check()
    assert len(wrong.make().load().train) == len(written.train[0])


@pytest.mark.parametrize(("stated", "words"), [("archives/cifar-10-batches-py", "above"), (".", "below")])
def test_so_are_the_authors_files(folders, tmp_path, stated, words):
    written, _ = folders
    shutil.rmtree(tmp_path / "sets")
    with pytest.warns(UserWarning, match=f"CIFAR-10 is in {tmp_path / 'archives'}, one level {words} data_root"):
        assert replace(written, folder=tmp_path / stated).make().fingerprint().startswith(TRUE)


def test_a_set_in_several_places_is_asked_for(folders, tmp_path):
    written, _ = folders
    sentence = complaint(replace(written, folder=tmp_path).make().check)
    assert f"in several folders ({tmp_path / 'archives'}, {tmp_path / 'sets'}); name one" in sentence


def remove_class(root):
    shutil.rmtree(root / "train/class_3")


def add_class(root):
    (root / "test/class_3").rename(root / "test/owls")
    (root / "test/class_3").mkdir()


SPOILED = {
    "an image less": (lambda r: some_image(r).unlink(), "CIFAR-10 in {}/train has 49 images, 50 were expected; get"),
    "a class less": (remove_class, "CIFAR-10 in {}/train: class 'class_3' is missing; the 10 classes are folders in"),
    "a class more": (add_class, "CIFAR-10 in {}/test: 'owls' is none of its classes; the 10 classes are folders in"),
    "no test": (lambda r: shutil.rmtree(r / "test"), "{} has train, but neither test nor val; the 10 classes are"),
}


@pytest.mark.parametrize(("spoil", "words"), SPOILED.values(), ids=SPOILED)
def test_incomplete_folders_are_told_and_do_not_count_beside_a_download(folders, spoil, words):
    written, root = folders
    spoil(root)
    for function in (written.make().check, written.make().fingerprint, written.make().load):
        assert complaint(function).startswith(words.format(root))
    written.make(download=True).check()
    assert written.make(download=True).fingerprint().startswith(TRUE)


def test_an_image_that_is_damaged_or_of_another_size_is_named(folders):
    written, root = folders
    path = some_image(root)
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    for function in (written.make().fingerprint, written.make().load):
        assert complaint(function).startswith(f"{path} cannot be read as an image (")
    Image.fromarray(np.zeros((48, 32, 3), np.uint8)).save(path)
    for function in (written.make().fingerprint, written.make().load):
        assert complaint(function).startswith(f"{path} is 32x48, 32x32 was expected; get")


def test_images_are_decoded_once_and_again_when_one_has_changed(folders, monkeypatch, capsys, tmp_path):
    written, root = folders
    known = written.make().fingerprint()
    assert f"reading the 62 images in {root}, once, to tell whether they are CIFAR-10's" in capsys.readouterr().err
    decode = forms.decode
    monkeypatch.setattr(forms, "decode", lambda *_: pytest.fail("decoded again"))
    assert written.make().fingerprint() == known
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(forms, "decode", decode)
    change(some_image(root))
    with pytest.warns(UserWarning, match="are not those"):
        assert written.make().fingerprint() != known
    for kept in (tmp_path / "cache").rglob("*"):
        if kept.is_file():
            kept.write_text(kept.read_text().replace(kept.read_text()[:3], "bad"))
    with pytest.warns(UserWarning, match="are not those"):
        assert "bad" not in written.make().fingerprint()


def test_without_a_place_to_remember_all_is_read_again(folders, tmp_path):
    written, _ = folders
    (tmp_path / "cache").write_text("a file")
    assert {written.make().fingerprint() for _ in range(2)} == {published(written.expected)}


@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100", "STL10", "SVHN"])
def test_known_classes_are_as_many_as_published_and_in_the_order_of_their_labels(name):
    expected = getattr(listings, name)
    assert len(expected.names) == expected.classes
    assert list(expected.names) == sorted(expected.names)


def test_damaged_metadata_and_any_images_suffix_change_nothing(folders):
    written, root = folders
    known = written.make().fingerprint()
    first, second = sorted((root / "train").rglob("*.png"))[:2]
    content = first.read_bytes()
    text = b"tEXtname\0text"
    first.write_bytes(content[:33] + len(text[4:]).to_bytes(4, "big") + text + b"bad!" + content[33:])
    second.rename(second.with_suffix(".jfif"))
    assert written.make().fingerprint() == known
    written.make().load().check()


@pytest.mark.parametrize("to", ["nowhere.png", "itself"])
def test_files_that_do_not_count_are_named_where_images_are_missing(folders, to):
    written, root = folders
    gone, other = sorted((root / "train").rglob("*.png"))[:2]
    gone.unlink()
    gone.symlink_to(gone.name if to == "itself" else to)
    other.rename(other.with_suffix(".dat"))
    names = [path.relative_to(root / "train") for path in (gone, other.with_suffix(".dat"))]
    assert complaint(written.make().check).startswith(
        f"CIFAR-10 in {root}/train has 48 images, 50 were expected (2 entries are left out: broken links (1, such as "
        f"{names[0]}), with the suffix '.dat' (1, such as {names[1]})); get"
    )


def test_links_that_lead_to_themselves_are_no_classes_and_no_places(folders):
    written, root = folders
    for folder in (written.folder, root, root / "train"):
        (folder / "loop").symlink_to("loop")
    assert written.make().fingerprint().startswith(TRUE)
    replace(written, folder=written.folder.parent / "sets/nothing").make().check()


def test_two_folders_of_one_class_are_named(folders):
    written, root = folders
    (root / "train" / "Class 3").mkdir()
    sentence = complaint(written.make().check)
    assert f"{root}/train/Class 3 and {root}/train/class_3 are one class; keep one of them." in sentence


def test_val_beside_test_is_said_to_be_unused(folders):
    written, root = folders
    (root / "val").mkdir()
    with pytest.warns(UserWarning, match=f"{root}/val is not used: test is the test split"):
        assert written.make().fingerprint().startswith(TRUE)
