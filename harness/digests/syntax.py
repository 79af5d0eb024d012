"""A module's syntax tree without parts that have no effect, its hash, and the modules it imports."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterator, Mapping

from harness.digests.modules import Module

_IMPORTERS = ("importlib.import_module", "__import__", "importlib.__import__")


@functools.cache
def tree_of(module: Module) -> ast.Module | None:
    """Its source less docstrings and what is under TYPE_CHECKING; None for what is no Python source."""
    if not module.file.endswith(".py"):
        return None
    try:
        tree = ast.parse(module.data)
    except (SyntaxError, ValueError):
        return None
    tree.body = [node for node in tree.body if not _lists_plugins(node)]
    cleaned: ast.Module = _Cleaner(keep_docstrings=b"__doc__" in module.data).visit(tree)
    return cleaned


def _lists_plugins(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return any(isinstance(target, ast.Name) and target.id == "PLUGIN_MODULES" for target in targets)


class _Cleaner(ast.NodeTransformer):
    def __init__(self, keep_docstrings: bool) -> None:
        self._keep_docstrings = keep_docstrings

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant) and not (self._keep_docstrings and isinstance(node.value.value, str)):
            return None
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.AST]:
        self.generic_visit(node)
        test = node.test.attr if isinstance(node.test, ast.Attribute) else getattr(node.test, "id", None)
        return list(node.orelse) if test == "TYPE_CHECKING" else node


def hash_of(tree: ast.AST) -> str:
    """Of the syntax, without line numbers. It differs between versions of Python, each of which has its own keys."""
    return hashlib.sha256(ast.dump(tree).encode("utf-8", "surrogatepass")).hexdigest()


def imports_of(tree: ast.AST, package: str) -> Iterator[str]:
    """Names that may be modules: those of import statements, what is taken from them, and literals of import_module."""
    known = imported_names(tree, package)
    for node in nodes_of(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            name = dotted(node, known)
            yield from [name] if name is not None else []
        elif isinstance(node, ast.Call) and dotted(node.func, known) in _IMPORTERS:
            yield from _literal_import(node, package)


def is_computed_import(node: ast.AST, known: Mapping[str, str], package: str) -> bool:
    """Whether a node imports a module whose name is no literal."""
    return isinstance(node, ast.Call) and dotted(node.func, known) in _IMPORTERS and not _literal_import(node, package)


def _literal_import(call: ast.Call, package: str) -> list[str]:
    given = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "name")][:1]
    if not given or not isinstance(given[0], ast.Constant) or not isinstance(given[0].value, str):
        return []
    name = given[0].value
    level = len(name) - len(name.lstrip("."))
    return [_absolute(name[level:], level, package)]


def _base(node: ast.ImportFrom, package: str) -> str:
    return _absolute(node.module or "", node.level, package)


def _absolute(name: str, level: int, package: str) -> str:
    """A relative name, with so many dots before it, as one from the top."""
    parts = package.split(".")
    return ".".join(filter(None, [".".join(parts[: len(parts) - level + 1]) if level else "", name]))


@functools.cache
def nodes_of(tree: ast.AST) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree))


@functools.cache
def imported_names(tree: ast.AST, package: str) -> Mapping[str, str]:
    """Each local name of something imported -> its full name."""
    found = {}
    for node in nodes_of(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                found[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name] = f"{_base(node, package)}.{alias.name}"
    return found


def dotted(node: ast.AST, known: Mapping[str, str]) -> str | None:
    """``np.load`` as ``numpy.load``; a name that was not imported as it stands; None for anything else.

    An attribute of something that was not imported is None too.
    """
    if isinstance(node, ast.Name):
        return known.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        if isinstance(node.value, ast.Name) and node.value.id not in known:
            return None
        base = dotted(node.value, known)
        return None if base is None else f"{base}.{node.attr}"
    return None
