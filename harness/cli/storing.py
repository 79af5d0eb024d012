"""``store``: what lies in a store, whether it is sound, and what of it nobody needs."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import StorePath, app, console
from harness.contracts import BadInput
from harness.full_disks import size_in_words

if TYPE_CHECKING:
    from harness.work.store import Store

commands = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
app.add_typer(commands, name="store", help="Lists, verifies, clears and copies what lies in a store.")


@commands.command("ls")
def list_artifacts(store: StorePath = "store") -> None:
    """Lists all artifacts: stage, key, size."""
    from harness.work.upkeep import kept_in

    screen = console()
    for kept in kept_in(_opened(store)):
        screen.print(f"{kept.stage:<12} {kept.key} {size_in_words(kept.size):>10}", highlight=False, soft_wrap=True)


@commands.command()
def du(store: StorePath = "store") -> None:
    """Says how many artifacts of each stage there are, and how large they are together."""
    from harness.spec.schema import STAGES
    from harness.work.upkeep import kept_in

    screen, kept = console(), kept_in(_opened(store))
    for stage in (*STAGES, ""):
        own = [each.size for each in kept if stage in ("", each.stage)]
        screen.print(f"{stage or 'all':<12} {len(own):>7} {size_in_words(sum(own)):>10}", highlight=False)


@commands.command()
def verify(store: StorePath = "store") -> None:
    """Holds every artifact against its checksums; the exit code is 1 if one is damaged.

    At a URI each is fetched for that, one at a time, and not kept.
    """
    from harness.work.upkeep import damage_in, kept_in

    screen, opened = console(), _opened(store)
    kept, damaged, seen = kept_in(opened), 0, 0
    size = size_in_words(sum(each.size for each in kept))
    with screen.status("") as status:
        for number, (each, error) in enumerate(zip(kept, damage_in(opened, kept), strict=True), start=1):
            seen += each.size
            status.update(f"{number} of {len(kept)} artifacts, {size_in_words(seen)} of {size}")
            if error is not None:
                damaged += 1
                screen.print(f"{error}.", style="red", markup=False, highlight=False, soft_wrap=True)
    screen.print(f"{len(kept)} artifacts, {damaged} damaged.", highlight=False)
    if damaged:
        raise typer.Exit(1)


@commands.command()
def gc(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...", help="Folders or URIs of runs, or of folders that hold them.", show_default=False
        ),
    ],
    store: StorePath = "store",
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; without this it is only said.")] = False,
) -> None:
    """Removes artifacts that none of the given runs and searches refers to, and checkpoints that none of them needs.

    What they refer to is never taken. Nothing is while another run or search is at work in the store.
    """
    from harness.run.references import FILES, keys_of, referred_to, runs_below
    from harness.work.folders import read_folder
    from harness.work.upkeep import check_none_at_work, kept_in, unneeded_checkpoints, unreferenced

    opened, screen = _opened(store), console()
    kept_there = kept_in(opened)
    wanted, folders = set[str](), dict[Path, set[str]]()
    for run in runs:
        with read_folder(run, FILES, below=True) as folder:
            wanted |= referred_to(folder)
            folders |= {place: keys_of(place) for place in runs_below(folder)}
    check_none_at_work(opened, folders.values(), wanted)
    found, checkpoints = unreferenced(kept_there, wanted), unneeded_checkpoints(opened, kept_there, wanted)
    taken = [(kept.stage, kept.key, kept.size) for kept in found]
    for stage, key, size in [*taken, *(("checkpoints", *each) for each in checkpoints.items())]:
        screen.print(f"{stage:<12} {key} {size_in_words(size):>10}", highlight=False, soft_wrap=True)
    many = f"{_counted('artifact', [kept.size for kept in found])} that none of {len(folders)} runs refers to"
    if checkpoints:
        many += f", and {_counted('checkpoint', checkpoints.values())} that none of them needs"
    if not yes:
        screen.print(f"{many}. Give --yes to remove them.", highlight=False, soft_wrap=True)
        return
    for kept in found:
        opened.remove(kept.stage, kept.key)
    for key in checkpoints:
        opened.forget(key)
    left = [f"{kept.stage}/{kept.key}" for kept in found if opened.is_left(kept.stage, kept.key)]
    left += [f"checkpoints/{key}" for key in checkpoints if opened.is_checkpoint_left(key)]
    if left:
        for each in left:
            screen.print(f"{each} could not be removed.", style="red", highlight=False, soft_wrap=True)
        of = len(taken) + len(checkpoints)
        screen.print(f"Removed {of - len(left)} of these {of}.", highlight=False, soft_wrap=True)
        raise typer.Exit(1)
    screen.print(f"Removed {many}.", highlight=False, soft_wrap=True)


def _counted(what: str, sizes: Collection[int]) -> str:
    return f"{len(sizes)} {what}{'' if len(sizes) == 1 else 's'} ({size_in_words(sum(sizes))})"


@commands.command("copy")
def copy_artifacts(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A folder or a URI.", show_default=False)],
    store: StorePath = "store",
) -> None:
    """Copies every artifact that the target lacks; a damaged one is left out, said, and makes the exit code 1."""
    from harness.work.remote import open_store
    from harness.work.store import DamagedArtifact
    from harness.work.upkeep import copy, kept_in

    source, other, screen = _opened(store), open_store(target), console()
    other.create()
    copied, damaged, kept = 0, 0, kept_in(source)
    for each in kept:
        try:
            copied += copy(source, other, each)
        except DamagedArtifact as error:
            damaged += 1
            screen.print(f"{error}.", style="red", markup=False, highlight=False, soft_wrap=True)
    screen.print(
        f"Copied {copied} artifacts, {len(kept) - copied - damaged} were there, {damaged} damaged.", highlight=False
    )
    if damaged:
        raise typer.Exit(1)


def _opened(place: str) -> Store:
    from harness.work.remote import open_store

    store = open_store(place)
    if not store.is_there():
        raise BadInput(f"--store {place}: there is no store here.")
    return store
