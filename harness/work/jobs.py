"""What each kind of job does, as plain functions without Ray: ``run_job(job, context)`` stores one artifact."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness import environment, full_disks
from harness.complaints import escaped
from harness.contracts import (
    ContractError,
    DamagedCheckpoint,
    DatasetArrays,
    EpochCallback,
    Images,
    Lesson,
    heard_how_far,
)
from harness.plan import Job, Retraining
from harness.registry import Kind, Registry
from harness.spec.schema import TRAINED, Stage
from harness.work.applying import apply_method, chunks, palettize_all, reduce_images
from harness.work.arrays import on_disk
from harness.work.artifacts import (
    GALLERY,
    NETWORK,
    STATE,
    load_classifier,
    load_dataset,
    open_decoded,
    read_about,
    read_state,
    stored_network,
    write_split,
)
from harness.work.explaining import explain_classifier, explain_method, write_pictures
from harness.work.judges import PREDICTED
from harness.work.process_state import put_back
from harness.work.retraining import retrain
from harness.work.store import ABOUT, HISTORY, Store, digest_of
from harness.work.subsets import balanced_rows, held_out_rows, whole_group_rows
from harness.writing import read_sealed, write_json, write_sealed

if TYPE_CHECKING:
    import torch

GALLERY_IMAGES = 8
"""How many fixed test images are kept as pictures."""
PIXELS_JUDGED = 1 << 19
"""At a time: a network's activations are many times as large as its images."""
EXPLAINED = "explained-"
PARTIAL_CHECKPOINTS = "training.safetensors.*"
"""What ``harness.learning`` writes before it moves it to its place."""
NOTE_SECONDS = 1.0
"""How often it is noted how far the making of a dataset is."""


@dataclass(frozen=True)
class Context:
    """Where a job runs. device: ``cpu`` or ``cuda``. on_epoch: hears of a training's epochs and may end it."""

    store: Store
    registry: Registry
    device: str = "cpu"
    on_epoch: EpochCallback | None = None


@put_back()
def run_job(job: Job, context: Context) -> None:
    """Does the job, stores its artifact and puts the process's state back.

    Raises whatever the plugin raises, and ContractError.
    """
    started = time.perf_counter()
    if job.stage in ("classifiers", "quantizers", "cells") or "quantizer" in job.inputs:
        environment.set_torch_up(_threads(job))
    made_from = _networks_of(job, context.store)
    try:
        with context.store.write(job.stage, job.key) as folder:
            more = _RUNNERS[job.stage](job, context, folder)
            seconds = time.perf_counter() - started + more.pop("earlier_seconds", 0.0)
            about = {"plugin": job.plugin, "params": job.params, "seconds": seconds, **more}
            about |= {"made_from": made_from, "versions": environment.versions()}
            if job.stage in TRAINED:
                about["network"] = digest_of(folder / (NETWORK if job.stage == "classifiers" else STATE))
            write_json(folder / ABOUT, about)
    finally:
        environment.give_memory_back()


def _networks_of(job: Job, store: Store) -> dict[str, str]:
    """The digests of what a job's inputs learned, by their roles; of one that an older version stored, none."""
    trained = {role: read_about(store, stage, key) for role, (stage, key) in job.inputs.items() if stage in TRAINED}
    return {role: about["network"] for role, about in trained.items() if "network" in about}


def _threads(job: Job) -> int:
    return max(1, int(job.needs.cpus or 1))


def _instance(kind: Kind, job: Job, context: Context) -> Any:
    return context.registry.get(kind, job.plugin, job.name).make(job.params, job.name)


