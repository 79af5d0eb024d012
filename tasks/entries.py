"""What a user's folder has in it: folders, image files, and what is neither, with the reason."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from harness.contracts import BadInput
from harness.image_files import EXTENSIONS

FOLDER, IMAGE = "folders", "images"
REASONS = 8
"""So many are told apart in a sentence."""


def inside(folder: Path | str) -> list[os.DirEntry[str]]:
    """The entries of a folder by name; BadInput where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise BadInput(f"{folder} cannot be listed ({error.strerror}); make it a folder that can be read.") from None


def sort_of(entry: os.DirEntry[str]) -> str:
    """``FOLDER``, ``IMAGE``, or else why it is left out, such as ``"hidden"``; links count as what they lead to."""
    if entry.name.startswith("."):
        return "hidden"
    try:
        if entry.is_dir():
            return FOLDER
        found = entry.is_file()
    except OSError:  # a link that leads to itself, or to where nobody may look
        return "broken links"
    if not found:
        return "broken links" if entry.is_symlink() and not os.path.exists(entry.path) else "neither files nor folders"
    if entry.name.lower().endswith(EXTENSIONS):
        return IMAGE
    suffix = Path(entry.name).suffix.lower()
    return f"with the suffix {suffix!r}" if suffix else "without a suffix"


@dataclass
class LeftOut:
    """Counts what is left out below a folder, by reason."""

    root: Path
    count: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, path: Path | str) -> None:
        self.count[reason] += 1
        if reason not in self.first:
            self.first[reason] = os.path.relpath(path, self.root)

    def in_words(self) -> str:
        """``3 entries are left out: hidden (2, such as a/.b), ...``, without a full stop; empty where nothing is."""
        if not self.count:
            return ""
        told = [f"{why} ({n:,}, such as {self.first[why]})" for why, n in self.count.most_common(REASONS)]
        if len(self.count) > REASONS:
            told.append(f"for {len(self.count) - REASONS:,} other reasons")
        total = self.count.total()
        return f"{total:,} {'entry is' if total == 1 else 'entries are'} left out: {', '.join(told)}"
