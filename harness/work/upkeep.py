"""What lies in a store, and what of it nobody refers to."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.spec.schema import STAGES, Stage
from harness.work.store import MANIFEST, DamagedArtifact, Store


@dataclass(frozen=True)
class Kept:
    """One artifact in a store, and its bytes."""

    stage: Stage
    key: str
    size: int


def kept_in(store: Store) -> list[Kept]:
    """All artifacts, in the order of stages, then by key."""
    return [Kept(stage, key, size) for stage in STAGES for key, size in sorted(store.sizes(stage).items())]


def damaged_in(store: Store, say: Callable[[str], None]) -> int:
    """Verifies every artifact, of a distant store by fetching it. Says which are damaged; gives how many."""
    damaged = 0
    for kept in kept_in(store):
        try:
            store.path(kept.stage, kept.key)
            store.verify(kept.stage, kept.key)
        except DamagedArtifact as error:
            damaged += 1
            say(f"{error}.")
    return damaged


def unreferenced(kept: Iterable[Kept], plans: Iterable[Mapping[str, Sequence[Mapping[str, str]]]]) -> list[Kept]:
    """Those that no job of these plans (``plan.json``) makes."""
    wanted = {job["key"] for plan in plans for job in plan["jobs"]}
    return [each for each in kept if each.key not in wanted]


def copy(source: Store, target: Store, kept: Kept) -> bool:
    """Copies an artifact. Gives False where it was there already. Raises DamagedArtifact where the source's is."""
    if target.has(kept.stage, kept.key):
        return False
    folder = source.path(kept.stage, kept.key)
    source.verify(kept.stage, kept.key)
    with target.write(kept.stage, kept.key) as room:
        shutil.copytree(folder, room, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MANIFEST))
    return True