def _prepare_dataset(job: Job, context: Context, folder: Path) -> dict[str, Any]:
    with _how_far_noted(context.store, job.key):
        arrays = _instance("dataset", job, context).load()
    if not isinstance(arrays, DatasetArrays):
        raise ContractError(f"load returned {type(arrays).__name__}, it must return DatasetArrays")
    arrays.check()
    if job.batch_size not in (None, arrays.batch_size):
        raise ContractError(f"load gave batch_size {arrays.batch_size}, known_batch_size() had said {job.batch_size}")
    train_of, test_of = len(arrays.train), len(arrays.test)
    if job.test_images is not None:
        tested = whole_group_rows(arrays.test.labels, arrays.test.groups, job.test_images)
        arrays = replace(arrays, test=arrays.test.take(tested))
    if job.train_images is not None:
        chosen = balanced_rows(arrays.train.labels, job.train_images)
        arrays = replace(arrays, train=arrays.train.take(chosen))
    if job.held_out is not None:
        kept, out = held_out_rows(arrays.train.labels, arrays.train.groups, *job.held_out)
        if not len(out):
            raise ContractError("no training image can be held out: every class comes from a single source")
        arrays = replace(arrays, train=arrays.train.take(kept), test=arrays.train.take(out))
    write_split(folder, "train", arrays.train)
    write_split(folder, "test", arrays.test)
    return {
        "classes": [escaped(name) for name in arrays.classes],
        "normalization": asdict(arrays.normalization),
        "augmentation": asdict(arrays.augmentation),
        "batch_size": arrays.batch_size,
        "held_out": job.held_out is not None,
        "train": len(arrays.train),
        "train_of": train_of,
        "test": len(arrays.test),
        "test_of": test_of,
        "side": arrays.test.images.shape[1:3],
    }


@contextlib.contextmanager
def _how_far_noted(store: Store, key: str) -> Iterator[None]:
    """Within it, what ``say_how_far`` says of a job stands where the history of a training does, now and then."""
    folder, noted = store.checkpoints(key), time.monotonic()

    def note(done: int, of: int) -> None:
        nonlocal noted
        if time.monotonic() - noted < NOTE_SECONDS:
            return
        noted = time.monotonic()
        with contextlib.suppress(OSError):  # it is only looked at
            write_sealed(folder / HISTORY, {"of": of, "done": done})
            store.keep_checkpoints(key)

    try:
        with heard_how_far(note):
            yield
    finally:
        if folder.is_dir():
            store.forget(key)


def _train_classifier(job: Job, context: Context, folder: Path) -> dict[str, Any]:
    if job.retraining is not None:
        return _retrain_classifier(job, job.retraining, context, folder)
    data = load_dataset(context.store, job.inputs["dataset"][1])
    history = _History(context.store, job.key, context.on_epoch)
    classifier = _instance("classifier", job, context)
    with history.kept():
        fitted = classifier.fit(_lesson(job, context, data, history))
    _save_tensors(fitted.state_dict(), folder / NETWORK)
    history.write(folder)
    network = stored_network(folder, classifier, len(data.classes), context.device)
    predicted = _logits(network, chunks(data.test.images), data, context.device).argmax(axis=1)
    np.save(folder / PREDICTED, predicted)
    return {
        "original_accuracy": float((predicted == data.test.labels).mean()),
        "devices": environment.devices(context.device),
    }


def _retrain_classifier(job: Job, retraining: Retraining, context: Context, folder: Path) -> dict[str, Any]:
    """From the weights of a stored classifier, on the training images as a method leaves them."""
    store, device = context.store, context.device
    data = load_dataset(store, job.inputs["dataset"][1])
    method = context.registry.get("method", retraining.plugin, job.name).make(retraining.params, job.name)
    if "quantizer" in job.inputs:
        method.load(read_state(store, job.inputs["quantizer"][1]), device)
    history = _History(store, job.key, context.on_epoch)
    lesson = _lesson(job, context, data, history)
    with tempfile.TemporaryDirectory(dir=folder) as room:
        images = on_disk(Path(room) / "images.npy", np.uint8, lesson.train.images.shape)  # as large as the training set
        start = 0
        for chunk in chunks(lesson.train.images):
            images[start : start + len(chunk)] = reduce_images(method, chunk, job.levels[0]).decoded
            start += len(chunk)
        network = load_classifier(store, job.inputs["classifier"][1], context.registry, len(data.classes), device)
        with history.kept():
            retrain(network, replace(lesson, train=replace(lesson.train, images=images)), **retraining.recipe)
    _save_tensors(network.state_dict(), folder / NETWORK)
    history.write(folder)
    devices = environment.devices(device)
    if "quantizer" in job.inputs:
        devices |= read_about(store, *job.inputs["quantizer"])["devices"]
    return {"devices": devices, "retraining": {"method": retraining.plugin, **retraining.recipe}}


