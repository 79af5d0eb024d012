"""Compiled loops and the folder that keeps their machine code: whatever befalls it costs time, never a result."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import resource, sys
if "full" in sys.argv:
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
sys.path.insert(0, sys.argv[1])
import loops
import numpy as np
image, out = np.arange(12, dtype=np.uint8).reshape(3, 4), np.zeros((3, 4), np.uint8)
loops.double(image, out)
print(out.sum(), loops.double.stats.cache_hits != {})
"""
LOOPS = """
from numba import uint8, void
from methods.compiled import compiled, given, made

@compiled()
def twice(value):
    return value * 2

@compiled(void(given(uint8, 2), made(uint8, 2)))
def double(image, out):
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            out[y, x] = twice(image[y, x])
"""


class Loops:
    """A module of compiled loops with its cache, run in processes of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache = folder / "source", folder / "cache"
        self.folder.mkdir()
        (self.folder / "loops.py").write_text(LOOPS)

    def run(self, *more: str) -> tuple[int, bool]:
        """The sum of the doubled image, and whether machine code was found in the cache."""
        command = [sys.executable, "-c", PROGRAM, str(self.folder), *more]
        environment = os.environ | {"NUMBA_CACHE_DIR": str(self.cache), "PYTHONDONTWRITEBYTECODE": "1"}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        total, hit = ended.stdout.split()
        return int(total), hit == "True"

    def files(self) -> list[Path]:
        return sorted(self.cache.rglob("*.code"))


@pytest.fixture
def loops(tmp_path: Path) -> Loops:
    return Loops(tmp_path)


def test_machine_code_is_kept_and_damage_to_it_is_mended(loops: Loops) -> None:
    assert loops.run() == (132, False)
    assert loops.run() == (132, True)
    assert not list(loops.cache.rglob("*.partial"))
    draw = random.Random(0)
    for _ in range(3):
        for path in loops.files():
            content = bytearray(path.read_bytes())
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
            path.write_bytes(content)
        assert loops.run() == (132, False), "compiled anew"
        assert loops.run() == (132, True), "and kept again"
    for path in loops.files():
        path.write_bytes(b"")
    assert loops.run() == (132, False)


def test_a_full_disk_and_a_folder_that_is_none_cost_nothing_but_time(loops: Loops) -> None:
    assert loops.run("full") == (132, False)
    assert loops.files() == []
    assert loops.run("full") == (132, False)
    loops.cache.exists() and loops.cache.rename(loops.cache.with_name("away"))
    loops.cache.write_text("a file")
    assert loops.run() == (132, False)


def test_code_of_another_state_of_the_source_is_not_used(loops: Loops) -> None:
    assert loops.run() == (132, False)
    (loops.folder / "loops.py").write_text(LOOPS.replace("twice(image[y, x])", "twice(image[y, x]) + 1"))
    assert loops.run() == (144, False)


def test_a_file_under_the_name_of_another_signature_is_not_used(loops: Loops) -> None:
    loops.run()
    one, other = loops.files()
    content = one.read_bytes(), other.read_bytes()
    one.write_bytes(content[1])
    other.write_bytes(content[0])
    assert loops.run() == (132, False)
