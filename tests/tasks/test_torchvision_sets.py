import http.server
import pickle
import shutil
import tarfile
import threading
import tracemalloc
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets
from published_sets import ARCHIVED, WRITERS, canonical, md5, write, write_pickle

from harness.contracts import CIFAR10_NORMALIZATION, IMAGENET_NORMALIZATION, Augmentation, BadInput
from tasks import listings
from tasks.torchvision_sets import Cifar10, Cifar100, Stl10, Svhn


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def written(request, tmp_path, monkeypatch):
    return write(request.param, tmp_path / "here", monkeypatch)


every_set = pytest.mark.parametrize("written", WRITERS, indirect=True)
every_archived_set = pytest.mark.parametrize("written", ARCHIVED, indirect=True)
cifar10 = pytest.mark.parametrize("written", ["cifar10"], indirect=True)


def only_archive(written):
    shutil.rmtree(written.path().parent)
    return written.folder / written.expected.downloads[0].name


def assert_loads(written, **params):
    arrays = written.make(**params).load().check()
    for split, part in ((arrays.train, written.train), (arrays.test, written.test)):
        images, labels = canonical(*part)
        assert split.images.flags.c_contiguous
        np.testing.assert_array_equal(split.images, images)
        np.testing.assert_array_equal(split.labels, labels)
    assert arrays.classes == written.classes
    return arrays


def complaint(function):
    with pytest.raises(BadInput) as caught:
        function()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


@every_set
def test_pixels_labels_and_names_are_those_of_the_files(written):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written.make().check()
        arrays = assert_loads(written)
    together = np.concatenate([arrays.train.groups, arrays.test.groups])
    assert len(set(together.tolist())) == len(together)


@pytest.mark.parametrize(
    ("name", "normalization", "augmentation"),
    [
        ("cifar10", CIFAR10_NORMALIZATION, Augmentation(True, 4)),
        ("cifar100", CIFAR10_NORMALIZATION, Augmentation(True, 4)),
        ("stl10", IMAGENET_NORMALIZATION, Augmentation(True, 12)),
        ("svhn", IMAGENET_NORMALIZATION, Augmentation(False, 4)),
    ],
)
def test_normalization_and_augmentation_are_the_papers(tmp_path, monkeypatch, name, normalization, augmentation):
    arrays = write(name, tmp_path / "here", monkeypatch).make().load()
    assert (arrays.normalization, arrays.augmentation) == (normalization, augmentation)


def test_the_published_numbers_are_those_of_table_1():
    table = {
        "CIFAR10": (10, 50_000, 10_000, 32),
        "CIFAR100": (100, 50_000, 10_000, 32),
        "STL10": (10, 5_000, 8_000, 96),
        "TINY_IMAGENET": (200, 100_000, 10_000, 64),
        "SVHN": (10, 73_257, 26_032, 32),
    }
    for name, numbers in table.items():
        expected = getattr(listings, name)
        assert (expected.classes, expected.train, expected.test, expected.side) == numbers


@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100", "STL10"])
def test_md5_sums_are_torchvisions(name):
    theirs, ours = getattr(torchvision.datasets, name), getattr(listings, name)
    assert [d.md5 for d in ours.downloads] == [theirs.tgz_md5]
    known = dict([*theirs.train_list, *theirs.test_list])
    if hasattr(theirs, "meta"):
        known[theirs.meta["filename"]] = theirs.meta["md5"]
    known.pop("unlabeled_X.bin", None)
    assert {Path(file).name: md5 for file, md5 in ours.files.items() if md5} == known


def test_md5_sums_of_svhn_are_torchvisions():
    theirs = {name: md5 for split, (_, name, md5) in torchvision.datasets.SVHN.split_list.items() if split != "extra"}
    assert listings.SVHN.files == {d.name: d.md5 for d in listings.SVHN.downloads} == theirs


@every_archived_set
def test_the_official_archive_is_enough_and_only_what_is_read_is_taken_out(written):
    only_archive(written)
    written.make().check()
    assert_loads(written)
    assert sorted(p.name for p in written.path().parent.iterdir()) == sorted(
        Path(f).name for f in written.expected.files
    )
    assert {p.name.startswith(".") for p in written.folder.iterdir()} == {False}


