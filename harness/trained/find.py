"""What a run trained: found by its names in the run's plan, read back from its store, ready to be used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.complaints import did_you_mean, one_line, printable
from harness.contracts import BadInput, DatasetArrays, PlannedCell
from harness.environment import set_torch_up
from harness.registry import Plugin, Registry
from harness.run.results import read_plan, store_of
from harness.spec.schema import Stage
from harness.work.artifacts import STATE, load_classifier, load_dataset
from harness.work.store import DamagedArtifact, Store

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Selection:
    """How one of several is chosen: short names as in tables; None: the only one there is, or of seeds the lowest."""

    dataset: str | None = None
    classifier: str | None = None
    seed: int | None = None


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A run's plan with its store. jobs: by key, as in ``plan.json``."""

    folder: Path
    cells: tuple[PlannedCell, ...]
    jobs: Mapping[str, Mapping[str, Any]]
    recipes: Sequence[Mapping[str, Any]]
    store: Store
    registry: Registry

    def plugin(self, cell: PlannedCell) -> Plugin:
        """The cell's method. Raises BadInput where no such plugin is known."""
        return self.registry.get("method", cell.method, self.where)

    @property
    def where(self) -> str:
        return f"{self.folder} (was it run with a --plugin?)"

    def key(self, stage: Stage, key: str) -> str | None:
        """The artifact of ``stage`` that the one under ``key`` was made from, or itself; None if there is none."""
        job = self.jobs[key]
        if job["stage"] == stage:
            return key
        found = (self.key(stage, parent) for _, parent in job["inputs"].values())
        return next((parent for parent in found if parent is not None), None)

    def check_plugins(self, cell: PlannedCell) -> None:
        """Raises BadInput where a cell's method or classifier is not known."""
        self.plugin(cell)
        key = self.key("classifiers", cell.key)
        assert key is not None
        self.registry.get("classifier", self.jobs[key]["plugin"], self.where)

    def artifact(self, stage: Stage, cell: PlannedCell) -> str:
        """The key of an artifact a cell was made from. Raises BadInput if it is not in the store, whole."""
        key = self.key(stage, cell.key)
        assert key is not None
        job = self.jobs[key]
        try:
            if self.store.verify(stage, key):
                return key
        except DamagedArtifact as error:
            raise BadInput(f"{self.store}: {error}; run the spec again to repair it.") from None
        raise BadInput(
            f"{self.folder}: {job['name']!r} ({stage}) is not in {self.store}; "
            "it failed or has not been run yet, run the spec again."
        )


def open_run(folder: Path, moved_to: str | Path | None, registry: Registry) -> TrainedRun:
    """A run's folder and the store it left its artifacts in. Raises BadInput."""
    content = read_plan(folder)
    return TrainedRun(
        folder=folder,
        cells=tuple(PlannedCell(**cell) for cell in content["cells"]),
        jobs={job["key"]: job for job in content["jobs"]},
        recipes=content["recipes"],
        store=store_of(content, moved_to),
        registry=registry,
    )


def find_variant(run: TrainedRun, variant: str) -> list[PlannedCell]:
    """All cells of a variant, by its name in tables. Raises BadInput that lists the run's variants if there is none."""
    found = [cell for cell in run.cells if cell.label == variant]
    if found:
        return found
    known = _distinct(cell.label for cell in run.cells)
    raise BadInput(
        f"--method {variant}: {run.folder} has no such variant{did_you_mean(variant, known)} (it has: "
        f"{', '.join(known)})."
    )


def find_trained(run: TrainedRun, variant: str, level: int, selection: Selection) -> PlannedCell:
    """The one cell of a learned variant that is meant. Raises BadInput that lists what there is to choose from."""
    cells = find_variant(run, variant)
    cells = narrowed(run, cells, selection)
    for name in ("dataset", "classifier"):
        several = _distinct(getattr(cell, name) for cell in cells)
        if len(several) > 1:
            raise BadInput(
                f"--method {variant}: {run.folder} trained it for more than one {name}; "
                f"choose with --{name} ({', '.join(several)})."
            )
    levels = _distinct(cell.level for cell in cells)
    if level not in levels:
        raise BadInput(f"--colors {level}: {variant!r} was trained for {_listed(levels)} colors in {run.folder}.")
    return min((cell for cell in cells if cell.level == level), key=lambda cell: cell.seed)


def narrowed(run: TrainedRun, cells: Sequence[PlannedCell], selection: Selection) -> list[PlannedCell]:
    """The cells of a dataset, a classifier, a seed, as far as they are stated. Raises BadInput where none is left."""
    left = list(cells)
    for name in ("dataset", "classifier", "seed"):
        wanted = getattr(selection, name)
        there = _distinct(getattr(cell, name) for cell in left)
        if wanted is not None and wanted not in there:
            raise BadInput(
                f"--{name} {wanted}: {run.folder} does not have it with the other choices (it has: {_listed(there)})."
            )
        left = [cell for cell in left if wanted is None or getattr(cell, name) == wanted]
    return left


def ready_method(run: TrainedRun, cell: PlannedCell, device: str) -> Any:
    """A cell's method with its parameters and, where it learns, with what it learned. Raises BadInput."""
    plugin = run.plugin(cell)
    method = plugin.make(cell.params, f"{run.folder}: {cell.variant}")
    if plugin.learns:
        load_state(method, run.store.path("quantizers", run.artifact("quantizers", cell)) / STATE, device)
    return method


def load_state(method: Any, path: Path, device: str) -> None:
    """Hands a learned method a stored state. Raises BadInput where the method's code does not take it."""
    from safetensors.torch import load_file

    try:
        method.load(load_file(path), device)
    except Exception as error:
        reason = printable(str(error)).removesuffix(".") if isinstance(error, BadInput) else one_line(error)
        raise BadInput(
            f"{path}: the current code of the method cannot load it ({reason}); run the spec again."
        ) from error


def ready_dataset(run: TrainedRun, cell: PlannedCell) -> DatasetArrays:
    """The arrays of a cell's dataset, memory-mapped. Raises BadInput."""
    key = run.artifact("datasets", cell)
    try:
        return load_dataset(run.store, key)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"{run.store.path('datasets', key)}: cannot be read ({one_line(error)}); run the spec again."
        ) from None


def ready_classifier(run: TrainedRun, cell: PlannedCell, classes: int, device: str) -> torch.nn.Module:
    """The frozen network that judged a cell. Raises BadInput."""
    return load_classifier(run.store, run.artifact("classifiers", cell), run.registry, classes, device)


def exact_device() -> str:
    """``cuda`` where there is one, else ``cpu``; with fp32 that is fp32, as the jobs of a run have it."""
    import torch

    set_torch_up()
    return "cuda" if torch.cuda.is_available() else "cpu"


def _distinct(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values)) or "nothing"
