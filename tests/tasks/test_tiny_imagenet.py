import hashlib
import shutil
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.contracts import IMAGENET_NORMALIZATION, Augmentation, BadInput
from tasks.tiny_imagenet import TinyImageNet

WNIDS = {"n02": "second, runner-up", "n01": "first", "n03": "third"}  # not in ascending order, as shipped
GRAY = ("train/n02/images/n02_1.JPEG", "val/images/val_0.JPEG")
PER_CLASS, TEST = 12, 15
ARCHIVE = "tiny-imagenet-200.zip"


@dataclass
class Written:
    root: Path
    train: list[tuple[str, int]]
    test: list[tuple[str, int]]

    @property
    def archive(self):
        return self.root.parent / ARCHIVE

    def make(self, **params):
        return TinyImageNet(data_root=str(self.root.parent), **params)

    def pixels(self, split):
        """Decoded by Pillow one by one, grays repeated."""
        opened = [np.asarray(Image.open(self.root / name)) for name, _ in split]
        return np.stack([x if x.ndim == 3 else np.stack([x] * 3, axis=2) for x in opened])

    def pack(self, monkeypatch):
        """Puts all into the archive that is expected from now on."""
        with zipfile.ZipFile(self.archive, "w") as archive:
            for path in sorted(self.root.rglob("*")):
                archive.write(path, path.relative_to(self.root.parent))
        digest = hashlib.md5(self.archive.read_bytes()).hexdigest()
        offered = TinyImageNet.expected.downloads[0]
        offered = replace(offered, md5=digest, bytes=self.archive.stat().st_size)
        new = replace(TinyImageNet.expected, downloads=(offered,), files={ARCHIVE: digest})
        monkeypatch.setattr(TinyImageNet, "expected", new)