@every_archived_set
def test_a_damaged_file_is_taken_out_of_the_archive_again(written):
    written.path().write_bytes(b"half of it")
    written.make().check()
    assert_loads(written)


@every_set
def test_what_is_missing_is_one_sentence(written):
    shutil.rmtree(written.folder)
    for function in (written.make().check, written.make().load):
        sentence = complaint(function)
        assert f"{written.path()} is missing" in sentence
        for part in (str(written.folder / written.expected.downloads[0].name), written.expected.home, "download: true"):
            assert part in sentence


@every_set
def test_a_truncated_file_is_named_before_anything_runs(written):
    for download in written.expected.downloads:
        if download.name not in written.expected.files:
            (written.folder / download.name).unlink()
    for number, (file, known) in enumerate(written.expected.files.items()):
        if known is None:
            continue
        path, whole = written.path(number), written.path(number).read_bytes()
        path.write_bytes(whole[:-5])
        for function in (written.make().check, written.make().load):
            sentence = complaint(function)
            assert str(written.folder / file) in sentence
            assert written.expected.downloads[0].name.split("_")[-1] in sentence
        path.write_bytes(whole)
    written.make().check()


@every_archived_set
def test_a_partial_archive_is_told_by_its_size_and_a_changed_one_by_its_md5(written):
    archive = only_archive(written)
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-1000])
    expected = f"{archive} is no complete copy: it has {len(whole) - 1000:,} bytes, {len(whole):,} were expected; get"
    assert complaint(written.make().check).startswith(expected)
    assert complaint(written.make().load).startswith(expected)
    archive.write_bytes(whole[:-1000] + bytes(1000))
    assert f"{archive} is damaged or another version: its md5 is {md5(archive)}" in complaint(written.make().load)
    assert not written.path().exists()


@cifar10
def test_an_archive_that_cannot_be_extracted_or_lacks_a_file_is_named(written, monkeypatch):
    archive = only_archive(written)
    archive.write_bytes(archive.read_bytes()[:-1000])
    same = replace(written.expected.downloads[0], md5=md5(archive), bytes=archive.stat().st_size)
    written.expect(monkeypatch, downloads=(same,))
    assert f"{archive} cannot be extracted" in complaint(written.make().load)
    (written.folder / "other").touch()
    with tarfile.open(archive, "w:gz") as content:
        content.add(written.folder / "other", "cifar-10-batches-py/../../data_batch_1")
    same = replace(same, md5=md5(archive), bytes=archive.stat().st_size)
    written.expect(monkeypatch, downloads=(same,))
    assert "out of cifar-10-python.tar.gz, is missing" in complaint(written.make().load)
    assert not (written.folder.parent / "data_batch_1").exists()


@every_set
@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"train": 51_000}, "train images and .* labels, 51,000 were expected"),
        ({"test": 11_000}, "12 test images and 12 labels|4 test images and 4 labels"),
        ({"side": 48}, r"has (32x32|96x96) train images, 48x48 were expected"),
        ({"classes": 11}, r"names (10|100) classes, 11 were expected"),
    ],
    ids=["train", "test", "side", "classes"],
)
def test_numbers_that_are_not_the_published_ones_are_told(written, monkeypatch, numbers, words):
    written.expect(monkeypatch, **numbers)
    with pytest.raises(BadInput, match=words):
        written.make().load()


@pytest.mark.parametrize("written", ["stl10"], indirect=True)
def test_missing_class_names_are_asked_for(written):
    written.path(4).write_text("airplane")
    assert "names 1 classes, 10 were expected" in complaint(written.make().load)


