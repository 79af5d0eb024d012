"""A full disk is said in a sentence, and nothing that was finished goes."""

import errno
import importlib
import os
import shutil

import disks
import numpy as np
import pytest
import safetensors
import torch
from safetensors.torch import save_file
from workplace import EXAMPLES

from harness import full_disks, learning
from harness.discovery import discover
from harness.full_disks import FullDisk
from harness.plan import make_plan
from harness.sources import read_source
from harness.spec.resolve import resolve
from harness.work.arrays import on_disk
from harness.work.jobs import Context, run_job
from harness.work.store import Store

KEY, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def small_disk(tmp_path):
    with disks.small_disk(tmp_path / "disk") as folder:
        yield folder


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


WRITERS = {
    "numpy": lambda folder: np.save(folder / "a.npy", np.zeros(10**6)),
    "safetensors": lambda folder: save_file({"a": torch.zeros(10**6)}, folder / "a.safetensors"),
    "torch": lambda folder: torch.save({"a": torch.zeros(10**6)}, folder / "a.pt"),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_it_is_told_of_whatever_writes(small_disk, writer):
    store = Store(small_disk / "store")
    store.create()
    with pytest.raises(FullDisk) as caught, store.write("cells", KEY) as folder:
        WRITERS[writer](folder)
    assert f"the artifact cells/{KEY[:12]} needs more than 1.0" in str(caught.value)
    assert not list(store.root.glob("cells/.partial-*"))


SAID = [
    OSError("6144000 requested and 1044352 written"),
    safetensors.SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
]


@pytest.mark.parametrize("error", SAID, ids=lambda error: type(error).__name__)
def test_errors_without_a_number_are_known_by_their_words(tmp_path, error):
    with (
        pytest.raises(FullDisk, match="the artifact needs more than"),
        full_disks.told(tmp_path, "the artifact", tmp_path),
    ):
        raise error


def test_an_error_that_says_nothing_of_it_is_told_where_nothing_is_free(tmp_path, monkeypatch):
    def fails(free, error):
        monkeypatch.setattr(full_disks.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, free))
        with full_disks.told(tmp_path, "the artifact", tmp_path):
            raise error

    with pytest.raises(FullDisk, match="the artifact cannot be written"):
        fails(0, RuntimeError("unexpected pos 576 vs 534"))
    with pytest.raises(RuntimeError, match="unexpected pos"):
        fails(10**8, RuntimeError("unexpected pos 576 vs 534"))
    with pytest.raises(ValueError, match="of the plugin's own"):
        fails(0, ValueError("of the plugin's own"))


SPEC = {
    "name": "full",
    "datasets": [{"name": "stripes", "params": {"images": 24, "side": 8}}],
    "classifiers": [{"name": "tiny-net", "params": {"epochs": 3, "batch_size": 20}}],
    "methods": ["median-cut"],
    "colors": [2],
}


def test_a_training_whose_checkpoint_finds_no_room_fails_and_goes_on_from_the_one_before(tmp_path, monkeypatch):
    registry = discover([read_source(str(EXAMPLES / "my_task.py"))], tmp_path)
    plan, store = make_plan(resolve(SPEC, registry)), Store(tmp_path / "store")
    store.create()
    dataset, training = (next(job for job in plan.jobs.values() if job.stage == s) for s in ("datasets", "classifiers"))
    context, written = Context(store, registry), []

    def no_room_for_the_second(tensors, path, metadata):
        written.append(metadata["epochs_done"])
        if len(written) == 2:
            path.write_bytes(bytes(1000))
            raise safetensors.SafetensorError("I/O error: No space left on device (os error 28)")
        save_file(tensors, path, metadata=metadata)

    run_job(dataset, context)
    monkeypatch.setattr(learning, "save_file", no_room_for_the_second)
    with pytest.raises(FullDisk, match=f"the checkpoint of {training.key[:12]} needs more than"):
        run_job(training, context)
    there = store.checkpoints(training.key)
    assert sorted(path.name for path in there.iterdir()) == ["history.json", "training.safetensors"]
    (there / "training.safetensors.0f").write_bytes(bytes(1000))  # as a process leaves it that is killed
    left = []
    run_job(training, Context(store, registry, on_epoch=lambda *_: bool(left.extend(there.glob("*.0f")))))
    assert left == []
    assert written == ["1", "2", "2", "3"]
    assert store.has("classifiers", training.key)


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
