"""Where a published set is found if ``data_root`` is one level too deep or too high."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.contracts import BadInput
from tasks.entries import FOLDER, inside, sort_of


def nearest(stated: Path, holds: Callable[[Path], bool], title: str) -> tuple[Path, str]:
    """The folder that holds a set: the stated one, else the one above it, else the only one of those in it.

    Args:
        stated: What ``data_root`` says.
        holds: Whether anything of the set is in a folder.
        title: What the set is called.

    Returns:
        The folder and, where it is another than the stated one, a sentence about that. The stated one, without a
        sentence, where none holds anything.

    Raises:
        BadInput: Several of the folders in the stated one hold something.
    """
    if holds(stated):
        return stated, ""
    above = stated.parent
    if above != stated and holds(above):
        return above, f"{title} is in {above}, one level above data_root {stated}: it is taken from there."
    below = [folder for folder in _folders(stated) if holds(folder)]
    if len(below) > 1:
        names = ", ".join(map(str, below))
        raise BadInput(f"data_root: {stated} has {title} in several folders ({names}); name one of them.")
    if below:
        return below[0], f"{title} is in {below[0]}, one level below data_root {stated}: it is taken from there."
    return stated, ""


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return [Path(entry.path) for entry in inside(root) if sort_of(entry) == FOLDER]
