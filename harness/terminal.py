"""What is printed: text that no one vouches for (names, paths, messages) cannot command the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from harness.complaints import harmless


class Screen(Console):
    """A console that prints as escapes, such as ``\\x1b``, whatever in a text is not printable.

    Colors and cursor movements are rich's own and travel beside the text.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Renders as rich does, with harmless text."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(harmless(text), style)
