"""The plan: from a spec to a graph of jobs with content keys. Pure: it does not look at the store and runs nothing."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeVar
from weakref import WeakSet

from harness.complaints import one_line, shown
from harness.contracts import BadInput, Level, Needs, PlannedCell, Precision
from harness.digests import refresh, source_digest
from harness.registry import Plugin
from harness.spec.choices import called, label_of
from harness.spec.resolve import Choice, Spec
from harness.spec.schema import Stage

T = TypeVar("T")

VERSIONS: Mapping[Stage, int] = {"datasets": 3, "classifiers": 2, "quantizers": 1, "applied": 3, "cells": 5}
"""Raise one when a change of the engine changes what the artifacts of that stage hold."""

CALLED: Mapping[Stage, tuple[str, ...]] = {
    "datasets": ("load",),
    "classifiers": ("build", "fit"),
    "quantizers": ("fit", "state"),
    "applied": ("load", "palettize", "encode", "decode", "payload", "explain"),
    "cells": ("build",),
}
"""The methods of its plugin that a job calls: what these use is in its key, the rest of the plugin is not."""

MEASURING = ("measure",)
"""The same of a metric."""
REDUCING = ("load", "palettize", "encode", "decode")
"""The same of a method whose images a classifier is retrained on."""

_WARNED: WeakSet[Plugin] = WeakSet()
"""Plugins of which a warning was given: a search plans twice."""

HOUR = 3600.0
DEFAULT_NEEDS: Mapping[Stage, Needs] = {
    "datasets": Needs(cpus=1, gpus=0.0, seconds=6 * HOUR),
    "classifiers": Needs(cpus=1, gpus=0.5, seconds=48 * HOUR),
    "quantizers": Needs(cpus=1, gpus=0.5, seconds=48 * HOUR),
    "applied": Needs(cpus=1, gpus=0.0, memory=800_000_000, seconds=1 * HOUR),
    "cells": Needs(cpus=1, gpus=0.25, memory=1_400_000_000, seconds=1 * HOUR),
}
"""Memory as measured on a CPU (docs/spec.md); a training's depends on its data, so it states none unless asked to."""
LEARNED_APPLIED_GPUS, LEARNED_APPLIED_MEMORY = 0.25, 1_400_000_000


def usual_needs(stage: Stage, learned_input: bool) -> Needs:
    """What a job of a stage occupies where neither spec nor plugin says so. learned_input: it rests on a quantizer."""
    usual = DEFAULT_NEEDS[stage]
    if stage == "applied" and learned_input:
        return replace(usual, gpus=LEARNED_APPLIED_GPUS, memory=LEARNED_APPLIED_MEMORY)
    return usual


@dataclass(frozen=True)
class JobMetric:
    """A metric that a job measures with. column: its name in tables."""

    column: str
    plugin: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Retraining:
    """A classifier that is trained further on the training images as a method leaves them.

    plugin, params: the method, its level is the job's. recipe: ``epochs``, ``rate`` (the peak of one cycle),
    ``batch_size`` (null: the dataset's) and ``weight_decay``.
    """

    plugin: str
    params: Mapping[str, Any]
    recipe: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """One thing to do, as plain data that a worker can be sent.

    inputs: role -> (stage, key). plugin, params: what is run. needs: every field filled in. train_images,
    test_images: how many of a dataset's are kept at most. held_out: the share of the training images, and the seed,
    that takes the place of the test images. metrics: what the reduced images are measured with.
    task: the plugins of the dataset and the classifiers that a quantizer learns from.
    retraining: how a classifier is trained further, instead of from new weights.
    source: the hash of the plugin's code, as the driver has it. least_memory: bytes it takes in any case.
    """

    stage: Stage
    key: str
    name: str
    plugin: str
    source: str
    params: Mapping[str, Any]
    inputs: Mapping[str, tuple[Stage, str]]
    needs: Needs
    seed: int | None = None
    levels: tuple[Level, ...] = ()
    precision: Precision = "fp32"
    train_images: int | None = None
    test_images: int | None = None
    held_out: tuple[float, int] | None = None
    metrics: tuple[JobMetric, ...] = ()
    task: tuple[str, ...] | None = None
    retraining: Retraining | None = None
    least_memory: float = 0
    batch_size: int | None = None


