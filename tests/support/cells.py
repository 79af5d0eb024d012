"""The cells of a notebook, run as IPython runs them: tracebacks and plugins find their text."""

from __future__ import annotations

import ast
import contextlib
import io
import itertools
import linecache
import sys
import types
from typing import Any

_numbers = itertools.count()


class Cells:
    """A notebook's module. Use it as a context, so that the module is gone afterwards."""

    def __init__(self) -> None:
        self.module = types.ModuleType(f"notebook_{next(_numbers)}")

    def __enter__(self) -> Cells:
        sys.modules[self.module.__name__] = self.module
        return self

    def __exit__(self, *_: object) -> None:
        del sys.modules[self.module.__name__]

    def __getitem__(self, name: str) -> Any:
        return vars(self.module)[name]

    def run(self, text: str) -> str:
        """What a notebook shows below a cell: what it prints, or its last expression."""
        name = f"<cell {next(_numbers)}>"
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        *statements, last = ast.parse(text).body
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if not isinstance(last, ast.Expr):
                exec(compile(ast.Module([*statements, last], []), name, "exec", dont_inherit=True), vars(self.module))
                return printed.getvalue()
            exec(compile(ast.Module(statements, []), name, "exec", dont_inherit=True), vars(self.module))
            shown = eval(compile(ast.Expression(last.value), name, "eval", dont_inherit=True), vars(self.module))
        return printed.getvalue() if shown is None else f"{shown!r}\n"
