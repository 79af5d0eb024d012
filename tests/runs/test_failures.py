"""What a bad plugin costs: its own cells, and nothing else."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from disks import small_disk
from workplace import EXAMPLES, Workplace

TASK = EXAMPLES / "my_task.py"
PLUGINS = """
import os, signal, sys, threading
import numpy as np
from pathlib import Path
from harness.contracts import Needs, Palettized
from harness.registry import quantizer

def halves(images):
    indices = (images.mean(axis=3) > 128).astype(np.uint8)
    return indices, np.tile(np.array([[0], [255]], np.uint8), (len(images), 1, 3))

class Base:
    def palettize(self, images, colors):
        return Palettized(*self.parts(*halves(images)))

@quantizer("good")
class Good(Base):
    def parts(self, indices, palettes): return indices, palettes

@quantizer("raises")
class Raises(Base):
    def parts(self, indices, palettes):
        if not Path("mended").exists():
            raise ValueError("on purpose\\nin two lines")
        return indices, palettes

@quantizer("hangs")
class Hangs(Base):
    needs = Needs(seconds=10)
    def parts(self, indices, palettes): threading.Event().wait()

@quantizer("wrong-shape")
class WrongShape(Base):
    def parts(self, indices, palettes): return indices[:, 1:], palettes

@quantizer("wrong-dtype")
class WrongDtype(Base):
    def parts(self, indices, palettes): return indices.astype(np.int64), palettes

@quantizer("nan")
class Nan(Base):
    def parts(self, indices, palettes): return indices, palettes * np.float32("nan")

@quantizer("too-many")
class TooMany(Base):
    def parts(self, indices, palettes):
        indices = np.zeros_like(indices) + np.arange(32, dtype=np.uint8) % 3
        return indices, np.tile(np.array([[0], [9], [99]], np.uint8), (len(indices), 1, 3))

@quantizer("exits")
class Exits(Base):
    def parts(self, indices, palettes): sys.exit(7)

@quantizer("dies")
class Dies(Base):
    def parts(self, indices, palettes): os.kill(os.getpid(), signal.SIGKILL)

