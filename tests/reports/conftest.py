"""Small made-up runs, with records and pictures on disk."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from harness.contracts import Cell, Pictures, Results, SearchResult, Trial

SIDE = 16
COLUMNS = [
    "image",
    "group",
    "label",
    "predicted",
    "correct",
    "confidence",
    "p_true",
    "colors",
    "file_bytes",
    "payload_bytes",
    "entropy_bits",
    "paper_bytes",
    "psnr",
    "original_predicted",
]


class Bench:
    """Makes cells whose records hold what a test asks for."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def frame(self, correct: Iterable[int], groups: Iterable[int] | None = None, **columns: Any) -> pd.DataFrame:
        right = np.asarray(list(correct), np.int64)
        n = len(right)
        labels = np.arange(n) % 3
        data = {
            "image": np.arange(n),
            "group": np.arange(n) if groups is None else np.asarray(list(groups)),
            "label": labels,
            "predicted": np.where(right == 1, labels, (labels + 1) % 3),
            "correct": right == 1,
            "confidence": np.full(n, 0.75),
            "p_true": np.where(right == 1, 0.75, 0.1),
            "colors": np.full(n, 2),
            "file_bytes": 100 + np.arange(n),
            "payload_bytes": 40 + np.arange(n),
            "entropy_bits": np.full(n, 300.0),
            "paper_bytes": 150 + np.arange(n),
            "psnr": np.full(n, 20.0),
            "original_predicted": np.where(np.arange(n) % 10 < 9, labels, (labels + 1) % 3),
        }
        return pd.DataFrame(data | columns)[COLUMNS]

    def cell(self, frame: pd.DataFrame | None, variant: str, level: int | None, **changes: Any) -> Cell:
        kind = "none" if level is None else "colors"
        cell = Cell(
            dataset="toys",
            classifier="tinynet",
            method=variant,
            variant=variant,
            params={"b": 1, "a": [2]},
            level_kind=kind,
            level=level,
            seed=0,
            fitted_on="",
            split="test",
            precision="fp32",
            key="",
            status="ok" if frame is not None else "failed",
            notes={"pixels": SIDE * SIDE, "original_accuracy": 0.9, "seconds": 1.5, "device": "cpu"},
        )
        cell = replace(cell, **changes)
        identity = (cell.dataset, cell.classifier, cell.variant, cell.level_kind, cell.level, cell.seed, cell.fitted_on)
        identity += (cell.judge,)
        key = hashlib.sha256(repr(identity).encode()).hexdigest()
        if frame is None:
            return replace(cell, key=key)
        folder = self.root / key
        folder.mkdir(parents=True)
        frame.to_parquet(folder / "records.parquet")
        return replace(cell, key=key, records=folder / "records.parquet", gallery=self.pictures(folder, cell.level))

    def seen(self, cell: Cell, maps: Mapping[str, np.ndarray], p_true: float | None = None) -> Cell:
        """The cell with these further pictures of each image of its gallery."""
        gallery = {}
        for number, pictures in cell.gallery.items():
            paths = {name: pictures.decoded.with_name(f"{number}-{name}.png") for name in maps}
            for name, path in paths.items():
                Image.fromarray(maps[name]).save(path)
            gallery[number] = replace(pictures, maps=paths, original_p_true=p_true)
        return replace(cell, gallery=gallery)

    def plain(self, variant: str, level: int | None, share: float, **changes: Any) -> Cell:
        """A cell of 200 images of which this share is recognized, the same ones first."""
        return self.cell(self.frame(np.arange(200) < round(200 * share)), variant, level, **changes)

    def pictures(self, folder: Path, level: int | None, numbers: Iterable[int] = (0, 1)) -> dict[int, Pictures]:
        gallery = {}
        for number in numbers:
            rows, columns = np.mgrid[:SIDE, :SIDE]
            image = np.stack([rows * 16, columns * 16, (rows + columns) * (number + 1) * 4], -1).astype(np.uint8)
            steps = 256 if level is None else level
            few = (image[..., 0].astype(int) * steps // 256 * 255 // max(steps - 1, 1)).astype(np.uint8)
            decoded = image if level is None else np.stack([few, 255 - few, few // 2], -1)
            paths = folder / f"{number}-original.png", folder / f"{number}.png"
            Image.fromarray(image).save(paths[0])
            Image.fromarray(decoded).save(paths[1])
            gallery[number] = Pictures(*paths)
        return gallery

    def results(self, cells: Iterable[Cell], **changes: Any) -> Results:
        spec = {
            "baseline": "median-cut",
            "recognized": 0.9,
            "datasets": [{"name": "toys"}],
            "classifiers": [{"name": "tinynet"}],
            "methods": [{"name": "median-cut"}],
            "seeds": [0],
            "precision": "fp32",
        }
        spec |= changes.pop("spec", {})
        base = Results(name="small run", spec=spec, cells=tuple(cells), classes={"toys": ("cat", "dog", "cow")})
        return replace(base, **changes)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "store")


@pytest.fixture(scope="session")
def benches() -> type[Bench]:
    """For a run that several tests share."""
    return Bench


@pytest.fixture
def right() -> Callable[..., np.ndarray]:
    """Coin flips: ``right(n, share, seed)`` is 1 where a classifier was right."""

    def flips(n: int, share: float, seed: int) -> np.ndarray:
        return (np.random.default_rng(seed).random(n) < share).astype(np.int64)

    return flips


@pytest.fixture(scope="session")
def unpacked() -> Callable[[str], tuple[str, str]]:
    """The files that a figure of the page holds: with text, and with outlines of its letters."""

    def files(svg: str) -> tuple[str, str]:
        (held,) = re.findall('<metadata data-svg="(.*?)" data-outlined="(.*?)">', svg)
        plain, outlined = (gzip.decompress(base64.b64decode(packed)).decode() for packed in held)
        return plain, outlined

    return files


def searched(trials: Iterable[Trial], **changes: Any) -> SearchResult:
    """A search over gamma, xi and backbone; best is the first finished trial with the highest accuracy."""
    found = tuple(trials)
    finished = [trial for trial in found if trial.status == "finished" and trial.accuracy is not None]
    best = max(finished, key=lambda trial: (trial.accuracy or 0.0, -trial.number), default=None)
    base = SearchResult(
        dataset="toys",
        classifier="tinynet",
        variant="net",
        level=8,
        space={
            "gamma": {"loguniform": [0.01, 100.0]},
            "xi": {"uniform": [0.0, 2.0]},
            "backbone": {"choice": ["unet", "dncnn"]},
        },
        start={"gamma": 1.0, "xi": 1.0, "backbone": "unet"},
        algorithm="optuna",
        scheduler="asha",
        seed=0,
        train=340,
        validation=60,
        classifier_accuracy=0.95,
        cpus=2.0,
        gpus=0.0,
        cycle=2,
        device="cpu",
        trials=found,
        best=best.number if best else None,
        published=("gamma", "xi"),
    )
    return replace(base, **changes)


def trial(number: int, accuracy: float | None, chosen: Mapping[str, Any] | None = None, **changes: Any) -> Trial:
    """A trial of four epochs whose accuracy rises to the given one, in a quarter of an hour."""
    epochs = changes.get("epochs", 4 if accuracy is not None else 0)
    rising = [] if accuracy is None else [accuracy * (1 - 0.5 ** (e + 1)) for e in range(epochs - 1)] + [accuracy]
    base = Trial(
        number=number,
        chosen={"gamma": 1.0, "xi": 1.0, "backbone": "unet"} | dict(chosen or {}),
        status="finished" if accuracy is not None else "failed",
        accuracy=accuracy,
        epochs=epochs,
        of=4,
        seconds=900.0,
        history=tuple({"loss": 1.0, "seconds": 1.0, "validation_accuracy": value} for value in rising),
    )
    return replace(base, **changes)


def drawn_trials(count: int, seed: int = 0) -> list[Trial]:
    """Trials as a search draws them, of every status; trial 0 is the start."""
    draw = np.random.default_rng(seed)
    trials = [trial(0, 0.5)]
    for number in range(1, count):
        gamma, xi = float(f"{10 ** draw.uniform(-2, 2):.4g}"), float(f"{draw.uniform(0, 2):.4g}")
        chosen = {"gamma": gamma, "xi": xi, "backbone": ("unet", "dncnn")[number % 2]}
        accuracy: float | None = 0.6 - 0.05 * np.log10(gamma) ** 2 - 0.1 * (xi - 0.5) ** 2 - 0.05 * (number % 2)
        status = ("finished", "stopped", "stopped", "failed", "unfinished")[number % 5]
        if status == "failed" and number % 10 == 3:
            trials.append(trial(number, None, chosen, error="RuntimeError: the loss is not finite"))
            continue
        epochs = {"finished": 4, "stopped": 2}.get(status, 3)
        error = "RuntimeError: lost" if status == "failed" else ""
        trials.append(trial(number, accuracy, chosen, status=status, epochs=epochs, error=error))
    return trials


class Searches:
    """Makes searches and their trials."""

    of = staticmethod(searched)
    trial = staticmethod(trial)
    drawn = staticmethod(drawn_trials)


@pytest.fixture
def searches() -> type[Searches]:
    return Searches
