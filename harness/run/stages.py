"""What each stage of a stored cell took: fitting its method, applying it, judging."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from harness.spec.schema import Stage
from harness.work.artifacts import read_about
from harness.work.store import DamagedArtifact, Store

Stages = dict[str, dict[str, Any]]
Abouts = Callable[[Stage, str], dict[str, Any] | None]
"""What an artifact says of itself; None of one that is gone or damaged."""


def abouts_in(store: Store) -> Abouts:
    """Tells it of a store's artifacts, each of which is read once."""

    @cache
    def about(stage: Stage, key: str) -> dict[str, Any] | None:
        if not store.has(stage, key):
            return None
        try:
            return read_about(store, stage, key)
        except DamagedArtifact:
            return None

    return about


def stages_in(jobs: Mapping[str, Mapping[str, Any]], about: Abouts) -> Callable[[str], Stages]:
    """Tells of a cell, by its key, what its stages took.

    Args:
        jobs: Of a run's ``plan.json``, by key.
        about: What the artifacts of the run's store say of themselves.

    Returns:
        A function from a cell's key to ``fit`` (of a method that learns), ``apply`` and ``judge``, each with the
        ``key`` of its artifact, its own ``seconds``, its ``device`` (``cpu`` or ``cuda``) and its ``share`` of that:
        CPU cores, or a part of a GPU. Empty where an artifact that the cell was made from is gone or damaged.
    """

    def chain(key: str) -> list[tuple[str, str, dict[str, Any]]] | None:
        """Stages from the first to the last, each with what its artifact says of itself."""
        steps: list[tuple[str, Stage, str]] = [("judge", "cells", key)]
        before: tuple[tuple[str, Stage, str], ...] = (
            ("apply", "applied", "applied"),
            ("fit", "quantizers", "quantizer"),
        )
        for name, stage, role in before:
            inputs = jobs[steps[-1][2]]["inputs"]
            if role in inputs:
                steps.append((name, stage, inputs[role][1]))
        found = [(name, key, about(stage, key)) for name, stage, key in reversed(steps)]
        return [(name, key, said) for name, key, said in found if said] if all(said for *_, said in found) else None

    def stages(key: str) -> Stages:
        taken: Stages = {}
        before = 0.0
        for name, own, said in chain(key) or []:
            needs = jobs[own]["needs"]
            on_gpu = "cuda" in said["devices"] and needs["gpus"] != 0
            share = (1.0 if needs["gpus"] == "required" else needs["gpus"]) if on_gpu else needs["cpus"]
            seconds = max(said["seconds"] - before, 0.0)
            taken[name] = {"key": own, "seconds": seconds, "device": "cuda" if on_gpu else "cpu", "share": share}
            before = said["seconds"]
        return taken

    return stages
