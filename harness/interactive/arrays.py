"""Methods applied to arrays: quantizers give ``Palettized``, codecs give files and what a decoder shows of them."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.complaints import shown
from harness.contracts import BadInput, Codec, Images, Level, Palettized
from harness.discovery import discover
from harness.interactive.given import PluginLike, as_path, python_words, read_plugins
from harness.registry import Mark, Plugin, mark_of
from harness.work.applying import reduce_images

if TYPE_CHECKING:
    from harness.interactive.loaded import Run

_OF_A_RUN = ("dataset", "classifier", "seed")


@dataclass(frozen=True, eq=False)
class Coded:
    """Images that a codec has encoded.

    Attributes:
        files: The content of each image's file.
        images: As decoded from them, ``uint8 [N, H, W, 3]``.
    """

    files: list[bytes]
    images: Images


def quantize_arrays(
    images: object,
    method: object,
    colors: object,
    run: Run | str | os.PathLike[str] | None,
    plugins: PluginLike | Sequence[PluginLike],
    params: Mapping[str, Any],
) -> Palettized:
    """Images through a quantizer. Raises BadInput; ContractError where the method breaks its contract."""
    batch = check_images(images)
    with python_words():
        ready, mark = _ready(method, colors, run, plugins, params)
        if mark.level_kind != "colors":
            raise BadInput(f"{mark.name!r} is a codec and has no number of colors; use fc.encode.")
        reduced = reduce_images(ready, batch, _level(mark, colors))
    assert reduced.indexed is not None
    return reduced.indexed


def encode(
    images: Images,
    codec: str | type | Codec,
    quality: int | None = None,
    *,
    plugins: PluginLike | Sequence[PluginLike] = (),
    **params: Any,
) -> Coded:
    """Gives images few bytes.

    Args:
        images: ``uint8 [N, H, W, 3]``, or a single image ``[H, W, 3]``.
        codec: By name, such as ``"jpeg"``, as a class with ``@fc.codec``, or an instance of one.
        quality: In the codec's own terms; left out for one that has none, such as ``"png"``.
        plugins: What is not installed and ``codec`` names.
        **params: The codec's parameters.

    Returns:
        ``.files``, the bytes of each image's file, and ``.images``, ``uint8 [N, H, W, 3]``, decoded from them.

    Raises:
        BadInput: Images, codec, quality or parameters cannot be used.
        ContractError: The codec returned what its contract does not allow.
    """
    batch = check_images(images)
    with python_words():
        ready, mark = _ready(codec, quality, None, plugins, params)
        if mark.level_kind == "colors":
            raise BadInput(f"{mark.name!r} is a quantizer and has no quality; use fc.quantize.")
        reduced = reduce_images(ready, batch, _level(mark, quality))
    return Coded(list(reduced.files), reduced.decoded)


def load_exported(
    card: str | os.PathLike[str], plugins: PluginLike | Sequence[PluginLike] = (), device: str = "cpu"
) -> Any:
    """Loads the trained method that ``fewcolors export`` wrote.

    Args:
        card: The JSON file of the export; the weights lie beside it.
        plugins: Its method, where that is not installed.
        device: Where it works, such as ``"cuda"``.

    Returns:
        The method, for ``quantize`` or its own ``palettize(images, colors)``.

    Raises:
        BadInput: The card or the weights cannot be read or do not belong together.
    """
    from harness.trained.exporting import read_exported

    with python_words():
        return read_exported(as_path(card, "card"), discover(read_plugins(plugins)), device)


def check_images(images: object) -> Images:
    """A batch ``uint8 [N, H, W, 3]``; a single image becomes a batch of one. Raises BadInput."""
    if not isinstance(images, np.ndarray):
        raise BadInput(
            f"images: a numpy array uint8 [N, H, W, 3] is needed, got {type(images).__name__}; "
            "np.stack makes one of a list of arrays, np.asarray(image.convert('RGB')) of a Pillow image."
        )
    got = f"{images.dtype} {list(images.shape)}"
    if images.dtype != np.uint8:
        hint = "(images * 255).round().astype(np.uint8) makes them of 0..1" if images.dtype.kind == "f" else ""
        hint = hint or "images.astype(np.uint8) makes them of whole numbers from 0 to 255"
        raise BadInput(f"images: they are {got}, uint8 from 0 to 255 is needed; {hint}.")
    if images.ndim not in (3, 4) or images.shape[-1] != 3:
        hint = "the last axis is red, green, blue"
        if images.ndim in (3, 4) and images.shape[-3] == 3:
            hint = "channels come last, np.moveaxis(images, -3, -1) puts them there"
        elif images.ndim in (3, 4) and images.shape[-1] == 4:
            hint = "images[..., :3] leaves transparency out"
        elif images.ndim == 4 and images.shape[-1] == 1:
            hint = "np.repeat(images, 3, axis=-1) gives gray images all three channels"
        elif images.ndim in (2, 3):
            hint = "np.repeat(images[..., None], 3, axis=-1) gives gray images all three channels"
        raise BadInput(f"images: they are {got}, uint8 [N, H, W, 3] or a single [H, W, 3] is needed; {hint}.")
    if not images.size:
        raise BadInput(f"images: they are {got}, there is no pixel in them.")
    return images if images.ndim == 4 else images[None]


def _level(mark: Mark, stated: object) -> Level:
    """Raises BadInput where it is missing, no number or out of range."""
    if mark.levels is None:
        if stated is not None:
            raise BadInput(f"quality={shown(stated)}: {mark.name!r} has no quality, leave it out.")
        return None
    low, high = mark.levels
    if isinstance(stated, bool) or not isinstance(stated, int | np.integer) or not low <= stated <= high:
        got = "it is missing" if stated is None else f"got {shown(stated)}"
        raise BadInput(f"{mark.level_kind}: {mark.name!r} needs a whole number from {low} to {high}, {got}.")
    return int(stated)


def _ready(
    method: object,
    level: object,
    run: Run | str | os.PathLike[str] | None,
    plugins: PluginLike | Sequence[PluginLike],
    params: Mapping[str, Any],
) -> tuple[Any, Mark]:
    """A method that can be applied, by its name, its class, itself, or as a run trained it."""
    if run is not None:
        return _of_run(method, level, run, plugins, params)
    if isinstance(method, str):
        plugin = discover(read_plugins(plugins)).get("method", method, "method")
    else:
        cls = method if inspect.isclass(method) else type(method)
        mark = mark_of(cls)
        if mark is None or mark.kind != "method":
            raise BadInput(
                f"method: {shown(method)} is none; it should be the name of a method, or a class with @fc.quantizer or "
                "@fc.codec."
            )
        plugin = Plugin(mark, cls, "handed over")
        if not inspect.isclass(method):
            if params:
                raise BadInput(f"{next(iter(params))}: this {plugin.name!r} has its parameters already, leave it out.")
            return method, mark
    if plugin.learns:
        raise BadInput(f"method: {plugin.name!r} has to be trained; name with run= a run that did.")
    instance = plugin.make(params, "params")
    instance.check()
    return instance, plugin.mark


def _of_run(
    variant: object,
    level: object,
    run: Run | str | os.PathLike[str],
    plugins: PluginLike | Sequence[PluginLike],
    params: Mapping[str, Any],
) -> tuple[Any, Mark]:
    from harness.trained.find import (
        Selection,
        TrainedRun,
        exact_device,
        find_trained,
        find_variant,
        narrowed,
        open_run,
        ready_method,
    )

    if not isinstance(variant, str):
        raise BadInput(f"method: with run= it is the name of a variant in the run's tables, got {shown(variant)}.")
    for name in params:
        if name not in _OF_A_RUN:
            raise BadInput(
                f"{name}: with run= the parameters are those of the variant; dataset, classifier and seed choose "
                "among several trainings."
            )
    opened = getattr(run, "opened", None)
    if not isinstance(opened, TrainedRun):
        opened = open_run(as_path(run, "run"), None, discover(read_plugins(plugins)))
    cell, selection = find_variant(opened, variant)[0], Selection(**params)
    plugin = opened.plugin(cell)
    if not plugin.learns:
        cell = narrowed(opened, find_variant(opened, variant), selection)[0]
        return ready_method(opened, cell, "cpu"), plugin.mark
    stated = _level(plugin.mark, level)
    assert stated is not None
    return ready_method(opened, find_trained(opened, variant, stated, selection), exact_device()), plugin.mark
