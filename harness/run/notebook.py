"""A place in a notebook's output that is updated repeatedly."""

from __future__ import annotations

import io
import time
from typing import Any

from rich.console import Console, RenderableType

REPAINT_SECONDS = 1.0
WIDTH = 120
_HTML = '<pre style="line-height: normal; margin: 0">{code}</pre>'


class NotebookOutput:
    """What is shown last replaces what was shown before, in the cell that started it."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._painted = -REPAINT_SECONDS

    def is_due(self) -> bool:
        """Whether the last time is long enough ago; notebooks keep up with one a second, also far away."""
        return time.monotonic() - self._painted >= REPAINT_SECONDS

    def show(self, shown: RenderableType) -> None:
        """Shows anything rich can, as HTML with the same as text for where there is no HTML."""
        self._painted = time.monotonic()
        self._write(as_mime(shown))

    def clear(self) -> None:
        """Leaves nothing, if anything was shown."""
        if self._handle is not None:
            self._write({"text/plain": ""})

    def _write(self, content: dict[str, str]) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


def as_mime(shown: RenderableType) -> dict[str, str]:
    """HTML and text, by MIME type."""
    paper = Console(file=io.StringIO(), record=True, width=WIDTH, force_jupyter=False, force_terminal=False)
    paper.print(shown)
    html = paper.export_html(inline_styles=True, code_format=_HTML, clear=False)
    return {"text/html": html, "text/plain": paper.export_text()}
