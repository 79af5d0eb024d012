"""A tiny finished run of which any bit can be flipped, and every command that reads it, in this process."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import random
import shutil
import sys
import time
import warnings
from collections.abc import Hashable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from typer.testing import CliRunner
from workplace import EXAMPLES

from harness.cli import app
from harness.contracts import BadInput, Needs, SearchResult, Trial
from harness.plan import Job
from harness.run import cluster, pool
from harness.run.events import last_run
from harness.run.placing import Turn
from harness.run.results import write_searches
from harness.run.schedule import JobResult
from harness.sources import read_source
from harness.work.jobs import Context, run_job
from harness.work.store import Store

SPEC = """
name: tiny
datasets: [{name: stripes, params: {images: 24, side: 8}}]
classifiers: [{name: tiny-net, params: {epochs: 2, batch_size: 8, channels: 4}}]
methods: [median-cut, {name: jpeg, quality: [50]}, {name: learned-palette, params: {epochs: 2}}]
colors: [2]
baseline: median-cut
reports: [tables]
"""
PLUGINS = ("--plugin", str(EXAMPLES / "my_task.py"), "--plugin", str(EXAMPLES / "my_learned_quantizer.py"))
KINDS = {kind: f"store/{kind}/*/**/*" for kind in ("datasets", "classifiers", "quantizers", "applied", "cells")} | {
    "manifests": "store/*/*/manifest.json",
    "plan": "run/plan.json",
    "events": "run/events.jsonl",
    "searches": "run/searches.json",
}
TIMES = ("about.json", "manifest.json", "history.json", "durations.json")
"""What tells of seconds, and checksums of that."""


class PoolHere:
    """Does jobs at once and in this process, in the place of Ray's."""

    has_gpus = False

    def __init__(self, store: Any, sources: Any = (), code: Any = None) -> None:
        from harness.discovery import discover

        self.code, self.context, self.ended = code, Context(store, discover(sources)), list[Any]()

    def now(self) -> float:
        return time.monotonic()

    def capacity(self) -> tuple[float, float]:
        return 1.0, 0.0

    def occupies(self, job: Job) -> tuple[float, float]:  # noqa: ARG002
        return 1.0, 0.0

    def turn(self, job: Job) -> Turn:  # noqa: ARG002
        return "now"

    def check(self, jobs: Any) -> None: ...

    def submit(self, jobs: Sequence[Job]) -> Hashable:
        results = []
        for job in jobs:
            run_job(job, self.context)
            results.append(JobResult(job.key, 0.0, "here"))
        self.ended.append((len(self.ended), results))
        return len(self.ended) - 1

    def wait(self, tasks: Sequence[Hashable], seconds: float) -> list[Any]:  # noqa: ARG002
        return [self.ended[task] for task in tasks]  # type: ignore[call-overload]

    def has_started(self, task: Hashable) -> bool:  # noqa: ARG002
        return True

    def cancel(self, task: Hashable) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit code, what it said, what it wrote (tables less their seconds)."""

    code: int
    said: str
    wrote: dict[str, bytes]


class Bench:
    """A folder with a finished run in it. monkeypatch: pytest's, puts Ray out of the way."""

    def __init__(self, folder: Path, monkeypatch: Any) -> None:
        monkeypatch.setattr(pool, "RayPool", PoolHere)
        monkeypatch.setattr(cluster, "connect", lambda *_: nullcontext())
        monkeypatch.chdir(folder)
        self.folder, self.kept = folder, folder / "kept"
        (folder / "tiny.yaml").write_text(SPEC)
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)).save(folder / "photo.png")
        ended = self.outcome("run")
        assert ended.code == 0, ended.said
        write_searches(folder / "run", [_search()])
        self.sound = {name: self.outcome(name) for name in self.commands}
        assert {name: outcome.code for name, outcome in self.sound.items()} == dict.fromkeys(self.commands, 0)
        for part in ("store", "run"):
            shutil.copytree(folder / part, self.kept / part)

    @property
    def commands(self) -> dict[str, tuple[str, ...]]:
        trained = ("--method", "learned-palette", "--colors", "2", "--overwrite", *PLUGINS)
        return {
            "plan": ("plan", "tiny.yaml", "--store", "store", *PLUGINS),
            "status": ("status", "run"),
            "report": ("report", "run"),
            "quantize": ("quantize", "photo.png", "--run", "run", "--out", "out/photo.png", *trained),
            "export": ("export", "run", "--out", "out", *trained),
            "explain": ("explain", "run", "--image", "3", "--out", "out", *PLUGINS),
            "run": ("run", "tiny.yaml", "--store", "store", "--out", "run", *PLUGINS),
        }

    def outcome(self, name: str) -> Outcome:
        """Runs a command. Whatever it raises but a sentence for the user is passed on: that would be a traceback."""
        shutil.rmtree("out", ignore_errors=True)
        result = CliRunner().invoke(app, self.commands[name])
        code, said = result.exit_code, result.output
        if isinstance(result.exception, BadInput):
            code, said = 2, f"fewcolors: {result.exception}"
            assert "\n" not in said
        elif result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        folder = Path("run/report" if name in ("report", "run") else "out")
        files = [path for path in folder.rglob("*") if path.is_file()]
        return Outcome(code, said, {str(path): _less_seconds(path) for path in files})

    def files(self, kind: str) -> list[Path]:
        """The files of a kind, largest manifests and all, in a fixed order."""
        found = sorted(path for path in self.folder.glob(KINDS[kind]) if path.is_file())
        return [path for path in found if kind == "manifests" or path.name != "manifest.json"]

    def flip(self, kind: str, draw: random.Random) -> str:
        """Flips one bit of one file of a kind; says which."""
        path = draw.choice(self.files(kind))
        return f"{path.relative_to(self.folder)}, {_flip(path, draw)}"

    def resume_damaged(self, file: str, draw: random.Random) -> tuple[str, bool, bool]:
        """Interrupts a training after an epoch, flips a bit of its checkpoint and goes on.

        Returns:
            Where the bit was, whether it was said, and whether what was learned is what it was.
        """
        content = json.loads(Path("run/plan.json").read_text())
        (planned,) = [job for job in content["jobs"] if job["stage"] == "quantizers"]
        job = Job(**planned | {"needs": Needs(**planned["needs"]), "levels": tuple(planned["levels"])})
        pool = PoolHere(Store(self.folder / "store"), [read_source(path) for path in PLUGINS[1::2]])
        store = pool.context.store
        store.remove(job.stage, job.key)

        def stop(*_: Any) -> bool:
            raise KeyboardInterrupt

        with contextlib.suppress(KeyboardInterrupt):
            run_job(job, replace(pool.context, on_epoch=stop))
        path = store.checkpoints(job.key) / file
        place = _flip(path, draw)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run_job(job, pool.context)
        name = Path("store") / job.stage / job.key / "state.safetensors"
        same = name.read_bytes() == (self.kept / name).read_bytes()
        whole = len(json.loads(name.with_name("history.json").read_text())) == 2
        return place, any("damaged" in str(each.message) for each in caught), same and whole

    def restore(self) -> None:
        for part in ("store", "run"):
            shutil.rmtree(self.folder / part)
            shutil.copytree(self.kept / part, self.folder / part)

    def complaints(self, names: Sequence[str]) -> dict[str, str]:
        """Runs commands on what is damaged: what each said of it. One that said nothing must do what it did before."""
        told = {}
        for name in names:
            found, sound = self.outcome(name), self.sound[name]
            if "damaged" in found.said or found.code == 2:
                assert found.code != 0 or name in ("plan", "status", "run"), f"{name} says it and ends with 0"
                told[name] = next(line for line in found.said.splitlines() if "damaged" in line or found.code == 2)
            else:
                assert (found.code, found.wrote) == (sound.code, sound.wrote), f"{name} is changed in silence"
        return told

    def is_mended(self) -> bool:
        """Whether the store holds the numbers it held, sound, and the run's files can be read."""
        numbers = [
            {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if _is_number(path)}
            for root in (self.folder / "store", self.kept / "store")
        ]
        return numbers[0] == numbers[1] and all(
            "damaged" not in self.outcome(name).said and self.outcome(name).code == 0 for name in ("plan", "report")
        )

    def harmless(self, place: str) -> bool:
        """Whether a damaged file of JSON says what it said; of events those of the last run."""
        name = place.partition(",")[0]
        if name == "run/events.jsonl":
            return list(last_run(Path(name))) == list(last_run(self.kept / name))
        try:
            return bool(json.loads(Path(name).read_bytes()) == json.loads((self.kept / name).read_bytes()))
        except ValueError:
            return False


