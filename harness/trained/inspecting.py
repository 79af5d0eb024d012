"""Any test images of a run, decoded, and what classifier and method see in them: ``fewcolors explain``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.complaints import did_you_mean, escaped, printable
from harness.contracts import BadInput, Cell, Results
from harness.naming import folder_names
from harness.trained.find import (
    Selection,
    TrainedRun,
    find_variant,
    narrowed,
    ready_classifier,
    ready_dataset,
    ready_method,
)
from harness.work.artifacts import open_decoded, read_about, read_names
from harness.work.explaining import CAM_ORIGINAL, explain_classifier, explain_method, read_pictures, write_pictures

PICTURES = "pictures"
_LISTED = 4
"""At most so many images of one name are listed in a message."""


def chosen_cells(run: TrainedRun, results: Results, variants: Sequence[str], selection: Selection) -> list[Cell]:
    """Finished cells of these variants (none: all), of the lowest seed finished on each task, unless one is stated.

    Raises BadInput where there are none.
    """
    wanted = {cell.key for variant in variants for cell in find_variant(run, variant)}
    asked = {cell.key for cell in narrowed(run, run.cells, selection) if not variants or cell.key in wanted}
    finished = [cell for cell in results.cells if cell.status == "ok" and cell.key in asked]
    lowest: dict[tuple[str, ...], int] = {}
    for cell in finished:
        lowest[cell.task] = min(cell.seed, lowest.get(cell.task, cell.seed))
    left = [cell for cell in finished if cell.seed == lowest[cell.task]]
    if not left:
        raise BadInput(f"{run.folder}: none of the chosen cells is finished; fewcolors status {run.folder} says why.")
    return left


def chosen_images(run: TrainedRun, cells: Sequence[Cell], asked: Sequence[str]) -> dict[str, list[int]]:
    """The numbers of the test images that are meant, by dataset. asked: numbers, or names of image files.

    Raises BadInput for an image that a dataset of these cells does not have, and for a plugin that is not known.
    """
    for cell in cells:
        run.check_plugins(cell)
    found = {}
    for cell in {cell.dataset: cell for cell in cells}.values():
        key = run.artifact("datasets", cell)
        names, count = read_names(run.store, key), read_about(run.store, "datasets", key)["test"]
        found[cell.dataset] = sorted({_number(image, names, count, cell.dataset) for image in asked})
    return found


def _number(asked: str, names: Sequence[str], count: int, dataset: str) -> int:
    """The image of this number, or with this name: all of it, its end, or a longer path that ends in it."""
    wanted, where = escaped(asked), f"--image {printable(asked)}"
    fitting = [number for number, name in enumerate(names) if f"/{name}".endswith(f"/{wanted}")]
    fitting = fitting or [number for number, name in enumerate(names) if wanted.endswith(f"/{name}")]
    if len(fitting) > 1:
        several = ", ".join(names[number] for number in fitting[:_LISTED]) + ", ..." * (len(fitting) > _LISTED)
        raise BadInput(
            f"{where}: {dataset} has {len(fitting)} test images of this name ({several}); give more of the path."
        )
    if fitting:
        return fitting[0]
    if re.fullmatch(r"-?[0-9]+", asked):
        if 0 <= int(asked) < count:
            return int(asked)
        raise BadInput(f"{where}: the test images of {dataset} are numbered 0 to {count - 1}.")
    if not names:
        raise BadInput(f"{where}: the test images of {dataset} have no names, only numbers, 0 to {count - 1}.")
    guess = did_you_mean(wanted, names if "/" in wanted else [name.rpartition("/")[2] for name in names])
    raise BadInput(f"{where}: {dataset} has no test image of this name{guess or '.'}")


def explain_cells(
    run: TrainedRun,
    results: Results,
    cells: Sequence[Cell],
    images: Mapping[str, list[int]],
    folder: Path,
    device: str,
    say: Callable[[str], None] = lambda _sentence: None,
) -> Results:
    """The results of just these cells, with pictures of just these test images, which are written below ``folder``.

    images: by dataset, as ``chosen_images`` gives them. say: hears of each cell, and once of a classifier without class
    activation maps.
    """
    names = folder_names(f"{c.dataset} {c.judged_by} seed {c.seed} {c.variant}{_at(c)}" for c in cells)
    shown, unmapped = [], set[str]()
    for cell, name in zip(cells, names, strict=True):
        say(f"{cell.dataset}, {cell.judged_by}, seed {cell.seed}: {cell.variant}{_at(cell)}")
        shown.append(_explain_cell(run, cell, images[cell.dataset], folder / PICTURES / name, device))
        if not any(CAM_ORIGINAL in pictures.maps for pictures in shown[-1].gallery.values()):
            unmapped.add(cell.judged_by)
    for classifier in sorted(unmapped):
        say(
            f"{classifier}: there are no class activation maps; they need a network whose last layer, a linear one, is "
            "given the mean of its last feature maps."
        )
    return replace(results, cells=tuple(shown), failures=())


def _explain_cell(run: TrainedRun, cell: Cell, numbers: list[int], folder: Path, device: str) -> Cell:
    data = ready_dataset(run, cell)
    decoded = open_decoded(run.store, run.artifact("applied", cell), run.registry).take(numbers)
    originals = np.array(data.test.images[numbers])
    network = ready_classifier(run, cell, len(data.classes), device)
    seen, p_true = explain_classifier(network, data.test, numbers, decoded, data.normalization, device)
    own = explain_method(ready_method(run, cell, device), originals, cell.level)
    write_pictures(folder, numbers, originals, decoded, seen | own)
    found = read_pictures(folder, p_true)
    return replace(cell, gallery={number: found[number] for number in numbers})


def _at(cell: Cell) -> str:
    if cell.level is None:
        return ""
    return f" at {cell.level} colors" if cell.level_kind == "colors" else f" at quality {cell.level}"
