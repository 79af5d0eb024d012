"""What each method cost, stage by stage: seconds, images a second, hours of a core or a GPU."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from reports.points import Task

STAGES = {"fit": "fitting", "apply": "applying and measuring", "judge": "judging"}
_HOUR = 3600.0


@dataclass(frozen=True)
class StageCost:
    """One stage of one variant on one dataset.

    Attributes:
        dataset: Whose images.
        variant: Of the method.
        stage: In words.
        jobs: How many there are, over levels, seeds and classifiers; one that serves several cells counts once.
        seconds: Mean of a job.
        rate: Images a second, over all jobs; of a training, each image as often as it was shown. NaN where not known.
        core_hours: Of all jobs on CPUs: hours times cores.
        gpu_hours: Of all jobs on GPUs: hours times the part of a GPU they held.
    """

    dataset: str
    variant: str
    stage: str
    jobs: int
    seconds: float
    rate: float
    core_hours: float
    gpu_hours: float


def stage_costs(tasks: Sequence[Task]) -> tuple[StageCost, ...]:
    """Of every variant of which the store has all stages, by dataset, variant and stage."""
    found: dict[tuple[str, str, str], dict[str, tuple[Mapping[str, Any], float]]] = {}
    for task in tasks:
        for cell in task.cells:
            for name, taken in cell.notes.get("stages", {}).items():
                training = cell.notes.get("training") or {}
                images = training.get("images", math.nan) if name == "fit" else float(task.images)
                jobs = found.setdefault((task.dataset, cell.variant, name), {})
                jobs.setdefault(taken["key"], (taken, images))
    order = list(STAGES)
    places = sorted(found, key=lambda place: (place[0], place[1], order.index(place[2])))
    return tuple(_cost(*place, list(found[place].values())) for place in places)


def _cost(dataset: str, variant: str, stage: str, jobs: list[tuple[Mapping[str, Any], float]]) -> StageCost:
    seconds = [taken["seconds"] for taken, _ in jobs]
    hours = {
        device: sum(taken["seconds"] * taken["share"] for taken, _ in jobs if taken["device"] == device) / _HOUR
        for device in ("cpu", "cuda")
    }
    images = sum(images for _, images in jobs)
    return StageCost(
        dataset,
        variant,
        STAGES[stage],
        len(jobs),
        fmean(seconds),
        images / sum(seconds) if sum(seconds) else math.nan,
        hours["cpu"],
        hours["cuda"],
    )
