"""Whole searches, through the command line and on a cluster."""

from __future__ import annotations

import csv
import json
import pickle
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from workplace import EXAMPLES, Workplace

TASK = EXAMPLES / "my_task.py"
PLUGIN = """
import json, os, signal, threading
from pathlib import Path
from typing import Literal
import numpy as np
from harness.contracts import Palettized
from harness.registry import quantizer

def note(**what):
    with open("notes.jsonl", "a") as file:
        file.write(json.dumps(what) + "\\n")

@quantizer("threshold", summary="black and white, by brightness")
class Threshold:
    level: int = 250
    mood: Literal["calm", "raises", "diverges", "dies", "asked-to-end", "hangs"] = "calm"
    epochs: int = 4
    strength: float = 1.0
    version = "1"

    def cycle(self):
        return 2

    def palettize(self, images, colors):
        palettes = np.tile(np.array([[0], [255]], np.uint8), (len(images), 1, 3))
        return Palettized((images.mean(axis=3) > self.level).astype(np.uint8), palettes)

    def fit(self, lesson):
        progress = lesson.checkpoints / "epochs"
        begin = int(progress.read_text()) if progress.exists() else 0
        note(level=self.level, mood=self.mood, begin=begin, train=len(lesson.train), held_out=len(lesson.validation),
             seed=lesson.seed)
        due = self.level == 120 or len(Path("notes.jsonl").read_text().splitlines()) > 4
        if Path("kill").exists() and due:
            Path("kill").unlink()
            os.kill(int(Path("driver.pid").read_text()), signal.SIGKILL)
            threading.Event().wait()
        if len(lesson.train) < 100:
            raise ValueError("too few images")
        for epoch in range(begin, self.epochs):
            if epoch == 1 and self.mood == "raises":
                raise ValueError("on purpose")
            if epoch == 1 and self.mood == "diverges":
                raise FloatingPointError("training diverged: the mean loss of epoch 2 is nan")
            if self.mood == "hangs":
                threading.Event().wait()
            measured = {"validation_accuracy": 1 - abs(self.level - 128) / 256} if len(lesson.validation) else {}
            lesson.checkpoints.mkdir(parents=True, exist_ok=True)
            progress.write_text(str(epoch + 1))
            lesson.on_epoch(epoch + 1, self.epochs, {"loss": 1.0, **measured})
            if self.mood == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.mood == "asked-to-end" and epoch == 0:
                os.kill(os.getpid(), signal.SIGTERM)
                threading.Event().wait()

    def state(self):
        return {"level": np.array([self.level])}

    def load(self, state, device):
        self.level = int(state["level"][0])
"""
BASE = """
datasets: [{name: stripes, params: {images: 200}}]
classifiers: [{name: tiny-net, params: {epochs: 15, channels: 8, batch_size: 20, rate: 0.1}}]
colors: [2]
reports: [tables, html]
resources: {quantizers: {gpus: 0}, classifiers: {gpus: 0}}
"""


@pytest.fixture
def bench(workplace: Workplace) -> Workplace:
    (workplace.folder / "threshold.py").write_text(PLUGIN)
    return workplace


def tune(bench: Workplace, text: str, code: int | None = 0, name: str = "tiny") -> Any:
    return bench.fewcolors(*arguments(bench, text, name), code=code)


def arguments(bench: Workplace, text: str, name: str = "tiny") -> list[str | Path]:
    return ["tune", bench.spec(BASE + text, name), "--plugin", TASK, "--plugin", "threshold.py"]


def trials(bench: Workplace, run: str = "tiny") -> list[dict[str, str]]:
    with (bench.folder / "runs" / run / "trials.csv").open() as file:
        return list(csv.DictReader(file))


def notes(bench: Workplace) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (bench.folder / "notes.jsonl").read_text().splitlines()]


SEARCH = """
methods: [{name: threshold, params: {mood: calm}, search: {level: {grid: [100, 120, 128, 140]}}}, otsu]
seeds: [3, 4]
search: {algorithm: grid, scheduler: none, seed: 9, validation: 0.2}
"""


