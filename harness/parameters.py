"""A plugin's parameters, the annotated fields of its class: name, type in words, default and explanation."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pydantic

from harness.docstrings import explanations_of


@dataclass(frozen=True)
class Parameter:
    """One field of a plugin class.

    Attributes:
        name: The field's name.
        type: Its type in words.
        required: Whether it has no default.
        value: Its default, None where it is required.
        explanation: What the class's docstring says of it, empty where it says nothing.
    """

    name: str
    type: str
    required: bool
    value: Any
    explanation: str = ""

    @property
    def default(self) -> str:
        """As it is written in a spec."""
        plain = {None: "null", True: "true", False: "false"}
        simple = self.value is None or isinstance(self.value, bool)
        return "required" if self.required else plain[self.value] if simple else repr(self.value)


def parameters_of(cls: type) -> tuple[Parameter, ...]:
    """The parameters of a plugin class, a dataclass, in the order of its fields."""
    hints, explained = typing.get_type_hints(cls, include_extras=True), explanations_of(cls)
    return tuple(
        Parameter(
            name=field.name,
            type=type_in_words(hints[field.name]),
            required=_is_required(field),
            value=None if _is_required(field) else _default(field),
            explanation=explained.get(field.name, ""),
        )
        for field in dataclasses.fields(cls)
    )


def _is_required(f: dataclasses.Field[Any]) -> bool:
    return f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING


def _default(f: dataclasses.Field[Any]) -> Any:
    return f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default


_BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


def type_in_words(annotation: Any) -> str:
    """A parameter's type as a user reads it: ``int >= 1``, ``'unet' | 'dncnn'``, ``float > 0 | null``."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return " | ".join(map(repr, arguments))
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(type_in_words, arguments))
    if origin is Annotated:
        field = pydantic.fields.FieldInfo.from_annotation(annotation)
        bounds = [
            f"{sign} {getattr(rule, name):g}"
            for rule in field.metadata
            for name, sign in _BOUNDS.items()
            if hasattr(rule, name)
        ]
        return " ".join([type_in_words(arguments[0]), " and ".join(bounds)]).strip()
    if annotation is type(None):
        return "null"
    return annotation.__name__ if inspect.isclass(annotation) and not arguments else str(annotation)