def make_job(
    stage: Stage,
    plugin: Plugin,
    name: str,
    params: Mapping[str, Any],
    inputs: Mapping[str, tuple[Stage, str]],
    needs: Needs,
    *,
    seed: int | None = None,
    levels: tuple[Level, ...] = (),
    precision: Precision = "fp32",
    train_images: int | None = None,
    test_images: int | None = None,
    held_out: tuple[float, int] | None = None,
    metrics: tuple[JobMetric, ...] = (),
    task: tuple[str, ...] | None = None,
    retraining: Retraining | None = None,
    fingerprint: str | None = None,
    source: str | None = None,
    resolved: Mapping[str, Any] = MappingProxyType({}),
    least_memory: float = 0,
    batch_size: int | None = None,
    **more: Any,
) -> Job:
    """A job under the hash of everything that changes its artifact.

    fingerprint: what the plugin says of the files it reads. source: the hash of the plugin's code, where it is known
    already. resolved: what parameters become on the task, which counts instead of what is stated. batch_size: the
    dataset's, which a ``batch_size`` of None becomes. more: what else changes the artifact (of ``metrics`` too).
    """
    source = source or plugin.source_digest(CALLED[stage])
    without = () if fingerprint is None else plugin.fingerprinted
    meaning = {
        "stage": stage,
        "version": VERSIONS[stage],
        "plugin": plugin.name,
        "source": source,
        "fingerprint": fingerprint,
        "params": _counting(params, resolved, batch_size, without),
        "inputs": {role: key for role, (_, key) in inputs.items()},
        "seed": seed,
        "levels": levels,
        "precision": precision,
        "train_images": train_images,
        "held_out": held_out,
        **({} if test_images is None else {"test_images": test_images}),
        **({} if retraining is None else {"retraining": retraining.recipe}),
        **more,
    }
    return Job(
        stage=stage,
        key=hashlib.sha256(json.dumps(meaning, sort_keys=True, default=str).encode()).hexdigest(),
        name=name,
        plugin=plugin.name,
        source=source,
        params=params,
        inputs=inputs,
        needs=needs,
        seed=seed,
        levels=levels,
        precision=precision,
        train_images=train_images,
        test_images=test_images,
        held_out=held_out,
        metrics=metrics,
        task=task,
        retraining=retraining,
        least_memory=least_memory,
        batch_size=batch_size,
    )


def _counting(
    params: Mapping[str, Any], resolved: Mapping[str, Any], batch_size: int | None, without: Collection[str]
) -> dict[str, Any]:
    """Parameters as they count in a key: as what they become, and without those that only say where something is."""
    become = {**params, **resolved}
    if "batch_size" in become and become["batch_size"] is None:
        become["batch_size"] = batch_size
    return {name: value for name, value in become.items() if name not in without}


@dataclass(frozen=True, eq=False)
class Plan:
    """Jobs by key, each after its inputs, and the cells in the order of the spec."""

    jobs: Mapping[str, Job]
    cells: tuple[PlannedCell, ...]

    def ancestors(self, key: str) -> Iterator[str]:
        """The keys of a job's inputs, of their inputs, and so on."""
        for _, parent in self.jobs[key].inputs.values():
            yield parent
            yield from self.ancestors(parent)


def make_plan(spec: Spec, *, files_needed: bool = True) -> Plan:
    """All jobs of a spec.

    Reads the files a plugin's ``fingerprint`` covers. Where they are missing it raises BadInput or, where they are not
    needed, gives jobs whose keys no run will have.
    """
    builder = PlanBuilder(spec, files_needed=files_needed)
    for dataset in spec.datasets:
        data = builder.dataset(dataset)
        for classifier in spec.classifiers:
            for seed in spec.seeds:
                for method in spec.methods:
                    for teachers in method.teachers(classifier, spec.classifiers):
                        for level in method.levels:
                            builder.cells_of(method, level, seed, dataset, data, classifier, teachers)
    return Plan(builder.jobs, tuple(builder.cells))