def test_a_search_that_is_killed_goes_on_and_its_winner_meets_the_start_on_fresh_seeds(bench: Workplace) -> None:
    (bench.folder / "kill").touch()
    killed = subprocess.Popen(
        bench.command(*arguments(bench, SEARCH), "--out", "first"),
        cwd=bench.folder,
        env=bench.environment(),
        stdout=subprocess.DEVNULL,
    )
    (bench.folder / "driver.pid").write_text(str(killed.pid))
    assert killed.wait() == -signal.SIGKILL
    before = notes(bench)
    assert 120 in [fit["level"] for fit in before]
    assert not (bench.folder / "first/searches.json").exists()
    (bench.folder / "runs").mkdir()
    (bench.folder / "first").rename(bench.folder / "runs/tiny")
    finished = {path.name for path in (bench.folder / "store/quantizers").iterdir()}

    ended = tune(bench, SEARCH)
    table = trials(bench)
    assert [row["status"] for row in table] == ["finished"] * 5
    again = [fit for fit in notes(bench)[len(before) :] if fit["seed"] == 9]
    unfinished = [row for row in table if row["key"] not in finished]
    assert len(again) == len(unfinished) < 5, "a finished trial was run again"
    ((kept, out),) = {(fit["train"], fit["held_out"]) for fit in before + again}
    assert kept + out == 200
    assert out == pytest.approx(0.2 * 200, abs=4)

    content = yaml.safe_load((bench.folder / "runs/tiny/best.yaml").read_text())
    levels = [entry["params"].get("level") for entry in content["methods"]]
    best = next(row for row in table if row["best"] == "True")
    assert levels == [250, int(best["param.level"]), None]
    assert content["baseline"] == "threshold"
    assert float(best["validation_accuracy"]) == max(float(row["validation_accuracy"]) for row in table)
    final = [fit for fit in notes(bench) if fit["seed"] != 9]
    assert sorted((fit["seed"], fit["level"]) for fit in final) == [
        (seed, level) for seed in (3, 4) for level in sorted([250, int(best["param.level"])])
    ]
    assert {(fit["train"], fit["held_out"]) for fit in final} == {(200, 0)}
    assert {row["variant"] for row in bench.cells()} == {"threshold", f"threshold level={best['param.level']}", "otsu"}
    assert "6 of 6 cells ok" in ended.out

    held_out = next(
        p for p in (bench.folder / "store/datasets").iterdir() if len(np.load(p / "test_labels.npy")) == out
    )
    whole = next(p for p in (bench.folder / "store/datasets").iterdir() if p != held_out)
    seen = np.concatenate([np.load(held_out / f"{part}_images.npy") for part in ("train", "test")])
    everything = np.load(whole / "train_images.npy")
    assert sorted(image.tobytes() for image in seen) == sorted(image.tobytes() for image in everything)

    count = len(notes(bench))
    assert "all stored already" in tune(bench, SEARCH).out
    assert len(notes(bench)) == count
    (kept,) = bench.fewcolors("store", "gc", "runs").out.splitlines()
    assert kept.startswith("0 artifacts (0 bytes) that none of 1 runs refers to.")

    other = tune(bench, SEARCH.replace("0.2", "0.3"), code=2)
    assert (
        other.err
        == "fewcolors: runs/tiny: this folder holds a different search (differs in search); choose another --out.\n"
    )