class Trap:
    """Its pickle makes a folder when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.mkdir, (self.path,)


@pytest.mark.parametrize("written", ["cifar10", "cifar100"], indirect=True)
def test_a_strangers_pickle_is_never_opened(written, tmp_path):
    only_archive(written).unlink()
    sprung = tmp_path / "sprung"
    for file in written.expected.files:
        write_pickle(written.folder / file, Trap(sprung))
    assert f"{written.path()} is damaged or another version" in complaint(written.make().load)
    with pytest.raises(RuntimeError, match="corrupted"):  # torchvision's own look, should a file change in between
        written.make()._read(written.folder, train=True)
    assert not sprung.exists()
    pickle.loads(written.path().read_bytes())
    assert sprung.exists()


@every_set
def test_the_key_stays_the_same_whether_files_are_there_archived_or_to_be_downloaded(written):
    known = written.make().fingerprint()
    assert written.make(download=True).fingerprint() == known
    shutil.rmtree(written.folder)
    assert written.make(download=True).fingerprint() == known
    written.make(download=True).check()
    assert all(md5 is None or md5 in known for md5 in written.expected.files.values())


def test_the_keys_of_all_sets_differ():
    assert len({plugin().fingerprint() for plugin in (Cifar10, Cifar100, Stl10, Svhn)}) == 4


def test_the_folder_comes_from_the_parameter_then_the_environment_then_is_data(monkeypatch):
    monkeypatch.delenv("FEWCOLORS_DATA_ROOT", raising=False)
    assert Cifar10().folder == Path("data")
    monkeypatch.setenv("FEWCOLORS_DATA_ROOT", "~/sets")
    assert Cifar10().folder == Path.home() / "sets"
    assert Cifar10(data_root="/elsewhere").folder == Path("/elsewhere")


def test_a_data_root_that_is_a_file_is_told(tmp_path):
    (tmp_path / "file").touch()
    for download in (False, True):
        plugin = Cifar10(data_root=str(tmp_path / "file"), download=download)
        assert complaint(plugin.check) == f"data_root: {tmp_path / 'file'} is not a folder."


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A web server on this machine: the folder it serves and its address."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    served = tmp_path / "served"
    served.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=served)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield served, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def move_to_site(written, site, monkeypatch):
    served, address = site
    for download in written.expected.downloads:
        shutil.copy(written.folder / download.name, served)
    shutil.rmtree(written.folder)
    moved = tuple(replace(d, url=f"{address}/{d.name}") for d in written.expected.downloads)
    written.expect(monkeypatch, downloads=moved)
    return [served / d.name for d in moved]


@every_set
def test_download_gets_what_is_missing_once(written, site, monkeypatch):
    files = move_to_site(written, site, monkeypatch)
    assert "download: true" in complaint(written.make().load)
    assert_loads(written, download=True)
    for file in files:
        file.unlink()
    assert_loads(written, download=True)
    assert_loads(written)
    assert {p.name.startswith(".") for p in written.folder.iterdir()} == {False}


@every_set
def test_a_download_that_is_not_the_published_file_is_refused(written, site, monkeypatch):
    first = move_to_site(written, site, monkeypatch)[0]
    first.write_bytes(first.read_bytes()[:-10])
    sentence = complaint(written.make(download=True).load)
    assert f"{first.name} could not be downloaded from {site[1]}" in sentence
    assert list(written.folder.iterdir()) == []


@every_set
def test_without_a_network_the_download_is_one_sentence(written, site, monkeypatch):
    for file in move_to_site(written, site, monkeypatch):
        file.unlink()
    sentence = complaint(written.make(download=True).load)
    assert f"could not be downloaded from {site[1]}" in sentence
    assert "File not found" in sentence
    closed = tuple(replace(d, url="http://127.0.0.1:9/x") for d in written.expected.downloads)
    written.expect(monkeypatch, downloads=closed)
    assert "Connection refused" in complaint(written.make(download=True).load)


@pytest.mark.parametrize(("name", "count"), [("cifar10", 400), ("cifar100", 400), ("stl10", 20), ("svhn", 400)])
def test_loading_holds_no_third_copy(tmp_path, monkeypatch, name, count):
    written = write(name, tmp_path / "here", monkeypatch, count=count)
    written.make().load()
    tracemalloc.start()
    arrays = written.make().load()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * (arrays.train.images.nbytes + arrays.test.images.nbytes)
