"""A run read back for Python: its tables, its records and the images of its cells."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.complaints import did_you_mean, shown
from harness.contracts import BadInput, Cell, Images, Results
from harness.discovery import discover
from harness.interactive.given import PluginLike, python_words, read_plugins
from harness.registry import Registry
from harness.run.results import gather
from harness.trained.find import TrainedRun, open_run, ready_dataset
from harness.work.artifacts import open_decoded

if TYPE_CHECKING:
    import pandas as pd

CHOICE = {
    "dataset": "dataset",
    "classifier": "classifier",
    "judge": "judge",
    "variant": "label",
    "level": "level",
    "seed": "seed",
}
"""By what a cell is chosen among those of a run."""
_OF_RECORDS = ("dataset", "classifier", "method", "variant", "level_kind", "level", "seed", "fitted_on", "judge")
_SHOWN = ["dataset", "classifier", "variant", "level", "seed", "status", "accuracy", "accuracy_lo", "accuracy_hi"]
_SHOWN_TOO = ["colors_per_image", "bpp_file", "psnr"]


@dataclass(frozen=True)
class Tables:
    """What makes the tables of a run's results; reports, which the engine does not know, has them.

    Attributes:
        cells: Makes ``cells.csv``, one row a cell.
        significance: Makes ``significance.csv``, every variant against the baseline.
    """

    cells: Callable[[Results], pd.DataFrame]
    significance: Callable[[Results], pd.DataFrame]


@dataclass(frozen=True, eq=False)
class CellImages:
    """The test images of one cell; row n is the image n of the cell's records.

    Attributes:
        originals: ``uint8 [N, H, W, 3]``.
        decoded: ``uint8 [N, H, W, 3]``, the same images as the method left them and the classifier saw them.
        labels: ``int64 [N]``, the true classes.
        classes: Their names, in the order of the labels.
    """

    originals: Images
    decoded: Images
    labels: NDArray[np.int64]
    classes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run, as ``fc.run`` and ``fc.load`` give it. In a notebook it shows itself.

    Attributes:
        folder: Where it lies.
        results: All that reports are made of.
        tables: What makes ``cells`` and ``significance``.
        opened: The run's store, from which images and trained methods come.
    """

    folder: Path
    results: Results
    tables: Tables
    opened: TrainedRun

    @property
    def name(self) -> str:
        """What the run is called."""
        return self.results.name

    @property
    def spec(self) -> Mapping[str, Any]:
        """The spec as run, every default written out."""
        return self.results.spec

    @property
    def report(self) -> Path:
        """The page of its HTML report, which is written unless the spec asks for other reports."""
        return self.folder / "report" / "index.html"

    @functools.cached_property
    def cells(self) -> pd.DataFrame:
        """One row a cell, columns and rows as in ``cells.csv``. Accuracies are fractions."""
        return self.tables.cells(self.results)

    @functools.cached_property
    def significance(self) -> pd.DataFrame:
        """Every variant against the baseline, columns and rows as in ``significance.csv``."""
        return self.tables.significance(self.results)

    @functools.cached_property
    def records(self) -> pd.DataFrame:
        """One row an image in a cell, of all finished cells.

        Before the columns of ``records.parquet`` (image, group, label, predicted, correct, confidence, ...) stand
        those that tell cells apart: dataset, classifier, method, variant, level_kind, level, seed, fitted_on,
        judge.
        """
        import pandas as pd

        finished = {(cell.key, cell.dataset, cell.variant): cell for cell in self._finished()}
        places = self.cells[["key", "dataset", "variant"]].itertuples(index=False, name=None)
        frames = [_named(finished[place]) for place in places if place in finished]
        if not frames:
            return pd.DataFrame(columns=[*_OF_RECORDS, "image"])
        names = [name for name in _OF_RECORDS if name not in ("level", "seed")]
        return pd.concat(frames, ignore_index=True).astype(dict.fromkeys(names, "category"))

    @property
    def failures(self) -> pd.DataFrame:
        """One row a job that failed: job, message, traceback, cells (how many it cost), key."""
        import pandas as pd

        columns = ["job", "message", "traceback", "cells", "key"]
        return pd.DataFrame([[getattr(f, c) for c in columns] for f in self.results.failures], columns=columns)

    def records_of(
        self,
        cell: pd.Series | Mapping[str, Any] | None = None,
        *,
        dataset: str | None = None,
        classifier: str | None = None,
        judge: str | None = None,
        variant: str | None = None,
        level: int | None = None,
        seed: int | None = None,
    ) -> pd.DataFrame:
        """The records of one cell, one row a test image.

        Args:
            cell: A row of ``cells``; or leave it out and choose by name.
            dataset: Where the run has several: which one, as in ``cells``.
            classifier: Likewise.
            judge: Likewise: ``frozen`` or ``retrained``.
            variant: The method with its parameters, by its name in ``cells``; one that was trained through another
                classifier than the one that judges is called ``colorcnn fitted on resnet18``.
            level: The number of colors, or a codec's quality.
            seed: If left out, the lowest.

        Returns:
            The content of the cell's ``records.parquet``.

        Raises:
            BadInput: No cell fits, or several, or the one that fits did not finish.
        """
        return _records(self._chosen(cell, (dataset, classifier, judge, variant, level, seed)))

    def images(
        self,
        cell: pd.Series | Mapping[str, Any] | None = None,
        *,
        dataset: str | None = None,
        classifier: str | None = None,
        judge: str | None = None,
        variant: str | None = None,
        level: int | None = None,
        seed: int | None = None,
    ) -> CellImages:
        """The test images of one cell, before and after its method.

        Args:
            cell: A row of ``cells``; or leave it out and choose by name.
            dataset: Where the run has several: which one, as in ``cells``.
            classifier: Likewise.
            judge: Likewise: ``frozen`` or ``retrained``.
            variant: The method with its parameters, by its name in ``cells``; one that was trained through another
                classifier than the one that judges is called ``colorcnn fitted on resnet18``.
            level: The number of colors, or a codec's quality.
            seed: If left out, the lowest.

        Returns:
            Originals and decoded images, ``uint8 [N, H, W, 3]``, with labels and class names.

        Raises:
            BadInput: No cell fits, or several, or the one that fits did not finish.
        """
        chosen = self._chosen(cell, (dataset, classifier, judge, variant, level, seed))
        data = ready_dataset(self.opened, chosen)
        decoded = open_decoded(self.opened.store, self.opened.artifact("applied", chosen), self.opened.registry)
        return CellImages(
            np.array(data.test.images), decoded.take(range(len(data.test))), np.array(data.test.labels), data.classes
        )

    def _finished(self) -> list[Cell]:
        return [cell for cell in self.results.cells if cell.status == "ok"]

    def _chosen(self, row: pd.Series | Mapping[str, Any] | None, wanted: Sequence[object]) -> Cell:
        """The one finished cell that is meant. Raises BadInput that says what there is to choose from."""
        cells = list(self.results.cells)
        if row is not None:
            # Variants whose parameters become the same share a key.
            names = [name for name in ("dataset", "variant") if name in row]
            cells = [c for c in cells if c.key == row["key"] and all(getattr(c, name) == row[name] for name in names)]
            if not cells:
                raise BadInput(f"{self.folder}: this row is no cell of this run; take one of its cells.")
        for (name, attribute), value in zip(CHOICE.items(), wanted, strict=True):
            there = list(dict.fromkeys(getattr(cell, attribute) for cell in cells))
            if value is not None and value not in there:
                guess = did_you_mean(value, there) if isinstance(value, str) else ""
                raise BadInput(f"{name}={shown(value)}: {self.name} has no such cell{guess} (there: {_listed(there)}).")
            cells = [cell for cell in cells if value is None or getattr(cell, attribute) == value]
        for name, attribute in list(CHOICE.items())[:-1]:
            there = list(dict.fromkeys(getattr(cell, attribute) for cell in cells))
            if len(there) > 1:
                raise BadInput(
                    f"{name}: {len(cells)} cells of {self.name} fit, choose with {name}= ({_listed(there)})."
                )
        cell = min(cells, key=lambda cell: cell.seed)
        if cell.status != "ok":
            raise BadInput(f"{cell.label} on {cell.dataset}, {cell.judged_by}: {cell.status} ({cell.error}).")
        return cell

    def __repr__(self) -> str:
        return f"{self.name}: {len(self._finished())} of {len(self.results.cells)} cells ok, report {self.report}"

    def _repr_html_(self) -> str:
        shown_cells = self.cells[[*_SHOWN, *_SHOWN_TOO]].round(4)
        link = f'<a href="{escape(self.report.as_posix())}" target="_blank">report</a>'
        said = escape(repr(self).removesuffix(f"report {self.report}"))
        return f"<p>{said}{link}</p>{shown_cells.to_html(index=False, na_rep='', max_rows=40)}"


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))


def _records(cell: Cell) -> pd.DataFrame:
    """What was stored of each image in a finished cell."""
    import pandas as pd

    assert cell.records is not None
    return pd.read_parquet(cell.records)


def _named(cell: Cell) -> pd.DataFrame:
    """A cell's records, with the columns that tell it from the others before them."""
    import pandas as pd

    frame = _records(cell)
    names = pd.DataFrame({name: [getattr(cell, name)] * len(frame) for name in _OF_RECORDS})
    return pd.concat([names.astype({"level": "Int64"}), frame], axis=1)


def load_run(
    folder: Path,
    moved_to: str | Path | None,
    tables: Tables,
    plugins: PluginLike | Sequence[PluginLike] = (),
    registry: Registry | None = None,
) -> Run:
    """A run's folder with what lies in its store. Raises BadInput. registry: of the process that has just run it."""
    with python_words():
        known = discover(read_plugins(plugins)) if registry is None else registry
        return Run(folder, gather(folder, moved_to), tables, open_run(folder, moved_to, known))
