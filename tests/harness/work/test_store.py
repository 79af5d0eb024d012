import json
import os
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest

from harness.contracts import BadInput, Split
from harness.spec.schema import STAGES
from harness.work.artifacts import read_names, write_split
from harness.work.store import DamagedArtifact, Store

KEY = "k" * 64


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.create()
    return store


def fill(store, text="hello", key=KEY):
    with store.write("cells", key) as folder:
        (folder / "about.json").write_text("{}")
        (folder / "a.txt").write_text(text)
        (folder / "deep").mkdir()
        (folder / "deep" / "b.bin").write_bytes(bytes(range(256)))
    return store.path("cells", key)


def files(root):
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_an_artifact_is_there_whole_once_it_is_written(store):
    assert not store.has("cells", KEY)
    assert store.verify("cells", KEY) is False
    with store.write("cells", KEY) as folder:
        (folder / "about.json").write_text("{}")
        assert not store.has("cells", KEY)
    assert store.has("cells", KEY)
    assert store.verify("cells", KEY) is True
    assert files(store.path("cells", KEY)) == {"about.json", "manifest.json"}
    assert [path.name for path in (store.root / "cells").iterdir()] == [KEY]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(1)])
def test_an_exception_leaves_nothing(store, error):
    def fail():
        with store.write("cells", KEY) as folder:
            (folder / "a.txt").write_text("half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert files(store.root) == set()
    assert list((store.root / "cells").iterdir()) == []


def test_the_first_writer_wins(store):
    with store.write("cells", KEY) as folder:
        (folder / "about.json").write_text("{}")
        (folder / "a.txt").write_text("second")
        fill(store, "first")
    assert (store.path("cells", KEY) / "a.txt").read_text() == "first"
    assert store.verify("cells", KEY)
    assert [path.name for path in (store.root / "cells").iterdir()] == [KEY]


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def name_another(folder, name, instead):
    manifest = json.loads((folder / "manifest.json").read_text())
    digest = manifest.pop(name)
    (folder / "manifest.json").write_text(json.dumps(manifest | ({instead: digest} if instead else {})))


DAMAGES = {
    "a byte": lambda folder: flip(folder / "a.txt"),
    "a byte deep inside": lambda folder: flip(folder / "deep" / "b.bin"),
    "cut short": lambda folder: (folder / "deep" / "b.bin").write_bytes(b""),
    "a file gone": lambda folder: (folder / "a.txt").unlink(),
    "a file that is a folder": lambda folder: ((folder / "a.txt").unlink(), (folder / "a.txt").mkdir()),
    "a byte of the manifest": lambda folder: flip(folder / "manifest.json"),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "an empty manifest": lambda folder: (folder / "manifest.json").write_text(""),
    "half a manifest": lambda folder: os.truncate(folder / "manifest.json", 40),
    "another manifest": lambda folder: (folder / "manifest.json").write_text("[1]"),
    "a manifest of nothing": lambda folder: (folder / "manifest.json").write_text("{}"),
    "a manifest without about.json": lambda folder: name_another(folder, "about.json", None),
    "a manifest that names a device": lambda folder: name_another(folder, "a.txt", "/dev/zero"),
    "a manifest that leads out": lambda folder: name_another(folder, "a.txt", "../../../x"),
    "a link to a device": lambda folder: ((folder / "a.txt").unlink(), (folder / "a.txt").symlink_to("/dev/zero")),
    "a pipe": lambda folder: ((folder / "a.txt").unlink(), os.mkfifo(folder / "a.txt")),
    "a manifest without end": lambda folder: (
        (folder / "manifest.json").unlink(),
        (folder / "manifest.json").symlink_to("/dev/zero"),
    ),
    "a deep manifest": lambda folder: (folder / "manifest.json").write_text(2000 * "[" + 2000 * "]"),
    "a binary manifest": lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_and_said_and_nothing_removed_until_told(store, damage):
    sound = fill(store, key="s" * 64)
    DAMAGES[damage](fill(store))
    with pytest.raises(DamagedArtifact, match=rf"cells/{KEY[:12]} was damaged \(.+\)") as error:
        store.verify("cells", KEY)
    assert "\n" not in str(error.value)
    assert store.path("cells", KEY).exists()
    store.remove("cells", KEY)
    assert store.verify("cells", KEY) is False
    assert store.verify("cells", sound.name) is True
    fill(store)
    assert store.verify("cells", KEY) is True


def test_only_what_writers_abandoned_long_ago_is_cleared_away(store):
    days = 24 * 3600
    ages = {"old": 8 * days, "young": 6 * days, "new": 0}
    for name, age in ages.items():
        left = store.root / "quantizers" / f".partial-{name}"
        left.mkdir()
        (left / "half").write_text("x")
        os.utime(left, (time.time() - age,) * 2)
    artifact = fill(store)
    os.utime(artifact, (0, 0))
    again = Store(store.root)
    again.create()
    assert {path.name for path in (store.root / "quantizers").iterdir()} == {".partial-young", ".partial-new"}
    assert again.verify("cells", KEY)


def test_checkpoints_go_with_the_artifact_that_needs_them_no_more(store):
    for key in (KEY, "other"):
        store.checkpoints(key).mkdir(parents=True)
        (store.checkpoints(key) / "training.safetensors").write_text("x")
    with store.write("quantizers", KEY) as folder:
        (folder / "network.safetensors").write_text("x")
    assert not store.checkpoints(KEY).exists()
    assert store.checkpoints("other").is_dir()


def test_checkpoints_stay_when_the_job_fails(store):
    store.checkpoints(KEY).mkdir(parents=True)

    def fail():
        with store.write("cells", KEY):
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - the one raised above
        fail()
    assert store.checkpoints(KEY).is_dir()


def test_a_place_that_is_taken_by_something_else_is_an_error(store):
    store.path("cells", KEY).write_text("a file, not a folder")
    with pytest.raises(OSError, match="could not be moved to its place"):
        fill(store)


def test_a_store_has_a_folder_for_every_stage_and_may_be_there_already(tmp_path):
    for _ in range(2):
        store = Store(tmp_path / "deep" / "store")
        store.create()
    assert {path.name for path in store.root.iterdir()} == set(STAGES)


def test_a_store_that_cannot_be_made_is_bad_input(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"^--store .*file: cannot be made: .+\.$"):
        Store(tmp_path / "file").create()
    with pytest.raises(BadInput, match=r"^--store .*file/store: cannot be made: Not a directory\.$"):
        Store(tmp_path / "file" / "store").create()


def test_a_store_can_be_moved(store, tmp_path):
    fill(store)
    shutil.move(store.root, tmp_path / "elsewhere")
    assert Store(tmp_path / "elsewhere").verify("cells", KEY)


def test_names_of_images_are_kept_as_a_terminal_prints_them_and_their_damage_is_noticed(store):
    names = ("<b>.png", "new\nline.png", "\udcff\u202e.png", "x" * 255, "mein schönes Bild.png")
    split = Split.of(np.zeros((5, 1, 1, 3), np.uint8), np.arange(5), names=names)
    with store.write("datasets", "named") as folder:
        (folder / "about.json").write_text("{}")
        write_split(folder, "test", split)
        write_split(folder, "train", replace(split, names=()))
    assert read_names(store, "named", "train") == ()
    kept = ("<b>.png", r"new\nline.png", r"\udcff\u202e.png", "x" * 255, "mein schönes Bild.png")
    assert read_names(store, "named") == kept
    file = store.path("datasets", "named") / "test_names.json"
    file.write_text(file.read_text().replace("<b>", "<i>"))
    with pytest.raises(DamagedArtifact, match=r"test_names\.json"):
        read_names(store, "named")
    file.unlink()
    with pytest.raises(DamagedArtifact, match=r"test_names\.json"):
        store.verify("datasets", "named")