def _fit_quantizer(job: Job, context: Context, folder: Path) -> dict[str, Any]:
    data = load_dataset(context.store, job.inputs["dataset"][1])
    keys = [key for role, (_, key) in job.inputs.items() if role.startswith("classifier")]
    networks = [
        load_classifier(context.store, key, context.registry, len(data.classes), context.device) for key in keys
    ]
    history = _History(context.store, job.key, context.on_epoch)
    lesson = _lesson(job, context, data, history)
    held_out = read_about(context.store, *job.inputs["dataset"])["held_out"]
    lesson = replace(
        lesson,
        validation=data.test if held_out else lesson.validation,
        classifiers=tuple(networks),
        classifier_names=tuple(read_about(context.store, "classifiers", key)["plugin"] for key in keys),
        colors=tuple(level for level in job.levels if level is not None),
    )
    method = _instance("method", job, context)
    with history.kept():
        method.fit(lesson)
    _save_tensors(method.state(), folder / STATE)
    history.write(folder)
    epochs = len(history.epochs)
    cost = {"epochs": epochs, "images": epochs * len(data.train), "seconds": history.seconds, "levels": job.levels}
    return {"devices": environment.devices(context.device), "training": cost}


@put_back()
def validation_accuracy(job: Job, context: Context) -> float:
    """How many of the held-out images are recognized after a stored quantizer of one color count, decoded to 8 bits."""
    environment.set_torch_up(_threads(job))
    data = load_dataset(context.store, job.inputs["dataset"][1])
    network = load_classifier(
        context.store, job.inputs["classifier"][1], context.registry, len(data.classes), context.device
    )
    method = _instance("method", job, context)
    method.load(read_state(context.store, job.key), context.device)
    (level,) = job.levels
    assert level is not None
    reduced = (palettize_all(method, chunk, level).render() for chunk in chunks(data.test.images))
    predicted = _logits(network, reduced, data, context.device).argmax(axis=1)
    return float((predicted == data.test.labels).mean())


