"""Using methods and what runs trained: ``quantize``, ``export`` and ``explain``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import MovedStore, Plugins, app, console
from harness.contracts import BadInput, Level

if TYPE_CHECKING:
    from rich.console import Console

    from harness.registry import Plugin, Registry
    from harness.trained.find import Selection
    from harness.trained.photos import Photo
    from harness.trained.reducing import FilePair, ImageResult, Reducer

_COMPARED_IMAGES = 256

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.", show_default=False)]
Variant = Annotated[str, typer.Option("--method", help="A variant, by its name in the run's tables.")]
TheDataset = Annotated[str | None, typer.Option("--dataset", help="Which of the run's datasets.", show_default=False)]
TheClassifier = Annotated[
    str | None, typer.Option("--classifier", help="Which of the run's classifiers.", show_default=False)
]
Seed = Annotated[int | None, typer.Option("--seed", help="Which of the run's seeds.", show_default="the lowest")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist already.")]


@app.command()
def quantize(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE_OR_FOLDER", help="Image files, or folders of them.")],
    method: Annotated[str, typer.Option("--method", help="A method, or, with --run, a variant by its name in tables.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write, or the folder for several images.")],
    colors: Annotated[int | None, typer.Option(help="How many colors each image may have.", show_default=False)] = None,
    quality: Annotated[int | None, typer.Option(help="The quality, for a codec.", show_default=False)] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="The run that trained the method.", show_default=False)
    ] = None,
    dataset: TheDataset = None,
    classifier: TheClassifier = None,
    seed: Seed = None,
    param: Annotated[
        list[str], typer.Option("--param", help="Without --run: a parameter as name=value (YAML).", show_default=False)
    ] = [],
    overwrite: Overwrite = False,
    store: MovedStore = None,
    plugin: Plugins = [],
) -> None:
    """Reduces the colors of image files: writes an indexed PNG, or a codec's own format."""
    from harness.discovery import discover
    from harness.sources import read_source
    from harness.trained.find import Selection
    from harness.trained.reducing import pair_files

    registry = discover([read_source(name) for name in plugin])
    selection = Selection(dataset, classifier, seed)
    if run is None:
        if store is not None or selection != Selection():
            raise BadInput("--dataset, --classifier, --seed and --store choose what a run trained; --run is missing.")
        reducer = _untrained_reducer(registry, method, param, colors, quality)
    elif param:
        raise BadInput(f"--param {param[0]}: with --run, the parameters are those of the run's variant; leave it out.")
    else:
        reducer = _trained_reducer(run, store, registry, method, colors, quality, selection)
    todo = pair_files(images, out, reducer.suffix(), overwrite)
    failed = _reduce_all(console(), reducer, todo)
    if failed:
        raise typer.Exit(1)


def _untrained_reducer(
    registry: Registry, name: str, param: Sequence[str], colors: int | None, quality: int | None
) -> Reducer:
    from harness.spec.file import read_param
    from harness.trained.reducing import Reducer

    plugin = registry.get("method", name, "--method")
    if plugin.learns:
        raise BadInput(
            f"--method {name}: it has to be trained; name a run that trained it (fewcolors run) with --run FOLDER."
        )
    level = _level(plugin, colors, quality)
    instance = plugin.make(dict(read_param(text) for text in param), "--param")
    instance.check()
    return Reducer(name, instance, level)


def _trained_reducer(
    run: Path,
    store: str | None,
    registry: Registry,
    variant: str,
    colors: int | None,
    quality: int | None,
    selection: Selection,
) -> Reducer:
    from harness.trained.find import exact_device, find_trained, find_variant, narrowed, open_run, ready_method
    from harness.trained.reducing import Reducer

    opened = open_run(run, store, registry)
    cell = find_variant(opened, variant)[0]
    level = _level(opened.plugin(cell), colors, quality)
    device = "cpu"
    if opened.plugin(cell).learns:
        assert level is not None
        cell, device = find_trained(opened, variant, level, selection), exact_device()
    else:
        narrowed(opened, find_variant(opened, variant), selection)
    return Reducer(variant, ready_method(opened, cell, device), level)