class PlanBuilder:
    """Collects jobs, each once, and cells; what is asked for again is the same job."""

    def __init__(self, spec: Spec, *, files_needed: bool = True) -> None:
        refresh()
        self.spec, self._files_needed = spec, files_needed
        self.jobs: dict[str, Job] = {}
        self.cells: list[PlannedCell] = []
        self._cells: dict[str, list[PlannedCell]] = {}
        self._fingerprints: dict[int, str | None] = {}
        self._identities: dict[int, dict[str, Any]] = {}
        self._networks: dict[tuple[int, str, int], Job] = {}
        self._batch_sizes: dict[int, int | None] = {}

    def dataset(self, choice: Choice, held_out: tuple[float, int] | None = None) -> Job:
        """held_out: in the place of the test images, however many of them are tested at last."""
        if choice.test_images is not None:
            check_test_images(choice, choice.test_images)
        return self._job(
            "datasets",
            choice,
            choice.short if held_out is None else f"{choice.short}, {held_out[0]:.0%} of its training images held out",
            {},
            train_images=choice.train_images,
            test_images=choice.test_images if held_out is None else None,
            held_out=held_out,
            batch_size=self._batch_size(choice),
        )

    def classifier(self, choice: Choice, dataset: Choice, data: Job, seed: int) -> Job:
        """Asked for by every cell that it judges or teaches, and planned once."""
        place = (id(choice), data.key, seed)
        if place not in self._networks:
            self._networks[place] = self._job(
                "classifiers",
                choice,
                f"{choice.short} on {dataset.short}, seed {seed}",
                {"dataset": data},
                seed=seed,
                precision=self.spec.precision.classifiers,
            )
        return self._networks[place]

    def quantizer(
        self, method: Choice, levels: tuple[Level, ...], seed: int, data: Job, networks: Sequence[Job], name: str
    ) -> Job:
        """networks: the classifiers that it is trained through, at least one, in any order."""
        in_order = sorted(networks, key=lambda network: network.key)
        roles = {("classifier" if n == 0 else f"classifier {n + 1}"): network for n, network in enumerate(in_order)}
        return self._job(
            "quantizers",
            method,
            name,
            {"dataset": data, **roles},
            seed=seed,
            levels=levels,
            precision=self.spec.precision.quantizers,
            task=(data.plugin, *(network.plugin for network in in_order)),
        )

    def cells_of(
        self,
        method: Choice,
        level: Level,
        seed: int,
        dataset: Choice,
        data: Job,
        classifier: Choice,
        teachers: Sequence[Choice],
    ) -> None:
        """The cells of a method at one level, one for each kind of judge.

        classifier: the judge. teachers: what a learned method is trained through, empty for one that learns nothing.
        """
        kind, precision = method.plugin.mark.level_kind, self.spec.precision
        at = "" if level is None else f" at {level} colors" if kind == "colors" else f" at quality {level}"
        where = f"{method.short}{at} on {dataset.short}"
        inputs, task = {"dataset": data}, None
        network = self.classifier(classifier, dataset, data, seed)
        if teachers:
            where += f", {called(teachers)}, seed {seed}"
            levels = method.levels if method.plugin.joins_colors(method.instance) else (level,)
            together = where.replace(at, f" at {', '.join(map(str, levels))} colors")
            networks = [self.classifier(teacher, dataset, data, seed) for teacher in teachers]
            inputs["quantizer"] = self.quantizer(method, levels, seed, data, networks, together)
            task = inputs["quantizer"].task
        metrics = sorted(self.spec.metrics, key=lambda metric: metric.short)
        applied = self._job(
            "applied",
            method,
            where,
            inputs,
            levels=(level,),
            task=task,
            metrics=tuple(JobMetric(metric.short, metric.name, metric.params) for metric in metrics),
            measured=[self._identity(metric) for metric in metrics],
            encoding=source_digest("harness.encoding"),
        )
        for judge in self.spec.judges:
            roles = {"dataset": data, "classifier": network, "applied": applied}
            if judge == "retrained":
                retrained = self._retrained(method, level, seed, where, inputs, task, classifier, network)
                roles |= {"classifier": retrained, "original": network}
            cell = PlannedCell(
                dataset=dataset.short,
                classifier=classifier.short,
                method=method.name,
                variant=method.short,
                params=method.params,
                level_kind=kind,
                level=level,
                seed=seed,
                fitted_on=called(teachers),
                precision=precision.quantizers if teachers else precision.classifiers,
                key="",
                judge=judge,
            )
            name = f"{label_of(method, teachers, classifier)}{at} on {dataset.short}, {cell.judged_by}, seed {seed}"
            cell = replace(cell, key=self._job("cells", classifier, name, roles).key)
            met = self._cells.setdefault(cell.key, [])
            if cell not in met:
                met.append(cell)
                self.cells.append(cell)

    def _retrained(
        self,
        method: Choice,
        level: Level,
        seed: int,
        where: str,
        inputs: Mapping[str, Job],
        task: tuple[str, ...] | None,
        classifier: Choice,
        network: Job,
    ) -> Job:
        """The classifier, trained further on the training images after the method. where, inputs: of applying it."""
        fingerprint = self._fingerprint(method)
        data = inputs["dataset"]
        resolved = resolved_on(task or (data.plugin,), (level,), method.instance, method.params, method.where)
        without = () if fingerprint is None else method.plugin.fingerprinted
        return self._job(
            "classifiers",
            classifier,
            f"{classifier.short} retrained on {where}" + ("" if task else f", seed {seed}"),
            {**inputs, "classifier": network},
            seed=seed,
            levels=(level,),
            precision=self.spec.precision.classifiers,
            retraining=Retraining(method.name, method.params, self._recipe(classifier, data.batch_size)),
            reduced={
                "plugin": method.name,
                "source": method.plugin.source_digest(REDUCING),
                "params": _counting(method.params, resolved, data.batch_size, without),
                "fingerprint": fingerprint,
            },
            retrained=source_digest("harness.work.retraining"),
        )

    def _recipe(self, classifier: Choice, batch_size: int | None) -> dict[str, Any]:
        """A tenth of the classifier's own epochs and rate, unless the spec says otherwise; by the dataset's batches."""
        stated, own = self.spec.retraining, classifier.params
        return {
            "epochs": stated.epochs or max(1, round(own["epochs"] / 10)),
            "rate": stated.rate or own["rate"] / 10,
            "batch_size": own.get("batch_size") or batch_size,
            "weight_decay": own.get("weight_decay", 0.0),
        }

    def _job(
        self,
        stage: Stage,
        choice: Choice,
        name: str,
        inputs: Mapping[str, Job],
        *,
        seed: int | None = None,
        levels: tuple[Level, ...] = (),
        precision: Precision = "fp32",
        metrics: tuple[JobMetric, ...] = (),
        task: tuple[str, ...] | None = None,
        retraining: Retraining | None = None,
        batch_size: int | None = None,
        **more: Any,
    ) -> Job:
        data = inputs.get("dataset")
        on = task or (choice.name if data is None else data.plugin,)
        job = make_job(
            stage,
            choice.plugin,
            name,
            choice.params,
            {role: (job.stage, job.key) for role, job in inputs.items()},
            self._needs(stage, choice, learned_input="quantizer" in inputs),
            seed=seed,
            levels=levels,
            precision=precision,
            metrics=metrics,
            task=task,
            retraining=retraining,
            fingerprint=self._fingerprint(choice),
            resolved=resolved_on(on, levels, choice.instance, choice.params, choice.where),
            least_memory=choice.plugin.least_memory(choice.instance, choice.where),
            batch_size=batch_size if data is None else data.batch_size,
            **more,
        )
        _warn_of_unknown(choice.plugin, stage, self._fingerprint(choice))
        return self.jobs.setdefault(job.key, job)

    def _batch_size(self, choice: Choice) -> int | None:
        """A dataset's, where it is known before it is made."""
        if id(choice) not in self._batch_sizes:
            self._batch_sizes[id(choice)] = known_batch_size(choice)
        return self._batch_sizes[id(choice)]

    def _identity(self, metric: Choice) -> dict[str, Any]:
        """Everything that changes a metric's column; of each metric once."""
        if id(metric) in self._identities:
            return self._identities[id(metric)]
        params = {name: value for name, value in metric.params.items() if name not in metric.plugin.fingerprinted}
        self._identities[id(metric)] = {
            "column": metric.short,
            "plugin": metric.name,
            "source": metric.plugin.source_digest(MEASURING),
            "params": params,
            "fingerprint": self._fingerprint(metric),
        }
        return self._identities[id(metric)]

    def _needs(self, stage: Stage, choice: Choice, learned_input: bool) -> Needs:
        """The spec's word, else the plugin's (for its own work or for the use of what it trained), else the stage's."""
        usual, plugin = usual_needs(stage, learned_input), choice.plugin
        in_use = stage == "cells" or (stage == "applied" and plugin.learns)
        own = plugin.needs_in_use if in_use else plugin.needs
        asked = self.spec.resources_of(stage, choice.name)
        return Needs(
            cpus=_first(asked.cpus, own.cpus, usual.cpus),
            gpus=_first(asked.gpus, own.gpus, usual.gpus),
            memory=_first(asked.memory, own.memory, usual.memory),
            seconds=_first(asked.seconds, own.seconds, usual.seconds),
        )

    def _fingerprint(self, choice: Choice) -> str | None:
        """What the plugin says of the files it reads; BadInput by its own ``check`` where they can't be read."""
        if id(choice) not in self._fingerprints:
            try:
                self._fingerprints[id(choice)] = fingerprint_of(choice.instance, choice.where)
            except (OSError, BadInput) as error:
                if not self._files_needed:
                    self._fingerprints[id(choice)] = "unknown"
                    return "unknown"
                if isinstance(error, BadInput):
                    raise
                check_inputs(choice)
                raise BadInput(f"{choice.where}: {choice.name!r} cannot be read: {error}.") from error
        return self._fingerprints[id(choice)]


