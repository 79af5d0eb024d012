"""The part of a plugin's module that some of its methods need: a fit does not depend on code used only to explain.

A part of a module is left out if it is certain that nothing in the rest can reach it. If that is not certain, for
example when a method passes ``self`` on, the whole class is kept.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from harness.digests.syntax import dotted, imported_names, nodes_of

_MARKS = {"quantizer", "codec", "dataset", "classifier", "report", "claim"}
_RESOURCES = {"needs", "needs_in_use"}
_ABOUT = _RESOURCES | {"paper", "scales", "credit", "sources", "version", "fingerprinted", "departures_of"}
"""Class data that the engine reads: resources, what a report says, and values that go into parameters."""
_ASKED = {"least_memory"}
"""Methods that only the engine calls, and no job: they can refuse parameters and change nothing else."""
_EMPTY_BASES = re.compile(r"object|(abc|typing|harness\.contracts|fewcolors)\.\w+")
"""Base classes without code that calls a plugin's methods."""
_PLAIN = {"property", "cached_property", "staticmethod", "classmethod", "abstractmethod", "override", "setter"}
"""Decorators under which a method still runs only where it is called."""
_REFLECTION = {"globals", "locals", "eval", "exec"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def needed_of(tree: ast.Module, package: str, class_name: str, called: Iterable[str]) -> ast.Module:
    """The module with the class of this name and what its methods ``called`` may use; all of it where there is no such
    class at its top."""
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if class_name not in classes or _REFLECTION & _names(tree):
        return tree
    family, closed = _family(classes, class_name, imported_names(tree, package))
    kept = _kept(_parts(tree, family, closed), set(called))
    if closed and any(_escapes(part, set(family)) for part in kept):
        kept = _kept(_parts(tree, family, closed=False), set(called))
    return _assembled(kept)


@dataclass(eq=False)
class _Part:
    """A statement of the module or a member of the class, whatever its owner is.

    optional: it may be left out unless something reaches it.
    """

    node: ast.stmt
    owner: str | None
    optional: bool

    @cached_property
    def names(self) -> set[str]:
        return _names(self.node)

    @cached_property
    def attributes(self) -> set[str]:
        return {node.attr for node in nodes_of(self.node) if isinstance(node, ast.Attribute)}

    @cached_property
    def binds(self) -> set[str]:
        return _bound(self.node)


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in nodes_of(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}


def _bound(node: ast.stmt) -> set[str]:
    """The names that a definition defines; none for what is no definition."""
    if isinstance(node, Function | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names} - {"*"}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)} if len(targets) == 1 else set()


def _family(
    classes: dict[str, ast.ClassDef], class_name: str, known: Mapping[str, str]
) -> tuple[dict[str, ast.ClassDef], bool]:
    """The class with its bases in this module, and whether these are all the bases with code of their own."""
    family, pending, closed = dict[str, ast.ClassDef](), [class_name], True
    while pending:
        node = classes[pending.pop()]
        family[node.name] = node
        closed = closed and not node.keywords
        for base in node.bases:
            name = dotted(base.value if isinstance(base, ast.Subscript) else base, known) or ""
            if name in classes:
                pending.append(name)
            elif not _EMPTY_BASES.fullmatch(name):
                closed = False
    return family, closed


def _parts(tree: ast.Module, family: dict[str, ast.ClassDef], closed: bool) -> list[_Part]:
    """closed: nothing but this module calls the methods of the family. Members come behind their class."""
    parts = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and family.get(node.name) is node:
            members = [
                _Part(_without_default(m) if closed else m, node.name, _is_optional(m, closed)) for m in node.body
            ]
            frame = copy.copy(node)
            frame.body = []
            frame.decorator_list = [d for d in node.decorator_list if not _is_mark(d)]
            parts += [_Part(frame, None, False), *members]
        else:
            parts += [_Part(each, None, False) for each in _split(node)]
    for part in parts:
        if part.owner is None and part.binds - set(family):
            others = any(part.binds & other.names for other in parts if other is not part)
            part.optional = others or _is_plugin(part.node)
    return parts


def _split(node: ast.stmt) -> Iterator[ast.stmt]:
    """An import of several names as several imports."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            single = copy.copy(node)
            single.names = [alias]
            yield single
    else:
        yield node


def _is_plugin(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef) and any(map(_is_mark, node.decorator_list))


def _is_mark(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and _last_name(decorator.func) in _MARKS


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_optional(member: ast.stmt, closed: bool) -> bool:
    if isinstance(member, Function):
        if member.name in _ASKED and not member.decorator_list:
            return True
        special = member.name.startswith("__") and member.name.endswith("__")
        return closed and not special and all(_last_name(d) in _PLAIN for d in member.decorator_list)
    return bool(_bound(member)) and _bound(member) <= (_ABOUT if closed else _RESOURCES)


def _without_default(member: ast.stmt) -> ast.stmt:
    """A parameter without its plain default: the value that a job has is in its key."""
    if not isinstance(member, ast.AnnAssign) or not isinstance(member.value, ast.Constant):
        return member
    if "ClassVar" in ast.dump(member.annotation):
        return member
    bare = copy.copy(member)
    bare.value = None
    return bare


def _kept(parts: list[_Part], called: set[str]) -> list[_Part]:
    """The parts that are no option, and those that they or what is called reach, in their order."""
    kept = {part for part in parts if not part.optional}
    fresh, names, attributes = list(kept), set[str](), set(called)
    while True:
        for part in fresh:
            names |= part.names
            attributes |= part.attributes
        fresh = [
            part
            for part in parts
            if part not in kept and part.binds & (names if part.owner is None else names | attributes)
        ]
        if not fresh:
            return [part for part in parts if part in kept]
        kept |= set(fresh)


def _escapes(part: _Part, family: set[str]) -> bool:
    """Whether code elsewhere may get hold of an instance or the class, and call what it likes."""
    body = part.node
    if isinstance(body, ast.ClassDef) and body.name in family:
        return False
    if part.names & family or "__class__" in part.attributes:
        return True
    if part.owner is None or not isinstance(body, Function):
        return False
    arguments = [*body.args.posonlyargs, *body.args.args]
    if not arguments or any(_last_name(d) == "staticmethod" for d in body.decorator_list):
        return False
    followed = {id(node.value) for node in ast.walk(body) if isinstance(node, ast.Attribute)}
    return any(
        isinstance(node, ast.Name) and node.id == arguments[0].arg and id(node) not in followed
        for node in ast.walk(body)
    )


def _assembled(kept: list[_Part]) -> ast.Module:
    frames = {part.node.name: part.node for part in kept if isinstance(part.node, ast.ClassDef) and part.owner is None}
    for part in kept:
        if part.owner is not None:
            frames[part.owner].body.append(part.node)
    return ast.Module([part.node for part in kept if part.owner is None], [])
