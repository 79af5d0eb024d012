"""What lies in a store, and what of it nobody refers to."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from harness.contracts import BadInput
from harness.spec.schema import STAGES, Stage
from harness.work.leases import name_of_run
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


def damage_in(store: Store, kept: Iterable[Kept]) -> Iterator[DamagedArtifact | None]:
    """What is wrong with each artifact, None where nothing is. Those of a distant store are fetched one at a time."""
    for each in kept:
        try:
            with store.borrow(each.stage, each.key):
                yield None
        except DamagedArtifact as error:
            yield error


def unreferenced(kept: Iterable[Kept], wanted: Collection[str]) -> list[Kept]:
    """Those whose keys are not wanted."""
    return [each for each in kept if each.key not in wanted]


def check_none_at_work(store: Store, runs: Iterable[Collection[str]], wanted: Collection[str]) -> None:
    """Raises BadInput where a run or a search is at work in the store that is none of these.

    runs: each one's keys. wanted: those of all of them, and of searches.
    """
    leases = store.leases(lambda _key: True)
    named = {name_of_run(keys) for keys in runs}
    for name in leases.names():
        if name not in wanted and name.rpartition("-")[0] not in named:
            holder = leases.holder(name)
            raise BadInput(
                f"--store {store}: a run or search that is not among these is at work in it"
                f"{f' ({holder})' if holder else ''}; name its folder, too, or wait until it has ended."
            )


def unneeded_checkpoints(store: Store, kept: Iterable[Kept], wanted: Collection[str]) -> dict[str, int]:
    """The bytes of checkpoints, by key: of trainings that are finished or not wanted, and not under way."""
    finished, leases = {each.key for each in kept}, store.leases(lambda _key: True)
    return {
        key: size
        for key, size in sorted(store.checkpoint_sizes().items())
        if (key in finished or key not in wanted) and not leases.is_held(key)
    }


def copy(source: Store, target: Store, kept: Kept) -> bool:
    """Copies an artifact. Gives False where it was there already. Raises DamagedArtifact where the source's is."""
    if target.has(kept.stage, kept.key):
        return False
    with source.borrow(kept.stage, kept.key) as folder, target.write(kept.stage, kept.key) as room:
        shutil.copytree(folder, room, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MANIFEST))
    target.let_go(kept.stage, kept.key)
    return True