def _warn_of_unknown(plugin: Plugin, stage: Stage, fingerprint: str | None) -> None:
    """Says, once for a plugin, what of it no key can hold."""
    sentence = plugin.unknown(CALLED[stage], fingerprint) if plugin not in _WARNED else None
    if sentence is not None:
        _WARNED.add(plugin)
        warnings.warn(sentence, stacklevel=1)


def fingerprint_of(instance: Any, where: str) -> str | None:
    """What a plugin says of the content of the files it reads. Raises BadInput, and OSError where one can't be read."""
    try:
        said = instance.fingerprint()
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from None
    except OSError:
        raise
    except Exception as error:
        raise BadInput(f"{where}: fingerprint() failed: {one_line(error)}.") from error
    if said is not None and not isinstance(said, str):
        raise BadInput(f"{where}: fingerprint() returned {type(said).__name__}, it must return a string or None.")
    return said


def resolved_on(
    task: Sequence[str], levels: Sequence[Level], instance: Any, params: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """What a plugin's parameters become on a task, as its ``resolved`` and ``resolved_at`` say. task: a dataset, then
    classifiers."""
    dataset, *classifiers = task
    become = _said_by("resolved", lambda: instance.resolved(dataset, tuple(classifiers)), params, where)
    if len(levels) == 1 and levels[0] is not None and hasattr(instance, "resolved_at"):
        become |= _said_by("resolved_at", lambda: instance.resolved_at(levels[0]), params, where)
    return become


def _said_by(hook: str, ask: Callable[[], Any], params: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What a hook says that parameters become. Raises BadInput."""
    try:
        said = ask()
        plain = json.loads(json.dumps(said, allow_nan=False))
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from None
    except Exception as error:
        raise BadInput(f"{where}: {hook}() failed: {one_line(error)}.") from error
    if not isinstance(plain, dict) or plain.keys() - params.keys():
        raise BadInput(f"{where}: {hook}() returned {shown(said)}, it must return values of its parameters by name.")
    return plain


def known_batch_size(choice: Choice) -> int | None:
    """What a dataset says of its batches before it is loaded. Raises BadInput."""
    try:
        known = choice.instance.known_batch_size()
    except Exception as error:
        raise BadInput(f"{choice.where}: known_batch_size() failed: {one_line(error)}.") from error
    if known is not None and (type(known) is not int or known < 1):
        raise BadInput(f"{choice.where}: known_batch_size() returned {shown(known)}, it must return a number or None.")
    return known


def check_inputs(choice: Choice) -> None:
    """Lets a plugin look at the files it will read. Raises BadInput that names the entry in the spec."""
    try:
        choice.instance.check()
    except BadInput as error:
        raise BadInput(f"{choice.where}: {error}") from None
    except Exception as error:
        raise BadInput(f"{choice.where}: check() failed: {one_line(error)}.") from error


def check_test_images(choice: Choice, count: int) -> None:
    """Raises BadInput where a dataset is known to have fewer test images than that, or more classes."""
    where = f"{choice.where}.test_images: {count:,}"
    try:
        known = choice.instance.known_sizes()
    except BadInput as error:
        raise BadInput(f"{choice.where}: {error}") from None
    except Exception as error:
        raise BadInput(f"{choice.where}: known_sizes() failed: {one_line(error)}.") from error
    if known is None:
        return
    if not isinstance(known, tuple) or [type(number) for number in known] != [int, int]:
        raise BadInput(
            f"{choice.where}: known_sizes() returned {shown(known)}, it must return (classes, test images) or None."
        )
    classes, images = known
    if count < classes:
        raise BadInput(
            f"{where} are too few for the {classes:,} classes of {choice.name!r}; write {classes:,} or more."
        )
    if count > images:
        raise BadInput(
            f"{where} are more than the {images:,} that {choice.name!r} has; leave it out to test all of them."
        )


def _first(*values: T | None) -> T | None:
    return next((value for value in values if value is not None), None)