def _flip(path: Path, draw: random.Random) -> str:
    content = bytearray(path.read_bytes())
    place, bit = draw.randrange(len(content)), draw.randrange(8)
    content[place] ^= 1 << bit
    path.write_bytes(content)
    return f"byte {place}, bit {bit}"


def _is_number(path: Path) -> bool:
    return path.is_file() and path.name not in TIMES


def _less_seconds(path: Path) -> bytes:
    if path.name != "cells.csv":
        return path.read_bytes()
    with path.open() as file:
        rows = [{name: value for name, value in row.items() if "seconds" not in name} for row in csv.DictReader(file)]
    written = io.StringIO()
    writer = csv.DictWriter(written, rows[0])
    writer.writerows(rows)
    return written.getvalue().encode()


def _search() -> SearchResult:
    trial = Trial(number=0, chosen={"rate": 0.1}, status="finished", accuracy=0.5, epochs=1, of=1, seconds=1.0)
    return SearchResult(
        dataset="stripes",
        classifier="tiny-net",
        variant="learned-palette",
        level=2,
        space={"rate": {"uniform": [0.0, 1.0]}},
        start={"rate": 0.1},
        algorithm="random",
        scheduler="none",
        seed=0,
        train=16,
        validation=8,
        classifier_accuracy=0.5,
        cpus=1.0,
        gpus=0.0,
        cycle=1,
        device="cpu",
        trials=(trial,),
        best=0,
    )