class Planted:
    """What makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def plant_pickles(search: Path) -> None:
    """Puts pickles that leave a mark wherever Tune has kept or would look for its state."""
    mark = search.parents[3] / "planted"
    planted = pickle.dumps(Planted(mark))
    pickle.loads(planted)
    assert mark.exists()
    mark.unlink()
    ours = [path for path in search.rglob("*") if path.is_file() and path.parent != search]
    assert any(path.suffix == ".pkl" for path in ours)
    names = (
        "tuner.pkl",
        "trainable.pkl",
        "searcher-state-x.pkl",
        "search_gen_state-x.json",
        "basic-variant-state-x.json",
    )
    further = [folder / name for folder in (search, search / "tune", search / "tune/x") for name in names]
    for path in (*ours, *further):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(planted)


ADAPTIVE = """
methods: [{name: threshold, search: {level: {randint: [90, 118]}}}]
seeds: [3]
search: {algorithm: optuna, scheduler: asha, trials: 8, seed: 9}
"""


def test_a_killed_search_by_tpe_and_asha_goes_on_with_what_it_had_drawn_and_judged(bench: Workplace) -> None:
    (bench.folder / "kill").touch()
    killed = subprocess.Popen(
        bench.command(*arguments(bench, ADAPTIVE)), cwd=bench.folder, env=bench.environment(), stdout=subprocess.DEVNULL
    )
    (bench.folder / "driver.pid").write_text(str(killed.pid))
    assert killed.wait() == -signal.SIGKILL
    before = notes(bench)
    (judged,) = (bench.folder / "runs/tiny/searches").glob("*/rungs.json")
    earlier = json.loads(judged.read_text())["list"]
    plant_pickles(judged.parent)
    finished = {path.name for path in (bench.folder / "store/quantizers").iterdir()}
    assert earlier
    assert finished

    tune(bench, ADAPTIVE)
    assert not (bench.folder / "planted").exists(), "a pickle in the run's folder was read"
    table = trials(bench)
    assert len(table) == 8
    assert {row["status"] for row in table} <= {"finished", "stopped"}
    again = {fit["level"] for fit in notes(bench)[len(before) :] if fit["seed"] == 9}
    assert not again & {int(row["param.level"]) for row in table if row["key"] in finished}
    assert {fit["level"] for fit in before} <= {int(row["param.level"]) for row in table}
    assert json.loads(judged.read_text())["list"][: len(earlier)] == earlier


def test_what_fails_is_a_row_and_what_dies_is_taken_up_again(bench: Workplace) -> None:
    ended = tune(
        bench,
        """
methods: [{name: threshold, params: {level: 128}, search: {mood: {grid: [calm, raises, diverges, dies, asked-to-end]}}}]
seeds: [1]
search: {algorithm: grid, concurrency: 1}
""",
    )
    rows = {row["param.mood"]: row for row in trials(bench)}
    assert {mood: row["status"] for mood, row in rows.items()} == {
        "calm": "finished", "raises": "failed", "diverges": "failed", "dies": "finished",
        "asked-to-end": "finished",
    }  # fmt: skip
    assert rows["raises"]["error"] == "ValueError: on purpose"
    assert rows["diverges"]["error"].startswith("FloatingPointError: training diverged")
    assert [fit["begin"] for fit in notes(bench) if fit["mood"] == "dies"] == [0, 1, 2, 3, 4], (
        "it resumes where it died"
    )
    assert [fit["begin"] for fit in notes(bench) if fit["mood"] == "asked-to-end"] == [0, 1]
    again = [line.partition(": ")[2] for line in ended.out.splitlines() if "is run again" in line]
    assert again == ["its worker process died; retry 1 of 4"] * 4 + ["its worker process was asked to end; run again"]
    assert [len([fit for fit in notes(bench) if fit["mood"] == mood]) for mood in ("raises", "diverges")] == [1, 1]
    assert "3 finished, 2 failed" in ended.out
    assert "trial 1 failed: ValueError: on purpose" in ended.out


def test_a_random_search_in_which_every_trial_failed_is_told_on_a_page(bench: Workplace) -> None:
    text = """
methods:
  - name: threshold
    params: {mood: raises}
    search: {level: {randint: [100, 200]}, strength: {loguniform: [0.01, 100]}}
search: {algorithm: random, trials: 3, concurrency: 1}
"""
    ended = tune(bench, text, code=1)
    assert "no trial finished (3 failed)" in ended.out
    assert "Spec: " not in ended.out
    assert not (bench.folder / "runs/tiny/best.yaml").exists()
    page = bench.folder / "runs/tiny/report/index.html"
    assert f"Report: {page}" in ended.out
    said = page.read_text()
    assert "Nothing was found: no trial finished" in said
    assert said.count("ValueError: on purpose") > 3, "in the summary and in each row of the table"
    page.unlink()
    assert f"Report: {page}" in bench.fewcolors("report", "runs/tiny", "--plugin", TASK).out
    assert page.read_text() == said

    first, *drawn = [(int(row["param.level"]), float(row["param.strength"])) for row in trials(bench)]
    assert first == (250, 1.0)
    assert len(set(drawn)) == 2
    assert all(100 <= level <= 200 and 0.01 <= strength <= 100 for level, strength in drawn)


def test_asha_stops_at_the_ends_of_cycles_only_and_stopped_trials_are_no_results(bench: Workplace) -> None:
    tune(
        bench,
        """