def _logits(network: torch.nn.Module, parts: Iterable[Images], data: DatasetArrays, device: str) -> NDArray[np.float32]:
    """Of all images, which come a chunk at a time: ``float32 [N, classes]``."""
    from harness.learning import predict

    height, width = data.test.images.shape[1:3]
    at_once = max(1, min(256, PIXELS_JUDGED // (height * width)))
    return np.concatenate([predict(network, part, data.normalization, device, at_once) for part in parts])


def _apply(job: Job, context: Context, folder: Path) -> dict[str, Any]:
    images = load_dataset(context.store, job.inputs["dataset"][1]).test.images
    method = _instance("method", job, context)
    fitted: dict[str, Any] = {"seconds": 0.0, "devices": {}, "training": None}
    if "quantizer" in job.inputs:
        stage, key = job.inputs["quantizer"]
        method.load(read_state(context.store, key), context.device)
        fitted |= read_about(context.store, stage, key)
    metrics = {
        metric.column: context.registry.get("metric", metric.plugin, job.name).make(metric.params, job.name)
        for metric in job.metrics
    }
    apply_method(method, images, job.levels[0], folder, metrics)
    shown = explain_method(method, np.array(images[_gallery_images(len(images))]), job.levels[0])
    for name, pictures in shown.items():
        np.save(folder / f"{EXPLAINED}{name}.npy", pictures)
    devices = environment.devices(context.device) | fitted["devices"]
    return {
        "shape": images.shape,
        "metrics": list(metrics),
        "earlier_seconds": fitted["seconds"],
        "devices": devices,
        "training": fitted["training"],
    }


def _judge(job: Job, context: Context, folder: Path) -> dict[str, Any]:
    from scipy.special import softmax

    store, device = context.store, context.device
    data = load_dataset(store, job.inputs["dataset"][1])
    applied, classifier = job.inputs["applied"][1], job.inputs["classifier"][1]
    decoded = open_decoded(store, applied, context.registry)
    network = load_classifier(store, classifier, context.registry, len(data.classes), device)
    logits = _logits(network, decoded.chunks(), data, device)
    probabilities = softmax(logits.astype(np.float64), axis=1)
    rows, labels, predicted = np.arange(len(logits)), data.test.labels, logits.argmax(axis=1)
    records = {
        "image": rows,
        "group": data.test.groups,
        "label": labels,
        "predicted": predicted,
        "correct": predicted == labels,
        "confidence": probabilities[rows, predicted],
        "p_true": probabilities[rows, labels],
    }
    original = job.inputs.get("original", job.inputs["classifier"])[1]
    reduced, trained = read_about(store, "applied", applied), read_about(store, "classifiers", original)
    judging = read_about(store, "classifiers", classifier)
    devices = environment.devices(device) | trained["devices"] | judging["devices"]
    # A method that learned nothing is applied on a CPU whatever the cluster has, which sets no two cells apart.
    telling = devices if reduced.get("training") is None else devices | reduced["devices"]
    measures = pd.read_parquet(store.path("applied", applied) / "measures.parquet")
    untouched = {"original_predicted": np.load(store.path("classifiers", original) / PREDICTED)}
    further = measures[reduced["metrics"]]
    names = pd.DataFrame({"name": pd.array(data.test.names or [None] * len(rows), "string")})
    parts = [pd.DataFrame(records), measures.drop(columns=further.columns), pd.DataFrame(untouched), further, names]
    pd.concat(parts, axis=1).to_parquet(folder / "records.parquet", index=False)
    numbers = _gallery_images(len(rows))
    shown = decoded.take(numbers)
    seen, original_p_true = explain_classifier(network, data.test, numbers, shown, data.normalization, device)
    write_pictures(folder / GALLERY, numbers, data.test.images[numbers], shown, seen | _explained(store, applied))
    return {
        "accuracy": float((predicted == labels).mean()),
        "original_accuracy": trained["original_accuracy"],
        "pixels": int(np.prod(decoded.shape[1:3])),
        "metrics": reduced["metrics"],
        "classes": data.classes,
        "device": "+".join(sorted(telling)),
        "devices": devices | reduced["devices"],
        "earlier_seconds": reduced["seconds"],
        "original_p_true": original_p_true,
        "training": reduced.get("training"),
    }


def _explained(store: Store, key: str) -> dict[str, Any]:
    """What a method's ``explain`` gave for the gallery's images, by name."""
    files = store.path("applied", key).glob(f"{EXPLAINED}*.npy")
    return {path.stem.removeprefix(EXPLAINED): np.load(path) for path in sorted(files)}


def _gallery_images(n: int) -> list[int]:
    """The same test images for every method, drawn once and for all."""
    chosen = np.random.default_rng(0).choice(n, min(GALLERY_IMAGES, n), replace=False)
    return sorted(int(image) for image in chosen)


def _lesson(job: Job, context: Context, data: DatasetArrays, history: _History) -> Lesson:
    """Without a validation split: a classifier must not choose by the images that quantizers are chosen by."""
    assert job.seed is not None
    return Lesson(
        dataset=read_about(context.store, *job.inputs["dataset"])["plugin"],
        train=data.train,
        validation=data.train.take(slice(0, 0)),
        classes=data.classes,
        normalization=data.normalization,
        augmentation=data.augmentation,
        seed=job.seed,
        batch_size=data.batch_size,
        device=context.device,
        precision=job.precision,
        on_epoch=history.note,
        checkpoints=history.folder,
    )


class _History:
    """The metrics of each epoch and its ``seconds``, kept beside the checkpoint so that a restart continues them."""

    def __init__(self, store: Store, key: str, further: EpochCallback | None) -> None:
        self.store, self.key, self.further = store, key, further
        self.folder = folder = store.fetch_checkpoints(key)
        if (folder / HISTORY).is_file() and not read_history(folder)[1]:
            sentence = f"its checkpoint is damaged ({HISTORY}), training starts anew"
            warnings.warn(sentence, DamagedCheckpoint, stacklevel=2)
            shutil.rmtree(folder)
        self.epochs = read_history(folder)[0]
        self._since = time.perf_counter()
        self._drop_partial()

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Within it a training writes its checkpoints: a full disk is told, and no half of one stays."""
        try:
            with full_disks.told(self.store.root, f"the checkpoint of {self.key[:12]}", self.folder):
                yield
        except BaseException:
            self._drop_partial()
            raise

    def _drop_partial(self) -> None:
        """Removes what a write left that failed, or was killed with its process."""
        for partial in self.folder.glob(PARTIAL_CHECKPOINTS):
            partial.unlink(missing_ok=True)

    def note(self, done: int, epochs: int, metrics: Mapping[str, float]) -> bool:
        self.folder.mkdir(parents=True, exist_ok=True)
        now = time.perf_counter()
        noted = dict(metrics) | {"seconds": now - self._since}
        self._since = now
        self.epochs = [*self.epochs[: done - 1], noted]
        write_sealed(self.folder / HISTORY, {"of": epochs, "epochs": self.epochs, "noted": time.time()})
        self.store.keep_checkpoints(self.key)
        return bool(self.further is not None and self.further(done, epochs, noted))

    @property
    def seconds(self) -> float:
        """Of all epochs, those before a restart too."""
        return sum(epoch["seconds"] for epoch in self.epochs)

    def write(self, folder: Path) -> None:
        write_json(folder / HISTORY, self.epochs)


def read_history(checkpoints: Path) -> tuple[list[dict[str, float]], int]:
    """The metrics of each epoch done by a training under way, and how many epochs there will be (0: not known)."""
    try:
        content = read_sealed(checkpoints / HISTORY)
        return content["epochs"], content["of"]
    except (OSError, ValueError, KeyError):
        return [], 0


def read_how_far(checkpoints: Path) -> tuple[int, int]:
    """How many pieces of making a dataset are done, and how many there are (0: not known)."""
    try:
        content = read_sealed(checkpoints / HISTORY)
        return content["done"], content["of"]
    except (OSError, ValueError, KeyError):
        return 0, 0


def last_noted(checkpoints: Path) -> float | None:
    """When the last of them ended, in seconds since 1970 by that host's clock; None where that is not known."""
    try:
        return float(read_sealed(checkpoints / HISTORY)["noted"])
    except (OSError, ValueError, KeyError):
        return None


def fit_history(store: Store, job: Job) -> tuple[list[dict[str, float]], int]:
    """The same of a training, whether it is done or under way. Raises DamagedArtifact."""
    if not store.has(job.stage, job.key):
        return read_history(store.watched(job.key))
    epochs: list[dict[str, float]] = json.loads(store.read(job.stage, job.key, HISTORY))
    return epochs, len(epochs)


def _save_tensors(tensors: Mapping[str, Any], path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    def plain(value: Any) -> torch.Tensor:
        return torch.as_tensor(value).detach().cpu().contiguous().clone()

    save_file({name: plain(value) for name, value in tensors.items()}, path)


_RUNNERS: Mapping[Stage, Callable[[Job, Context, Path], dict[str, Any]]] = {
    "datasets": _prepare_dataset,
    "classifiers": _train_classifier,
    "quantizers": _fit_quantizer,
    "applied": _apply,
    "cells": _judge,
}