def _level(plugin: Plugin, colors: int | None, quality: int | None) -> Level:
    """The method's level. Raises BadInput where it is missing, of the wrong kind or out of range."""
    kind, stated = plugin.mark.level_kind, {"colors": colors, "quality": quality}
    for name, value in stated.items():
        if value is not None and name != kind:
            rather = "leave it out" if kind == "none" else f"it takes --{kind}"
            raise BadInput(f"--{name} {value}: {plugin.name!r} has no {name}, {rather}.")
    if plugin.mark.levels is None:
        return None
    (low, high), level = plugin.mark.levels, stated[kind]
    if level is None:
        raise BadInput(f"--{kind} is missing: {plugin.name!r} needs one from {low} to {high}.")
    if not low <= level <= high:
        raise BadInput(f"--{kind} {level}: out of range, {plugin.name!r} takes {low} to {high}.")
    if lacking := plugin.lacks([level]):
        raise BadInput(f"--{kind}: {lacking}.")
    return level


def _reduce_all(screen: Console, reducer: Reducer, todo: Sequence[FilePair]) -> int:
    """One line an image, a bar on a terminal, and a summary of several; says how many failed."""
    from rich.progress import MofNCompleteColumn, Progress

    from harness.trained.reducing import reduce_photos

    def announce(photo: Photo, tiles: int) -> None:
        height, width = photo.size
        screen.print(f"{photo.path}: {width} x {height}, in {tiles} tiles ...", markup=False, highlight=False)

    done: list[ImageResult] = []
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        images = bar.add_task("images", total=len(todo))
        for outcome in reduce_photos(reducer, todo, announce):
            done.append(outcome)
            bar.advance(images)
            style = "red" if outcome.error else None
            screen.print(_in_words(outcome), style=style, markup=False, highlight=False, soft_wrap=True)
    if len(todo) > 1:
        screen.print(_summary(done), markup=False, highlight=False, soft_wrap=True)
    return sum(bool(outcome.error) for outcome in done)


def _in_words(outcome: ImageResult) -> str:
    if outcome.error:
        return outcome.error
    height, width = outcome.size
    tiles = (f"in {outcome.tiles} tiles",) if outcome.tiles > 1 else ()
    remarks = "; ".join((*tiles, *outcome.remarks))
    return (
        f"{outcome.pair.source} -> {outcome.pair.target}: {width} x {height}, {outcome.colors:,} colors, "
        f"{_rate(outcome.bytes_before, outcome.bytes_after, outcome.pixels)}" + (f" ({remarks})" if remarks else "")
    )


def _summary(done: Sequence[ImageResult]) -> str:
    fine = [outcome for outcome in done if not outcome.error]
    failed = len(done) - len(fine)
    totals = (sum(getattr(outcome, name) for outcome in fine) for name in ("bytes_before", "bytes_after", "pixels"))
    rate = f": {_rate(*totals)}" if fine else ""
    return f"{len(fine)} of {len(done)} images{rate}" + (f"; {failed} failed." if failed else ".")


def _rate(before: int, after: int, pixels: int) -> str:
    return f"{before:,} -> {after:,} bytes, {8 * after / pixels:.3f} bits/pixel"


