"""What plugins do to arrays, to other modules and to their process, and what they raise, costs no neighbor a byte."""

from __future__ import annotations

from pathlib import Path

from flipping import TIMES
from workplace import EXAMPLES, Workplace

TASK = EXAMPLES / "my_task.py"
BAD = r"""
import os
import numpy as np
from harness.contracts import Palettized
from harness.registry import quantizer

class Grays:
    def palettize(self, images, colors):
        indices = (images.mean(axis=3) > 128).astype(np.uint8)
        return Palettized(indices, np.tile(np.array([[0], [255]], np.uint8), (len(images), 1, 3)))

class Learned(Grays):
    def fit(self, lesson):
        self.mean = float(lesson.train.images.mean())
    def state(self): return {"mean": np.array([self.mean])}
    def load(self, state, device): self.mean = float(state["mean"][0])

@quantizer("honest")
class Honest(Learned): pass

@quantizer("a-mutates")
class Mutates(Learned):
    def fit(self, lesson):
        lesson.train.images[:] = 0
        lesson.train.labels[:] = 0
        super().fit(lesson)

@quantizer("a-patches")
class Patches(Grays):
    def palettize(self, images, colors):
        import PIL.Image, torch
        PIL.Image.Image.quantize = lambda self, *a, **k: self.convert("L").convert("P")
        torch.nn.functional.relu = torch.relu = lambda x, *a: x * 0
        torch.nn.ReLU.forward = lambda self, x: x * 0
        np.mean = lambda *a, **k: 1 / 0
        return super().palettize(images, colors)

@quantizer("a-sets-state")
class SetsState(Grays):
    def palettize(self, images, colors):
        import torch
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.use_deterministic_algorithms(True)
        np.seterr(all="raise")
        os.chdir("/")
        os.umask(0o777)
        return super().palettize(images, colors)

@quantizer("raises-long")
class RaisesLong(Grays):
    def palettize(self, images, colors): raise ValueError("x" * 5_000_000)

@quantizer("raises-odd")
class RaisesOdd(Grays):
    def palettize(self, images, colors):
        raise type("Odd\n\x1b[31m", (BaseException,), {})("\0\ud800\x1b[2J\r[red]]&<b>")

@quantizer("raises-mute")
class RaisesMute(Grays):
    def palettize(self, images, colors):
        class Mute(Exception):
            def __str__(self): raise self
        raise Mute
"""
SPEC = """
datasets: [{name: stripes, params: {images: 40}}]
classifiers: [{name: tiny-net, params: {epochs: 1, batch_size: 20}}]
methods: [METHODS honest, median-cut, {name: jpeg, quality: [20]}]
colors: [2]
baseline: median-cut
seeds: [0]
"""
BADLY = ("a-mutates", "a-patches", "a-sets-state", "raises-long", "raises-odd", "raises-mute")


def test_in_one_worker_neighbors_bytes_are_those_of_a_run_without_bad_plugins(workplace: Workplace) -> None:
    bad = workplace.folder / "bad.py"
    bad.write_text(BAD)
    alone = ["--cpus", "1", "--plugin", TASK, "--plugin", bad]
    for name, methods in (("without", ""), ("tiny", ", ".join(BADLY) + ",")):
        spec = workplace.spec(SPEC.replace("METHODS", methods), name)
        ended = workplace.fewcolors(
            "run", spec, "--store", name, *alone, code=0 if name == "without" else 1, RAY_ADDRESS=""
        )
        assert all(character.isprintable() or character == "\n" for character in ended.out)
        assert len(ended.out) < 50_000
    expected, found = (_bytes(workplace.folder / name) for name in ("without", "tiny"))
    assert len({path.partition("/")[0] for path in expected}) == 5
    assert {path: found.get(path) == content for path, content in expected.items()} == dict.fromkeys(expected, True)

    cells = {row["method"]: row for row in workplace.cells()}
    assert {method for method, row in cells.items() if row["status"] == "failed"} == set(BADLY[3:])
    assert {row["status"] for method, row in cells.items() if method not in BADLY[3:]} == {"ok"}
    assert cells["raises-long"]["error"].startswith("ValueError: xxx")
    assert len(cells["raises-long"]["error"]) <= 500
    assert cells["raises-odd"]["error"] == r"Odd \x1b[31m: \x00\ud800\x1b[2J [red]]&<b>"
    assert cells["raises-mute"]["error"] == "Mute: its message cannot be shown"
    page = (workplace.folder / "runs" / "tiny" / "report" / "index.html").read_text()
    assert "Mute: its message cannot be shown" in page
    status = workplace.fewcolors("status", "runs/tiny")
    assert "raises-odd" in status.out


def _bytes(store: Path) -> dict[str, bytes]:
    """All numbers of a store by their path."""
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in store.rglob("*")
        if path.is_file() and path.name not in TIMES
    }
