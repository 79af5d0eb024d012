"""A class that a notebook defines, as a plugin file: its own text, with what it uses of the notebook put before it.

Workers have no notebook. So the file imports what the class uses of other modules, repeats the functions, classes and
plain constants of the notebook that it uses, and holds nothing else of it. What cannot be said in a text, such as an
array, is refused in one sentence: no object is pickled, and the text is what goes into keys.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import functools
import importlib.util
import inspect
import linecache
import symtable
import sys
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.complaints import shown
from harness.contracts import BadInput
from harness.registry import mark_of
from harness.sources import Source, read_source

_FILE_INSTEAD = "save the class as a file and pass its path, such as plugins=['my_plugin.py']"
_OURS = ("fewcolors", "harness", "methods", "tasks", "reports")
_LITERALS = (bool, int, float, complex, str, bytes, type(None), tuple, list, dict, set, frozenset)
Definition = type | types.FunctionType


def source_of_class(cls: type) -> Source:
    """A plugin class: the module it can be imported from, else a file of its own. Raises BadInput."""
    if mark_of(cls) is None:
        raise BadInput(
            f"plugins: class {cls.__name__} is no plugin; mark it with @fc.quantizer, @fc.codec, @fc.dataset, "
            "@fc.classifier or @fc.report."
        )
    if _can_be_imported(cls.__module__):
        return read_source(cls.__module__)
    return read_source(str(_file(cls.__name__, text_of_class(cls))))


@functools.cache
def _session() -> tempfile.TemporaryDirectory[str]:
    """A folder of this process, gone with it."""
    return tempfile.TemporaryDirectory(prefix="fewcolors-")


@functools.cache
def _file(name: str, text: str) -> Path:
    path = Path(tempfile.mkdtemp(dir=_session().name)) / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    return path


def _can_be_imported(module: str) -> bool:
    try:
        return module != "__main__" and importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def text_of_class(cls: type) -> str:
    """A whole module with the class and all that it uses. Raises BadInput where that cannot be written as text."""
    parts: dict[int, str] = {}
    imports: dict[str, None] = {}
    _add(cls, cls, parts, imports)
    return "\n".join([*sorted(imports, key=lambda line: "__future__" not in line), "\n", "\n\n".join(parts.values())])


def _add(thing: Definition, wanted_by: type, parts: dict[int, str], imports: dict[str, None]) -> None:
    """Puts what a definition uses before it. parts: by the identity of what they define."""
    if id(thing) in parts:
        return
    parts[id(thing)] = ""  # what uses itself, or each other, is written once
    function = _function_of(thing)
    text = _text(thing, function)
    if function.__code__.co_flags & __future__.annotations.compiler_flag:
        imports["from __future__ import annotations"] = None
    lines = []
    for name in sorted(_outer_names(text)):
        if name not in function.__globals__:
            continue
        value = function.__globals__[name]
        definition = value if isinstance(value, type) else _undecorated(value)
        if inspect.ismodule(value):
            _check_is_elsewhere(value.__name__, wanted_by)
            imports[f"import {value.__name__} as {name}"] = None
        elif found := _importable(value):
            _check_is_elsewhere(found[0], wanted_by)
            imports[f"from {found[0]} import {found[1]} as {name}"] = None
        elif isinstance(definition, type | types.FunctionType) and definition.__name__ == name:
            _add(definition, wanted_by, parts, imports)
        elif _is_literal(value):
            lines.append(f"{name} = {value!r}")
        else:
            raise BadInput(
                f"plugins: {wanted_by.__name__} uses {name}, which is {shown(value)} of the notebook and cannot be "
                f"written into a plugin's source; make it part of the class, or {_FILE_INSTEAD}."
            )
    del parts[id(thing)]  # behind what it uses
    parts[id(thing)] = "\n".join([*lines, text])


def _function_of(thing: Definition) -> types.FunctionType:
    """A function whose text is at hand: the thing itself, or a method that the class statement defines."""
    if isinstance(thing, types.FunctionType):
        candidates: list[object] = [thing]
    else:
        candidates = [_undecorated(value) for value in vars(thing).values()]
    for function in candidates:
        own = isinstance(function, types.FunctionType) and f"{function.__qualname__}.".startswith(
            f"{thing.__qualname__}."
        )
        if own and linecache.getlines(function.__code__.co_filename):  # type: ignore[attr-defined]
            return function  # type: ignore[return-value]
    raise BadInput(
        f"plugins: the source text of {thing.__qualname__} is not at hand (a %% magic hides it); {_FILE_INSTEAD}."
    )


def _undecorated(value: object) -> object:
    """The function behind a static or class method, a property, and decorators that say what they wrap."""
    behind: Any = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
    return inspect.unwrap(behind) if callable(behind) else behind


def _text(thing: Definition, function: types.FunctionType) -> str:
    """The statement that defined it, with its decorators, out of the cell or file it stands in."""
    lines = linecache.getlines(function.__code__.co_filename)
    kind = ast.ClassDef if isinstance(thing, type) else ast.FunctionDef
    for node in ast.parse("".join(lines)).body:
        if isinstance(node, kind) and node.name == thing.__name__:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first <= function.__code__.co_firstlineno <= (node.end_lineno or 0):
                return "".join(lines[first - 1 : node.end_lineno])
    raise BadInput(f"plugins: {thing.__qualname__} is not defined by itself at the top of a cell; {_FILE_INSTEAD}.")


def _outer_names(text: str) -> set[str]:
    """The names that a definition takes from the module it stands in."""
    annotations = [part for node in ast.walk(ast.parse(text)) for part in _annotations(node)]
    named = {node.id for part in annotations for node in ast.walk(part) if isinstance(node, ast.Name)}
    return (named | set(_globals(symtable.symtable(text, "plugin", "exec")))) - set(vars(builtins))


def _annotations(node: ast.AST) -> Iterator[ast.AST]:
    """Also where they are not evaluated they may be looked up later."""
    for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
        if isinstance(part, ast.AST):
            yield part


def _globals(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        outer = symbol.is_global() if table.get_type() != "module" else not symbol.is_assigned()
        if outer and symbol.is_referenced():
            yield symbol.get_name()
    for child in table.get_children():
        yield from _globals(child)


def _importable(value: object) -> tuple[str, str] | None:
    """The module and the name under which anyone can import it."""
    module = getattr(value, "__module__", None)
    for name in (getattr(value, attribute, None) for attribute in ("__qualname__", "__name__", "_name")):
        if not (isinstance(module, str) and isinstance(name, str) and name.isidentifier()):
            continue
        if getattr(sys.modules.get(module), name, None) is value and _can_be_imported(module):
            return module, name
    return None


def _check_is_elsewhere(module: str, wanted_by: type) -> None:
    """Raises BadInput for a module beside the notebook: neither workers nor keys would know what stands in it."""
    top = module.partition(".")[0]
    file = getattr(sys.modules.get(top), "__file__", None)
    if file is None or top in _OURS:
        return
    home = Path(file).parent.parent if Path(file).name == "__init__.py" else Path(file).parent
    if home.resolve() == Path.cwd():
        raise BadInput(
            f"plugins: {wanted_by.__name__} uses the module {module}, which lies in this folder and travels to no "
            f"worker; put the class into that module and pass plugins=[{module!r}]."
        )


def _is_literal(value: object) -> bool:
    try:
        return type(value) in _LITERALS and ast.literal_eval(repr(value)) == value
    except (ValueError, SyntaxError):
        return False