def save(path, generator, side=64):
    path.parent.mkdir(parents=True, exist_ok=True)
    gray = path.as_posix().endswith(GRAY)
    Image.fromarray(generator.integers(0, 256, (side, side) if gray else (side, side, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def written(tmp_path, monkeypatch):
    root, generator = tmp_path / "sets" / "tiny-imagenet-200", np.random.default_rng(0)
    label = {wnid: number for number, wnid in enumerate(sorted(WNIDS))}
    train = [(f"train/{wnid}/images/{wnid}_{n}.JPEG", label[wnid]) for wnid in WNIDS for n in range(PER_CLASS)]
    test = [(f"val/images/val_{n}.JPEG", n * 2 % 3) for n in range(TEST)]
    for name, _ in (*train, *test):
        save(root / name, generator)
    save(root / "test/images/test_0.JPEG", generator)
    (root / "train/n01/n01_boxes.txt").write_text("n01_0.JPEG\t0\t0\t62\t62\n")
    (root / "wnids.txt").write_text("".join(f"{wnid}\n" for wnid in WNIDS))
    (root / "words.txt").write_text("n00\tno class\n" + "".join(f"{w}\t{words}\n" for w, words in WNIDS.items()))
    wnid = sorted(WNIDS)
    rows = [f"{name.rpartition('/')[2]}\t{wnid[number]}\t0\t32\t44\t62\n" for name, number in test]
    (root / "val/val_annotations.txt").write_text("".join(rows))
    expected = replace(TinyImageNet.expected, classes=3, train=3 * PER_CLASS, test=TEST)
    monkeypatch.setattr(TinyImageNet, "expected", expected)
    return Written(root, sorted(train), sorted(test, key=lambda named: (named[1], named[0])))


def assert_loads(written, arrays):
    assert arrays.train.images.shape == (36, 64, 64, 3)
    for split, names in ((arrays.train, written.train), (arrays.test, written.test)):
        np.testing.assert_array_equal(split.labels, [label for _, label in names])
        assert split.names == tuple(name for name, _ in names)
    np.testing.assert_array_equal(arrays.train.images, written.pixels(written.train))
    np.testing.assert_array_equal(arrays.test.images, written.pixels(written.test))
    assert arrays.classes == ("first", "second", "third")
    assert len({*arrays.train.groups.tolist(), *arrays.test.groups.tolist()}) == len(arrays.train) + len(arrays.test)


def complaint(function):
    with pytest.raises(BadInput) as caught:
        function()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def test_the_extracted_folder_is_read_as_it_is_shipped(written):
    written.make().check()
    arrays = written.make().load().check()
    assert_loads(written, arrays)
    assert (arrays.normalization, arrays.augmentation) == (IMAGENET_NORMALIZATION, Augmentation(True, 8))


def test_the_archive_is_read_without_being_extracted(written, monkeypatch, tmp_path):
    written.pack(monkeypatch)
    shutil.move(written.root, tmp_path / "aside")
    written.make().check()
    arrays = written.make().load().check()
    assert [path.name for path in written.root.parent.iterdir()] == [ARCHIVE]
    shutil.move(tmp_path / "aside", written.root)
    assert_loads(written, arrays)


@pytest.mark.parametrize("threads", ["1", "3"])
def test_any_number_of_threads_gives_the_same(written, monkeypatch, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    monkeypatch.setattr("tasks.tiny_imagenet_files.DECODED_TOGETHER", 4)
    assert_loads(written, written.make().load())


def test_the_key_of_the_archive_is_the_same_before_and_after_the_download(written, monkeypatch):
    written.pack(monkeypatch)
    known = written.make().fingerprint()
    assert written.make(download=True).fingerprint() == known
    assert TinyImageNet.expected.downloads[0].md5 in known
    shutil.rmtree(written.root.parent)
    assert written.make(download=True).fingerprint() == known
    written.make(download=True).check()


def test_the_key_of_a_folder_follows_names_sizes_and_lists(written):
    first = written.root / written.train[0][0]
    known = [written.make().fingerprint(), written.make(download=True).fingerprint()]
    assert known[0] == known[1]
    (written.root / "test/images/test_0.JPEG").unlink()
    assert written.make().fingerprint() == known[0]
    first.write_bytes(first.read_bytes() + b"\0")
    known.append(written.make().fingerprint())
    first.rename(first.with_name("n01_99.JPEG"))
    known.append(written.make().fingerprint())
    listed = written.root / "val/val_annotations.txt"
    rows = listed.read_text().splitlines(keepends=True)
    listed.write_text("".join(rows[::-1]))
    assert written.make().fingerprint() == known[-1]
    listed.write_text(listed.read_text().replace("val_3.JPEG\tn01", "val_3.JPEG\tn02"))
    known.append(written.make().fingerprint())
    (written.root / "words.txt").write_text("n01\tanother name\n")
    known.append(written.make().fingerprint())
    assert len(set(known)) == 5


@pytest.mark.parametrize("deeper", ["", "images"])
@pytest.mark.parametrize("annotated", [True, False])
def test_validation_images_in_class_folders_are_the_same_set(written, deeper, annotated):
    before, known = written.make().load(), written.make().fingerprint()
    listed = sort_val(written, deeper)
    if not annotated:
        listed.unlink()
    written.make().check()
    assert written.make().fingerprint() == known
    after = written.make().load()
    for split, other in ((after.train, before.train), (after.test, before.test)):
        np.testing.assert_array_equal(split.images, other.images)
        np.testing.assert_array_equal(split.labels, other.labels)


def test_class_folders_that_are_not_complete_are_told(written):
    sort_val(written).unlink()
    next((written.root / "val/n01").iterdir()).unlink()
    for function in (written.make().check, written.make().load):
        assert complaint(function).startswith(f"{written.root}/val lists 14 images, 15 were expected; get {ARCHIVE}")


def test_the_folder_may_be_stated_itself_or_be_one_level_off(written):
    known, root = written.make().fingerprint(), written.root
    renamed = root.rename(root.with_name("tiny200"))
    assert TinyImageNet(data_root=str(renamed)).fingerprint() == known
    for stated, words in ((renamed / "train", "above"), (renamed.parent, "below")):
        plugin = TinyImageNet(data_root=str(stated))
        sentence = f"tiny-imagenet-200 is in {renamed}, one level {words} data_root {stated}: it is taken from there"
        with pytest.warns(UserWarning, match=sentence):
            assert plugin.fingerprint() == known
        plugin.check()


def test_an_archive_one_level_off_is_found_and_named(written, monkeypatch, tmp_path):
    written.pack(monkeypatch)
    shutil.rmtree(written.root)
    for stated, words in ((written.root, "above"), (tmp_path, "below")):
        plugin = TinyImageNet(data_root=str(stated))
        with pytest.warns(UserWarning, match=f"is in {written.root.parent}, one level {words} data_root {stated}:"):
            assert "published" in plugin.fingerprint()
        assert len(plugin.load().test) == TEST


def test_with_nothing_there_it_is_said_what_is_missing(written):
    shutil.rmtree(written.root)
    for function in (written.make().check, written.make().load):
        sentence = complaint(function)
        assert sentence.startswith(f"{written.archive} is missing; get {ARCHIVE} from http")
        assert "download: true" in sentence


def drop(root, name):
    (root / name).unlink()


def cut(root, name, to=-30):
    (root / name).write_bytes((root / name).read_bytes()[:to])


def sort_val(written, deeper=""):
    """As the authors' script does; deeper: as others do."""
    for name, label in written.test:
        folder = written.root / "val" / sorted(WNIDS)[label] / deeper
        folder.mkdir(parents=True, exist_ok=True)
        (written.root / name).rename(folder / Path(name).name)
    (written.root / "val/images").rmdir()
    return written.root / "val/val_annotations.txt"


INCOMPLETE = {
    "a training image": (lambda r: drop(r, "train/n02/images/n02_3.JPEG"), "train/n02/images holds 11 images, 12 were"),
    "a class": (lambda r: shutil.rmtree(r / "train/n03"), "train/n03/images holds 0 images, 12 were expected"),
    "no training images": (lambda r: shutil.rmtree(r / "train"), "train/n01/images holds 0 images"),
    "a validation image": (lambda r: drop(r, "val/images/val_7.JPEG"), "val/images/val_7.JPEG is missing"),
    "no annotations": (lambda r: drop(r, "val/val_annotations.txt"), "val/val_annotations.txt is missing"),
    "half the annotations": (
        lambda r: cut(r, "val/val_annotations.txt", 100), r"val_annotations.txt lists 4 images, 15 were expected",
    ),
    "a cut annotation": (
        lambda r: cut(r, "val/val_annotations.txt", -14), "val_annotations.txt gives val_14.JPEG the unknown class 'n'",
    ),
    "no classes": (lambda r: drop(r, "wnids.txt"), "wnids.txt is missing"),
    "few classes": (lambda r: cut(r, "wnids.txt", 8), "wnids.txt names 2 classes, 3 were expected"),
    "no names": (lambda r: drop(r, "words.txt"), "words.txt is missing"),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "words"), INCOMPLETE.values(), ids=INCOMPLETE)
def test_a_partial_folder_is_told_before_anything_runs(written, spoil, words):
    spoil(written.root)
    for function in (written.make().check, written.make().fingerprint, written.make().load):
        sentence = complaint(function)
        assert f"{written.root}/{words}" in sentence or words in sentence
        assert f"; get {ARCHIVE} from http" in sentence
    written.make(download=True).check()
    assert "published" in written.make(download=True).fingerprint()


def test_a_damaged_image_or_one_of_another_size_is_named(written):
    name = "val/images/val_3.JPEG"
    whole = (written.root / name).read_bytes()
    cut(written.root, name, 500)
    assert f"{written.root}/{name} cannot be read as an image (" in complaint(written.make().load)
    (written.root / name).write_bytes(whole)
    save(written.root / name, np.random.default_rng(0), side=32)
    assert f"{written.root}/{name} is 32x32, 64x64 was expected; get {ARCHIVE}" in complaint(written.make().load)


def test_a_partial_or_changed_archive_is_told_even_beside_the_folder(written, monkeypatch):
    written.pack(monkeypatch)
    whole = written.archive.read_bytes()
    for content, words in (
        (whole[:-100], f"is no complete copy: it has {len(whole) - 100:,} bytes, {len(whole):,} were expected; get"),
        (whole[:-100] + bytes(100), "is damaged or another version"),
    ):
        written.archive.write_bytes(content)
        for function in (written.make().check, written.make().load):
            assert f"{written.archive} {words}" in complaint(function)


def test_without_a_network_the_download_is_one_sentence(written, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    shutil.rmtree(written.root)
    offered = replace(TinyImageNet.expected.downloads[0], url="http://127.0.0.1:9/tiny-imagenet-200.zip")
    monkeypatch.setattr(TinyImageNet, "expected", replace(TinyImageNet.expected, downloads=(offered,)))
    sentence = complaint(written.make(download=True).load)
    assert f"{ARCHIVE} could not be downloaded from http://127.0.0.1:9" in sentence
    assert "Connection refused" in sentence


def test_links_around_in_a_circle_change_nothing_and_one_to_nowhere_is_a_missing_image(written):
    known = written.make().fingerprint()
    for link, to in (("train/loop", "loop"), ("train/n01/images/up", ".."), ("val/all", "..")):
        (written.root / link).symlink_to(to)
    assert written.make().fingerprint() == known
    gone = min((written.root / "train/n01/images").glob("*.JPEG"))
    gone.unlink()
    gone.symlink_to("nowhere")
    assert "train/n01/images holds 11 images, 12 were expected" in complaint(written.make().check)
