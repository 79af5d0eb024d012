"""The public face of fewcolors: ``import fewcolors as fc`` is all that users and plugins import.

    run = fc.run("spec.yaml", plugins=[MyQuantizer], methods=["my-quantizer"])
    run.cells, run.significance, run.records     # DataFrames
    fc.quantize(images, "median-cut", 4)         # arrays

Decorators and contracts are here at once; all else loads what it needs (torch, Ray, pandas) when first used.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import __version__
from harness.contracts import (
    CIFAR10_NORMALIZATION,
    IMAGENET_NORMALIZATION,
    VALIDATION_ACCURACY,
    Augmentation,
    BadInput,
    Cell,
    ClaimRow,
    ContractError,
    DatasetArrays,
    DatasetHooks,
    Images,
    Lesson,
    MethodHooks,
    Needs,
    Normalization,
    Palettized,
    PluginHooks,
    Results,
    RunView,
    Split,
    Verdict,
    say_how_far,
)
from harness.registry import claim, classifier, codec, dataset, metric, quantizer, report

if TYPE_CHECKING:
    from harness import encoding, learning
    from harness.contracts import Quantizer
    from harness.interactive.arrays import Coded, encode, load_exported
    from harness.interactive.given import PluginLike, SpecLike
    from harness.interactive.loaded import CellImages, Run, Tables
    from harness.interactive.planned import RunPlan
    from tasks.training import PaperRecipe

MODULES = {
    "encoding": "harness.encoding",
    "learning": "harness.learning",
    "PaperRecipe": "tasks.training",
    "CellImages": "harness.interactive.loaded",
    "Coded": "harness.interactive.arrays",
    "encode": "harness.interactive.arrays",
    "load_exported": "harness.interactive.arrays",
    "Run": "harness.interactive.loaded",
    "RunPlan": "harness.interactive.planned",
}
"""What loads when first used, and the module it is or stands in; a plugin that uses it has that source in its keys."""

# fmt: off
__all__ = [
    "CIFAR10_NORMALIZATION", "IMAGENET_NORMALIZATION", "VALIDATION_ACCURACY", "Augmentation", "BadInput", "Cell",
    "CellImages", "ClaimRow", "Coded", "ContractError", "DatasetArrays", "DatasetHooks", "Images", "Lesson",
    "MethodHooks", "Needs", "Normalization", "Palettized", "PaperRecipe", "PluginHooks", "Results", "Run", "RunPlan",
    "RunView", "Split", "Verdict", "__version__", "claim", "classifier", "codec", "dataset", "encode", "encoding",
    "learning", "load", "load_exported", "metric", "plan", "quantize", "quantizer", "report", "run",
    "say_how_far",
]
# fmt: on


def plan(
    spec: SpecLike,
    *,
    store: str | os.PathLike[str] | None = None,
    plugins: PluginLike | Sequence[PluginLike] = (),
    datasets: Sequence[str] = (),
    classifiers: Sequence[str] = (),
    methods: Sequence[str] = (),
    seeds: Sequence[int] = (),
    colors: int | Sequence[int] = (),
    baseline: str | None = None,
    scale: str | None = None,
) -> RunPlan:
    """Looks at what a spec asks for and what of it is stored already; runs nothing.

    Args:
        spec: The path of a spec file, the name of an example, or a spec's content as a mapping.
        store: Where artifacts are kept, a folder or a URI; ``FEWCOLORS_STORE``, else ``store`` in the current folder.
        plugins: What is not installed: ``file.py``, ``package.module``, or classes with their decorators.
        datasets: Instead of the spec's, such as ``"stripes"`` or ``"image-folder root=photos side=32"``.
        classifiers: Instead of the spec's, likewise.
        methods: Besides the spec's, likewise.
        seeds: Instead of the spec's.
        colors: Instead of the spec's, where a method has none of its own.
        baseline: Instead of the spec's, a variant by its name in tables.
        scale: ``"small"`` for narrower networks, fewer images and fewer epochs.

    Returns:
        The plan; ``.jobs`` and ``.cells`` are DataFrames.

    Raises:
        BadInput: The spec or a plugin cannot be used; the message says what would be right.
    """
    from harness.interactive.planned import plan_spec

    return plan_spec(spec, store, plugins, datasets, classifiers, methods, seeds, colors, baseline, scale)


def run(
    spec: SpecLike,
    *,
    out: str | os.PathLike[str] | None = None,
    store: str | os.PathLike[str] | None = None,
    plugins: PluginLike | Sequence[PluginLike] = (),
    datasets: Sequence[str] = (),
    classifiers: Sequence[str] = (),
    methods: Sequence[str] = (),
    seeds: Sequence[int] = (),
    colors: int | Sequence[int] = (),
    baseline: str | None = None,
    scale: str | None = None,
    address: str | None = None,
    cpus: int | None = None,
    gpus: int | None = None,
    progress: bool = True,
) -> Run:
    """Runs a spec on Ray: whatever is not stored yet, then its reports.

    A cell that fails costs nothing else and raises nothing: it stands in ``.cells`` and its cause in ``.failures``.

    Args:
        spec: The path of a spec file, the name of an example, or a spec's content as a mapping.
        out: The run's folder; ``runs/<name of the spec>`` if left out.
        store: Where artifacts are kept, a folder or a URI; ``FEWCOLORS_STORE``, else ``store`` in the current folder.
        plugins: What is not installed: ``file.py``, ``package.module``, or classes with their decorators.
        datasets: Instead of the spec's, such as ``"stripes"`` or ``"image-folder root=photos side=32"``.
        classifiers: Instead of the spec's, likewise.
        methods: Besides the spec's, likewise.
        seeds: Instead of the spec's.
        colors: Instead of the spec's, where a method has none of its own.
        baseline: Instead of the spec's, a variant by its name in tables.
        scale: ``"small"`` for narrower networks, fewer images and fewer epochs.
        address: A Ray cluster to join; else that of ``ray.init`` if this process has called it, else ``RAY_ADDRESS``,
            else one is started on this machine and stopped in the end.
        cpus: Of a cluster started here; all there are if left out.
        gpus: Likewise.
        progress: Whether to show how far it is: a table in a notebook and on a terminal, elsewhere lines.

    Returns:
        The run, as ``load`` gives it.

    Raises:
        BadInput: The spec, a plugin, the cluster or a folder cannot be used; nothing has run then.
        KeyboardInterrupt: It was stopped; what is finished is kept, and the same call goes on from there.
        ConnectionError: The cluster was lost, or Ray on this machine; what is finished is kept.
    """
    from harness.interactive.given import as_path
    from harness.interactive.loaded import load_run
    from harness.interactive.planned import plan_spec
    from harness.interactive.running import run_plan

    planned = plan_spec(spec, store, plugins, datasets, classifiers, methods, seeds, colors, baseline, scale)
    folder = Path("runs") / planned.name if out is None else as_path(out, "out")
    run_plan(planned, folder, address, cpus, gpus, progress)
    return load_run(folder, planned.request.store.name, _tables(), registry=planned.request.registry)


def load(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str] | None = None,
    plugins: PluginLike | Sequence[PluginLike] = (),
) -> Run:
    """Reads a run back.

    Args:
        folder: The run's, such as ``runs/quickstart``.
        store: Where the run's store is now, if it was moved or is at a URI.
        plugins: Those it was run with that are not installed; needed for the images of codecs and trained methods.

    Returns:
        The run; ``.cells``, ``.significance``, ``.records`` and ``.failures`` are DataFrames, ``.images(...)`` gives a
        cell's images as arrays.

    Raises:
        BadInput: There is no run in the folder, or its store is gone.
    """
    from harness.interactive.given import as_path, as_place
    from harness.interactive.loaded import load_run

    return load_run(as_path(folder, "folder"), None if store is None else as_place(store), _tables(), plugins)


def quantize(
    images: Images,
    method: str | type | Quantizer,
    colors: int,
    *,
    run: Run | str | os.PathLike[str] | None = None,
    plugins: PluginLike | Sequence[PluginLike] = (),
    **params: Any,
) -> Palettized:
    """Gives images few colors.

    Args:
        images: ``uint8 [N, H, W, 3]``, or a single image ``[H, W, 3]``, which is a batch of one.
        method: A quantizer that needs no training, by name or as a class with ``@fc.quantizer``; any that is ready,
            such as ``load_exported`` gives; or with ``run`` a variant by its name in the run's tables.
        colors: At most so many in each image, 2 to 256.
        run: A run that has trained the method, or its folder.
        plugins: What is not installed and ``method`` or ``run`` name.
        **params: The method's parameters; with ``run`` instead ``dataset``, ``classifier`` and ``seed`` choose among
            several trainings (of seeds the lowest, if left out).

    Returns:
        Index maps and palettes without unused and repeated colors; ``.render()`` gives ``uint8 [N, H, W, 3]``.

    Raises:
        BadInput: Images, method, colors or parameters cannot be used.
        ContractError: The method returned what its contract does not allow.

    Examples:
        >>> images = np.zeros((1, 8, 8, 3), np.uint8)
        >>> fc.quantize(images, "median-cut", 4).colors()
        array([1])
    """
    from harness.interactive.arrays import quantize_arrays

    return quantize_arrays(images, method, colors, run, plugins, params)


def _tables() -> Tables:
    """The functions that write ``cells.csv`` and ``significance.csv``; each cell's records are read once."""
    from harness.interactive.loaded import Tables
    from reports.records import Records
    from reports.significance import significance_table
    from reports.tables import cells_table

    records = Records()
    return Tables(lambda results: cells_table(results, records), lambda results: significance_table(results, records))


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # for a type checker the names below are imported above, and others are errors

    def __getattr__(name: str) -> Any:
        if name not in MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = importlib.import_module(MODULES[name])
        return module if module.__name__.endswith(f".{name}") else getattr(module, name)
