"""YAML to plain values, within limits: whoever wrote the text, reading it takes little time, memory and depth."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

DEEPEST = 50
"""How deep lists and mappings may lie in one another."""
MOST_WRITTEN = 150_000
"""How many values, lists and mappings a text may hold: 16,000 entries with two parameters each."""
MOST_VALUES = 1_000_000
"""The same, each alias counted as all that it stands for."""
LONGEST_VALUE = 10_000
"""Characters of one value: more than any path, name or sentence has."""
HAS_LIBYAML: bool = yaml.__with_libyaml__
_SHORT = 1 << 15
"""Up to so many characters PyYAML's own parser is fast enough; it says better what is wrong than libyaml."""


class Refused(yaml.MarkedYAMLError):
    """What is valid YAML and beyond what a spec may hold."""


def load_yaml(text: str) -> Any:
    """The values of a text's one document, mappings as dicts. Raises yaml.YAMLError; Refused for what is too much."""
    if not HAS_LIBYAML or len(text) <= _SHORT:
        return yaml.load(text, _Loader)
    _check_length(text)
    return yaml.load(text, _FastLoader)


def _check_length(text: str) -> None:
    """Counts what stands in a text, and how deep, which takes a tenth of the time that reading it takes."""
    count = depth = 0
    for event in yaml.parse(text, yaml.CLoader):
        if isinstance(event, yaml.NodeEvent):
            count += 1
            if count > MOST_WRITTEN:
                raise _too_long(event.start_mark)
            if depth >= DEEPEST:
                raise _too_deep(event.start_mark)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)


@dataclass(frozen=True)
class _Extent:
    """How many values a node stands for, and how deep they lie in one another."""

    values: int
    depth: int


class _Bounded(Composer, SafeConstructor, Resolver):
    """YAML in which a duplicate key in a mapping is an error.

    Numbers are those of YAML 1.2: 1e-3 is one, and 2:16 or 010 are not taken for 136 and 8.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - as its base class has it
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:int"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self) -> None:
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        Resolver.__init__(self)
        self._depth = self._written = 0
        self._extents: dict[int, _Extent | None] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Stops at what lies too deep, before the text behind it is looked at, and at what holds too much."""
        event: Any = self.peek_event()  # type: ignore[attr-defined]
        self._depth += 1
        self._written += 1
        if self._written > MOST_WRITTEN:
            raise _too_long(event.start_mark)
        if self._depth > DEEPEST:
            raise _too_deep(event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None and isinstance(event, yaml.ScalarEvent) and len(node.value) > LONGEST_VALUE:
            raise _refused(
                f"a value has {len(node.value):,} characters, at most {LONGEST_VALUE:,} can be", event.start_mark
            )
        return node

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if node is not None:
            self._measure(node)
        return node

    def _measure(self, node: yaml.Node) -> _Extent:
        """Each node once, in the order of the text: what an alias stands for is known where it is met."""
        if id(node) in self._extents:
            known = self._extents[id(node)]
            if known is None:
                raise _refused("an alias stands for a list or a mapping that it lies in itself", node.start_mark)
            return known
        self._extents[id(node)] = None
        children = [] if isinstance(node, yaml.ScalarNode) else node.value
        inner = [self._measure(n) for child in children for n in (child if isinstance(child, tuple) else (child,))]
        extent = _Extent(1 + sum(each.values for each in inner), 1 + max((each.depth for each in inner), default=0))
        if extent.depth > DEEPEST:
            raise _too_deep(node.start_mark)
        if extent.values > MOST_VALUES:
            raise _refused(f"with its aliases written out it has more than {MOST_VALUES:,} values", node.start_mark)
        self._extents[id(node)] = extent
        return extent

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """A scalar that has the form of a number or a date and is none is an error of YAML too."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError, LookupError, AttributeError, TypeError):
            kind = node.tag.rpartition(":")[2]
            what = repr(node.value[:30]) if isinstance(node, yaml.ScalarNode) else "this"
            raise yaml.constructor.ConstructorError(
                None, None, f"{what} cannot be read as {kind}", node.start_mark
            ) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(None, None, "a mapping is expected here", node.start_mark)
        merge = "tag:yaml.org,2002:merge"
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != merge]
        for key, times in Counter(map(repr, keys)).items():
            if times > 1:
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key}", node.start_mark)
        return super().construct_mapping(node, deep)


_Bounded.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
)
_Bounded.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^([-+]?(0|[1-9]\d*)|0x[0-9a-fA-F]+)$"), list("-+0123456789")
)


class _Loader(_Bounded, yaml.SafeLoader):
    """With PyYAML's own parser."""

    def __init__(self, stream: str) -> None:
        yaml.SafeLoader.__init__(self, stream)
        _Bounded.__init__(self)


if HAS_LIBYAML:

    class _FastLoader(_Bounded, yaml.CSafeLoader):
        """With libyaml's."""

        def __init__(self, stream: str) -> None:
            yaml.CSafeLoader.__init__(self, stream)
            _Bounded.__init__(self)


def _too_long(mark: Any) -> Refused:
    return _refused(f"it has more than {MOST_WRITTEN:,} values", mark)


def _too_deep(mark: Any) -> Refused:
    return _refused(f"lists and mappings lie in one another more than {DEEPEST} deep", mark)


def _refused(what: str, mark: Any) -> Refused:
    return Refused(problem=what, problem_mark=mark)
