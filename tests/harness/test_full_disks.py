"""A full disk is said in a sentence, and nothing that was finished goes."""

import errno
import importlib
import os
import subprocess

import numpy as np
import pytest

from harness.full_disks import FullDisk
from harness.work.arrays import on_disk
from harness.work.store import Store

KEY, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        made = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        made = False
    if not made:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(store, key, size):
    with store.write("cells", key) as folder:
        (folder / "whole.bin").write_bytes(bytes(size // 2))
        (folder / "rest.bin").write_bytes(bytes(size - size // 2))
        (folder / "about.json").write_text("{}")


def test_which_disk_is_full_how_much_was_wanted_and_what_to_do(small_disk):
    store = Store(small_disk / "store")
    store.create()
    fill(store, KEY, 200_000)
    with pytest.raises(FullDisk) as caught:
        fill(store, OTHER, 1_400_000)
    said = str(caught.value)
    assert said.startswith(f"the disk of {store.root} is full (")
    assert " of 1.05 MB are free)" in said
    assert f"the artifact cells/{OTHER[:12]} needs more than 7" in said or "needs more than 8" in said
    assert said.endswith("Make room or give another folder, and start again: what is finished is kept")
    assert store.verify("cells", KEY)
    assert not store.has("cells", OTHER)
    assert not list(store.root.glob("cells/.partial-*"))


def test_a_mapped_file_takes_its_room_at_once(small_disk):
    array = on_disk(small_disk / "fits.npy", np.uint8, (10, 100))
    array[:] = 7
    assert np.load(small_disk / "fits.npy").sum() == 7000
    with pytest.raises(OSError, match="No space left"):
        on_disk(small_disk / "large.npy", np.uint8, (2000, 1000))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_other_errors_of_files_stay_what_they_are(tmp_path, number):
    store = Store(tmp_path / "store")
    store.create()
    with pytest.raises(PermissionError), store.write("cells", KEY):
        raise PermissionError(errno.EACCES, "not allowed", "x")
    with pytest.raises(FullDisk), store.write("cells", KEY):
        raise OSError(number, os.strerror(number), "x")


def test_the_command_line_says_it_and_ends_with_1(monkeypatch, capsys, tmp_path):
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "runs" / "events.jsonl"))

    command_line = importlib.import_module("harness.cli.app")
    monkeypatch.setattr(command_line, "app", full)
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith(f"fewcolors: the disk of {tmp_path / 'runs'} is full (")
    assert "events.jsonl cannot be written. Make room" in said