methods: [{name: threshold, search: {level: {grid: [128, 60, 20]}, strength: {choice: [1.0]}}}]
seeds: [1]
search: {algorithm: grid, concurrency: 1}
""",
    )
    rows = {int(row["param.level"]): row for row in trials(bench)}
    assert {level: (row["status"], row["epochs"]) for level, row in rows.items()} == {
        250: ("finished", "4"), 128: ("finished", "4"), 60: ("stopped", "2"), 20: ("stopped", "2")
    }  # fmt: skip
    assert not any((bench.folder / "store/checkpoints").iterdir())
    assert {row["best"] for level, row in rows.items() if level in (60, 20)} == {"False"}


def test_a_budget_of_seconds_ends_a_search_whatever_hangs(bench: Workplace) -> None:
    ended = tune(
        bench,
        """
methods: [{name: threshold, params: {level: 128}, search: {mood: {grid: [hangs]}}}]
seeds: [1]
search: {algorithm: grid, seconds: 25, concurrency: 1}
""",
    )
    assert {row["param.mood"]: row["status"] for row in trials(bench)} == {"calm": "finished", "hangs": "unfinished"}
    assert "the method's defaults" in ended.out, "of no paper"


def interrupted(bench: Workplace, text: str, at: str) -> str:
    """What a search says that gets Ctrl-C as soon as it has said ``at``, and again and again from its last word on."""
    process = subprocess.Popen(
        bench.command(*arguments(bench, text)),
        cwd=bench.folder,
        env=bench.environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    seen, sent = "", False
    for line in process.stdout:
        seen += line
        if at in line and not sent:
            process.send_signal(signal.SIGINT)
            sent = True
        while "Interrupted" in line and process.poll() is None:
            process.send_signal(signal.SIGINT)
    assert process.wait() == 130, seen
    assert "Interrupted. Finished trials are kept" in seen
    assert "Continue with: fewcolors tune" in seen
    return seen


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(bench: Workplace) -> None:
    text = """
methods: [{name: threshold, params: {level: 128}, search: {mood: {grid: [hangs]}}}]
seeds: [1]
search: {algorithm: grid, concurrency: 1}
"""
    interrupted(bench, text, at="1/2: trial 0")
    assert not (bench.folder / "runs/tiny/trials.csv").exists()


def test_ctrl_c_before_and_after_the_trials_costs_none_of_them(bench: Workplace) -> None:
    text = """
methods: [{name: threshold, search: {level: {grid: [250]}}}]
seeds: [1]
search: {algorithm: grid}
"""
    assert "Search: " not in interrupted(bench, text, at="datasets: stripes, 15% of its training images held out done")
    assert not (bench.folder / "notes.jsonl").exists()
    assert "Search: " in interrupted(bench, text, at="classifiers: tiny-net on stripes, seed 1 done")
    ended = tune(bench, text)
    assert "Search: " not in ended.out
    assert "1 of 1 cells ok" in ended.out
    assert "1 finished" in ended.out
    assert [fit["held_out"] > 0 for fit in notes(bench)].count(True) == 1, "the trial was run again"


def test_two_searches_of_one_method_keep_apart_and_one_that_cannot_run_leaves_nothing(bench: Workplace) -> None:
    text = """
methods:
  - {name: threshold, search: {level: {grid: [128]}}}
  - {name: threshold, search: {strength: {grid: [2.0]}}}
