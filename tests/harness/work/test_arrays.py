"""Arrays in files: what was read of them is let go of."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.work.arrays import let_go


def megabytes_of_files() -> float:
    return int(re.findall(r"RssFile:\s+(\d+)", Path("/proc/self/status").read_text())[0]) / 1000


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("mode", ["c", "r"])
def test_pages_that_were_read_are_let_go_of_and_can_be_read_again(tmp_path, mode):
    np.save(tmp_path / "a.npy", np.arange(50_000_000, dtype=np.uint8))
    array = np.load(tmp_path / "a.npy", mmap_mode=mode)
    before, total = megabytes_of_files(), int(array.sum(dtype=np.int64))
    assert megabytes_of_files() > before + 45
    let_go(array[100:])
    assert megabytes_of_files() < before + 5
    assert int(array.sum(dtype=np.int64)) == total


def test_an_array_in_memory_stays_as_it_is():
    array = np.arange(5)
    let_go(array[1:])
    assert array.tolist() == [0, 1, 2, 3, 4]