@app.command()
def export(
    run: Run,
    method: Variant,
    colors: Annotated[int, typer.Option(help="The number of colors it was trained for.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write into.")],
    onnx: Annotated[bool, typer.Option("--onnx", help="Also write ONNX, and compare its results with ours.")] = False,
    dataset: TheDataset = None,
    classifier: TheClassifier = None,
    seed: Seed = None,
    overwrite: Overwrite = False,
    store: MovedStore = None,
    plugin: Plugins = [],
) -> None:
    """Exports a trained method from a run: safetensors with a card that describes it, and ONNX."""
    from harness.contracts import ContractError
    from harness.discovery import discover
    from harness.sources import read_source
    from harness.trained.exporting import card_of, export_name, write_export
    from harness.trained.find import Selection, find_trained, find_variant, open_run, ready_dataset, ready_method
    from harness.trained.onnx import check_packages, export_onnx
    from harness.trained.photos import make_folder
    from harness.writing import write_whole

    opened = open_run(run, store, discover([read_source(name) for name in plugin]))
    known = opened.plugin(find_variant(opened, method)[0])
    if not known.learns:
        raise BadInput(f"--method {method}: {known.name!r} learns nothing, there is nothing to export.")
    cell = find_trained(opened, method, colors, Selection(dataset, classifier, seed))
    if onnx:
        if not known.writes_onnx:
            raise BadInput(f"--onnx: {known.name!r} has no onnx_module(colors), it cannot be written as ONNX.")
        check_packages()
    name = export_name(cell)
    files = [out / f"{name}{suffix}" for suffix in (".safetensors", ".json", *([".onnx"] if onnx else []))]
    _refuse_to_overwrite(files, overwrite)
    make_folder(out, "--out")
    screen, card = console(), card_of(opened, cell, plugin)
    ready = ready_method(opened, cell, "cpu")
    broken = ""
    if onnx:
        images = ready_dataset(opened, cell).test.images[:_COMPARED_IMAGES]
        try:
            made = export_onnx(ready, colors, images)
        except ContractError as error:
            broken = f"{files[-1]} is not written: {error}."
            files[-1].unlink(missing_ok=True)
        else:
            write_whole(files[-1], made.content)
            card["onnx"] = made.card(files[-1].name)
    write_export(opened, cell, card, out)
    for path in files[:2]:
        screen.print(str(path), markup=False, highlight=False, soft_wrap=True)
    if broken:
        screen.print(broken, style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1)
    if onnx:
        screen.print(f"{files[-1]}: {made.in_words()}", markup=False, highlight=False, soft_wrap=True)


def _refuse_to_overwrite(files: Sequence[Path], overwrite: bool) -> None:
    for path in files:
        if path.exists() and not overwrite:
            raise BadInput(f"{path} exists already; --overwrite replaces it.")


@app.command()
def explain(
    run: Run,
    image: Annotated[
        list[str],
        typer.Option(
            "--image",
            help="A test image: its number, or its file's name. May be given several times.",
            show_default=False,
        ),
    ],
    method: Annotated[
        list[str],
        typer.Option(
            "--method", help="A variant, by its name in tables. May be given several times.", show_default="all"
        ),
    ] = [],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder to write into.", show_default="RUN/explain")
    ] = None,
    dataset: TheDataset = None,
    classifier: TheClassifier = None,
    seed: Seed = None,
    store: MovedStore = None,
    plugin: Plugins = [],
) -> None:
    """Shows what the network sees in any test images of a run: a page of pictures, and the pictures."""
    from harness.discovery import discover
    from harness.run.results import gather
    from harness.sources import read_source
    from harness.trained.find import Selection, exact_device, open_run
    from harness.trained.inspecting import chosen_cells, chosen_images, explain_cells
    from harness.trained.photos import make_folder

    registry = discover([read_source(name) for name in plugin])
    page = registry.get("report", "gallery", "explain").make({}, "explain")
    opened, folder = open_run(run, store, registry), out or run / "explain"
    damaged: list[str] = []
    results = gather(run, store, damaged.append)
    cells = chosen_cells(opened, results, method, Selection(dataset, classifier, seed))
    images = chosen_images(opened, cells, image)
    make_folder(folder, "--out")
    screen = console()

    def say(sentence: str) -> None:
        screen.print(sentence, markup=False, highlight=False, soft_wrap=True)

    for sentence in damaged:
        say(sentence)
    seen = explain_cells(opened, results, cells, images, folder, exact_device(), say)
    path = page.write(seen, folder)
    screen.print(f"Pictures: {path.resolve()}", style="bold", highlight=False, markup=False, soft_wrap=True)
    if damaged:
        raise typer.Exit(1)