seeds: [1]
search: {algorithm: grid}
"""
    greedy = bench.spec((BASE + text).replace("quantizers: {", "quantizers: {cpus: 64, "))
    too_much = bench.fewcolors("tune", greedy, "--plugin", TASK, "--plugin", "threshold.py", code=2)
    assert "needs 64 CPU" in too_much.err
    assert not (bench.folder / "runs").exists()
    tune(bench, text)
    assert [(row["trial"], row["param.level"], row["param.strength"]) for row in trials(bench)] == [
        ("0", "250.0", ""), ("1", "128.0", ""), ("0", "", "1.0"), ("1", "", "2.0")
    ]  # fmt: skip
    assert {path.name for path in (bench.folder / "runs/tiny/searches").iterdir()} == {
        "threshold-2-colors", "threshold-2-colors-2"
    }  # fmt: skip


def test_each_of_several_tasks_has_its_folder_and_its_report(bench: Workplace) -> None:
    base = BASE.replace("images: 200", "images: [200, 110]").replace("[tables, html]", "[tables]")
    searched = "methods: [{name: threshold, search: {level: {grid: [250]}}}]\nseeds: [1]\nsearch: {algorithm: grid}\n"
    spec = bench.spec(base + searched)
    ended = bench.fewcolors("tune", spec, "--plugin", TASK, "--plugin", "threshold.py", code=1)
    root = bench.folder / "runs/tiny"
    large, small = "stripes-images=200", "stripes-images=110"
    tasks = {name: f"tiny/{name}-tiny-net" for name in (large, small)}
    assert {f"tiny/{path.name}" for path in root.iterdir() if path.is_dir()} == set(tasks.values())
    assert all(f"Tables: runs/{task}/report" in ended.out for task in tasks.values())
    rows = {name: [(row["dataset"], row["status"]) for row in trials(bench, task)] for name, task in tasks.items()}
    assert rows == {large: [("stripes images=200", "finished")], small: [("stripes images=110", "failed")]}
    cells = {name: [row["status"] for row in bench.cells(task)] for name, task in tasks.items()}
    assert cells == {large: ["ok"], small: []}


def test_a_damaged_search_folder_is_named(bench: Workplace) -> None:
    place = bench.folder / "runs/tiny/searches/threshold-2-colors"
    place.mkdir(parents=True)
    text = "methods: [{name: threshold, search: {level: {grid: [128]}}}]\nsearch: {algorithm: grid}\n"
    for name in ("trials.json", "rungs.json"):
        (place / name).write_text("{")
        ended = tune(bench, text, code=2)
        assert f"runs/tiny/searches/threshold-2-colors/{name}: damaged, so that the search cannot go on" in ended.err
        assert len(ended.err.splitlines()) == 1
        (place / name).unlink()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            "classifiers: [{name: tiny-net, params: {weights: own.safetensors}}]",
            "classifiers[0].params.weights: a search",
        ),
        ("resources: {quantizers: {cpus: 64}}", "which no node of this cluster has"),
    ],
)
def test_what_a_search_cannot_have_is_said_before_anything_runs(bench: Workplace, changed: str, sentence: str) -> None:
    text = "methods: [{name: threshold, search: {level: {grid: [128]}}}]\nsearch: {algorithm: grid}\n"
    content = yaml.safe_load(BASE + text) | yaml.safe_load(changed)
    spec = bench.spec(yaml.safe_dump(content))
    ended = bench.fewcolors("tune", spec, "--plugin", TASK, "--plugin", "threshold.py", code=2)
    assert sentence in ended.err
    assert len(ended.err.splitlines()) == 1
    assert not (bench.folder / "runs/tiny/search.yaml").exists()


def test_a_trial_has_no_gpu_where_there_is_none(bench: Workplace) -> None:
    text = "methods: [{name: threshold, search: {level: {grid: [128]}}}]\nresources: {quantizers: {gpus: 0.5}}\n"
    spec = bench.spec(BASE.partition("resources")[0] + text)
    own = ["--plugin", TASK, "--plugin", "threshold.py", "--cpus", "1", "--gpus", "0"]
    ended = bench.fewcolors("tune", spec, *own, code=2, RAY_ADDRESS="")
    assert ended.err == (
        "fewcolors: resources.quantizers.gpus: each trial needs 0.5 GPUs, but this cluster has none.\n"
    )
