"""Which artifacts of a store runs and searches refer to, as their folders tell."""

from __future__ import annotations

from pathlib import Path

import yaml

from harness.contracts import BadInput
from harness.run.results import PLAN, SEARCH, SEARCHES, read_plan, read_searches

FILES = (PLAN, SEARCH, SEARCHES)
"""What tells it."""


def runs_below(folder: Path) -> list[Path]:
    """The runs in and below a folder, those of searches too. Raises BadInput where there is none."""
    found = _holding(PLAN, folder)
    if not found:
        read_plan(folder)
    return found


def keys_of(run: Path) -> set[str]:
    """The keys of a run's jobs. Raises BadInput."""
    return {job["key"] for job in read_plan(run)["jobs"]}


def referred_to(folder: Path) -> set[str]:
    """The keys that the runs and searches in and below a folder refer to.

    Raises BadInput where one cannot be read, and where a search is not finished: what it will make is not known.
    """
    of_runs = {key for run in _holding(PLAN, folder) for key in keys_of(run)}
    return of_runs.union(*(_of_search(search) for search in _holding(SEARCH, folder)))


def _holding(name: str, folder: Path) -> list[Path]:
    """The folders with a file of this name, also behind a link in ``folder``."""
    return sorted({path.parent for pattern in (f"**/{name}", f"*/{name}") for path in folder.glob(pattern)})


def _of_search(folder: Path) -> set[str]:
    try:
        content = yaml.safe_load((folder / SEARCH).read_text(encoding="utf-8"))
        tasks = len(content["spec"]["datasets"]) * len(content["spec"]["classifiers"])
        keys = set[str](content["before"])
    except (OSError, yaml.YAMLError, ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise BadInput(
            f"{folder / SEARCH}: does not tell what the search refers to; give its fewcolors tune again, "
            f"or remove {folder}."
        ) from None
    places = [place for place in (folder, *folder.iterdir()) if (place / SEARCHES).is_file()]
    if len(places) < tasks or not all((place / PLAN).is_file() for place in places):
        raise BadInput(
            f"{folder}: the search is not finished, so what it refers to is not known; continue with fewcolors tune, "
            "or remove the folder."
        )
    return keys | {trial.key for place in places for each in read_searches(place) for trial in each.trials}