def main(flips: int) -> None:
    """Flips so many bits of each kind of file, as a program: what of it is noticed, said and mended."""
    import tempfile
    import time

    import pytest

    draw = random.Random(1)
    bench = Bench(Path(tempfile.mkdtemp()), pytest.MonkeyPatch())
    for kind in KINDS:
        started, figures = time.monotonic(), {"said": 0, "harmless": 0, "mended": 0}
        for _ in range(flips):
            place = bench.flip(kind, draw)
            try:
                told = bench.complaints(["plan", "status", "report", "quantize", "export", "explain"])
                harmless = bench.harmless(place)
                told |= bench.complaints(["run"])
                figures["said"] += bool(told)
                figures["harmless"] += harmless and not told
                figures["mended"] += kind == "searches" or bench.is_mended()
                if not told and not harmless:
                    print("SILENT", place)
            except BaseException as error:  # noqa: BLE001
                print("WRONG", place, type(error).__name__, error)
            bench.restore()
        print(kind, flips, figures, f"{time.monotonic() - started:.0f} s", flush=True)
    for file in ("training.safetensors", "history.json"):
        outcomes = []
        for _ in range(flips):
            outcomes.append(bench.resume_damaged(file, draw))
            bench.restore()
        print(file, flips, "said", sum(said for _, said, _ in outcomes), "right", sum(same for _, _, same in outcomes))
        print([place for place, _, same in outcomes if not same])


if __name__ == "__main__":
    main(int(sys.argv[1]))