@quantizer("dies-once")
class DiesOnce(Base):
    def parts(self, indices, palettes):
        if not Path("died").exists():
            Path("died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return indices, palettes

@quantizer("fit-raises")
class FitRaises(Base):
    def fit(self, lesson): raise RuntimeError("no lesson learned")
    def state(self): return {}
    def load(self, state, device): pass
    def parts(self, indices, palettes): return indices, palettes
"""
SPEC = """
datasets: [{name: stripes, params: {images: 40}}]
classifiers: [{name: tiny-net, params: {epochs: 1, batch_size: 20}}]
methods: [good, raises, hangs, wrong-shape, wrong-dtype, nan, too-many, exits, dies, dies-once, fit-raises, median-cut]
colors: [2]
baseline: median-cut
"""
WHY = {
    "raises": "ValueError: on purpose in two lines",
    "hangs": "stopped after 10 s, its limit",
    "wrong-shape": "ContractError: indices are uint8 [40, 31, 32], they must be uint8 [40, 32, 32]",
    "wrong-dtype": "ContractError: indices are int64 [40, 32, 32], they must be uint8 [40, 32, 32]",
    "nan": "ContractError: palettes contain NaN",
    "too-many": "ContractError: image 0 has 3 colors, at most 2 were asked for",
    "exits": "SystemExit: 7",
    "dies": "its worker process was lost 5 times at the same place",
    "fit-raises": "RuntimeError: no lesson learned",
}


@pytest.fixture
def arguments(workplace: Workplace) -> list[str | Path]:
    plugins = workplace.folder / "bad.py"
    plugins.write_text(PLUGINS)
    return ["run", workplace.spec(SPEC), "--plugin", TASK, "--plugin", plugins]


def test_every_kind_of_failure_costs_its_own_cells_and_is_tried_again_after_the_fix(
    workplace: Workplace, arguments: list[str | Path]
) -> None:
    workplace.fewcolors(*arguments, code=1)
    cells = {row["method"]: row for row in workplace.cells()}
    assert {method for method, row in cells.items() if row["status"] == "ok"} == {"good", "dies-once", "median-cut"}
    for method, why in WHY.items():
        assert cells[method]["status"] == "failed"
        assert why in cells[method]["error"]
        assert cells[method]["accuracy"] == ""
    page = (workplace.folder / "runs" / "tiny" / "report" / "index.html").read_text()
    events = workplace.events()
    assert "bad.py" in page, "tracebacks name the plugin's file"
    assert "no lesson learned" in page
    assert any("on purpose" in event["traceback"] and "Traceback" in event["traceback"] for event in events)
    tries = [
        e for e in events if e["event"] == "retried" and e["job"].startswith("dies at") and "retry" in e["message"]
    ]
    assert len(tries) == 4
    assert not [e for e in events if e["event"] == "retried" and e["job"].startswith("fit-raises")]
    assert [e["job"] for e in events if e["event"] == "blocked" and e["stage"] == "applied"] == [
        "fit-raises at 2 colors on stripes, tiny-net, seed 0"
    ]

    (workplace.folder / "mended").touch()
    workplace.spec(
        SPEC.replace("hangs, wrong-shape, wrong-dtype, nan, too-many, exits, dies, dies-once, fit-raises, ", "")
    )
    again = workplace.fewcolors(*arguments)
    assert "2 of" in again.out, "the image reduced and the cell judged, no more"
    assert {row["status"] for row in workplace.cells()} == {"ok"}


def test_a_classifier_that_fails_blocks_its_cells_and_not_the_other_ones(workplace: Workplace) -> None:
    broken = workplace.folder / "broken.py"
    broken.write_text(
        "from harness.registry import classifier\n"
        "@classifier('broken')\n"
        "class Broken:\n"
        "    def build(self, classes): raise KeyError('no layers')\n"
        "    def fit(self, lesson): return self.build(3)\n"
    )
    spec = workplace.spec(
        SPEC.replace("}}]\nmethods: [", "}}, broken]\nmethods: [").replace("good, raises, hangs, wrong-shape, ", "")
    )
    spec.write_text(spec.read_text().split("methods:")[0] + "methods: [median-cut]\ncolors: [2]\n")
    workplace.fewcolors("run", spec, "--plugin", TASK, "--plugin", broken, code=1)
    cells = {row["classifier"]: row for row in workplace.cells()}
    assert cells["tiny-net"]["status"] == "ok"
    assert cells["broken"]["status"] == "blocked"
    assert "no layers" in cells["broken"]["error"]


@pytest.mark.parametrize("sent_signal", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_soon_says_what_is_kept_and_the_next_run_goes_on(
    workplace: Workplace, arguments: list[str | Path], sent_signal: signal.Signals
) -> None:
    workplace.spec(
        SPEC.replace(
            ", raises, hangs, wrong-shape, wrong-dtype, nan, too-many, exits, dies, dies-once, fit-raises", ""
        ).replace("epochs: 1", "epochs: 4000")
    )
    process = subprocess.Popen(
        workplace.command(*arguments),
        cwd=workplace.folder,
        env=workplace.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "epoch" in line:
            break
    process.send_signal(sent_signal)
    sent = time.monotonic()
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - sent < 15, "5 s on a machine that does nothing else"
    assert "are finished and kept in" in rest
    assert "Continue with: fewcolors run" in rest
    assert "interrupted" in {event["event"] for event in workplace.events()}
    (history,) = (workplace.folder / "store" / "checkpoints").glob("*/history.json")
    assert history.stat().st_size > 0


def test_a_damaged_checkpoint_is_said_and_the_training_starts_anew(workplace: Workplace) -> None:
    spec = """
    datasets: [{name: stripes, params: {images: 40}}]
    classifiers: [{name: tiny-net, params: {epochs: 1}}]
    methods: [otsu]
    colors: [2]
    reports: [tables]
    """
    run = ["run", workplace.spec(spec), "--plugin", TASK]
    workplace.fewcolors(*run)
    trained = workplace.folder / "store" / "classifiers"
    (network,) = trained.glob("*/network.safetensors")
    weights = network.read_bytes()
    checkpoint = workplace.folder / "store" / "checkpoints" / network.parent.name
    for stage in (trained, trained.with_name("cells")):
        shutil.rmtree(stage)
    checkpoint.mkdir()
    (checkpoint / "training.safetensors").write_bytes(b"no tensors")
    said = workplace.fewcolors(*run).out
    assert "tiny-net on stripes, seed 0: its checkpoint is damaged (" in said
    assert "training starts anew" in said
    assert "warned" in {event["event"] for event in workplace.events()}
    assert network.read_bytes() == weights


def test_a_disk_that_an_array_finds_no_room_on_is_told(workplace: Workplace) -> None:
    spec = workplace.spec(
        """
datasets: [{name: stripes, params: {images: 2000}}]
classifiers: [{name: tiny-net, params: {epochs: 1, batch_size: 20}}]
methods: [otsu]
colors: [2]
reports: [tables]
"""
    )
    with small_disk(workplace.folder / "disk") as disk:
        workplace.fewcolors("run", spec, "--plugin", TASK, "--store", disk / "store", code=1)
        (failed,) = [event["message"] for event in workplace.events() if event["event"] == "failed"]
        assert failed.startswith(f"FullDisk: the disk of {disk / 'store'} is full (")
        assert "needs more than" in failed
        assert failed.endswith("Make room or give another folder, and start again: what is finished is kept")
        assert not list(disk.glob("store/*/.partial-*"))
