"""Plugins by name: the decorators that mark them and how their parameters are validated."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Literal, TypeVar

import pydantic

from harness.complaints import Complaints, by_place, did_you_mean, one_line, sentence_about, shown, unusable
from harness.contracts import (
    MAX_COLORS,
    MIN_COLORS,
    TAKEN_COLUMNS,
    BadInput,
    DatasetHooks,
    Level,
    LevelKind,
    MethodHooks,
    Needs,
    PluginHooks,
)
from harness.digests import code_of
from harness.parameters import Parameter, parameters_of

Kind = Literal["method", "dataset", "classifier", "metric", "report", "claim"]
_MARK = "__fewcolors__"
T = TypeVar("T", bound=type)


@dataclass(frozen=True)
class Mark:
    """What a decorator leaves on a plugin class.

    Attributes:
        kind: What the plugin is; quantizers and codecs are both a ``method``.
        name: The name by which specs and the command line call it.
        summary: What it is, in a few words, as lists of plugins show it.
        level_kind: What a method's level is: ``colors``, ``quality``, or ``none``.
        levels: The allowed range of the level, both ends included; None where there is no level.
        default_levels: A codec's levels where a spec states none.
        source: Where a claim is made, such as a section of an article.
    """

    kind: Kind
    name: str
    summary: str
    level_kind: LevelKind = "none"
    levels: tuple[int, int] | None = None
    default_levels: tuple[int, ...] | None = None
    source: str = ""


MOST_MEMORY = 2**45
"""Bytes: more than any machine has."""
_MOST_NAMED = 20
"""Plugins that a message lists."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
_CLASS_DATA: Mapping[str, tuple[type, str]] = {
    "needs": (Needs, "fc.Needs(...)"),
    "needs_in_use": (Needs, "fc.Needs(...)"),
    "paper": (Mapping, "a mapping from parameters to values"),
    "scales": (Mapping, "a mapping from scales to mappings"),
    "credit": (str, "a string"),
    "sources": (str, "a string"),
    "joint_colors": (bool, "True or False"),
    "color_counts": (tuple, "a tuple of color counts, 2 to 256"),
    "fingerprinted": (tuple, "a tuple of parameters' names"),
    "departures_of": (tuple, "a tuple of parameters' names"),
}
"""What class data must be, where it is stated."""


def _decorator(mark: Mark, required: tuple[str, ...], hooks: type[PluginHooks] = PluginHooks) -> Callable[[T], T]:
    if not isinstance(mark.name, str) or not _NAME.fullmatch(mark.name):
        raise TypeError(
            f"a {mark.kind}'s decorator needs a name of letters, digits, '_' and '-', at most 60, such as "
            f'@fc.quantizer("my-name"), got {shown(mark.name)}'
        )

    def decorate(cls: T) -> T:
        if not inspect.isclass(cls):
            raise TypeError(f"{mark.kind} {mark.name!r} is a {type(cls).__name__}, a class is needed")
        if "__init__" in vars(cls):
            raise TypeError(
                f"{mark.kind} {mark.name!r} has an __init__; its annotated fields are its parameters, and "
                "__post_init__(self) may prepare what else it needs"
            )
        learned = ("state", "load") if mark.kind == "method" and hasattr(cls, "fit") else ()
        methods = {name: getattr(cls, name, None) for name in (*required, *learned)}
        missing = [n for n, m in methods.items() if not callable(m) or getattr(m, "__isabstractmethod__", False)]
        if missing:
            raise TypeError(f"{mark.kind} {mark.name!r} lacks {' and '.join(f'{name}()' for name in missing)}")
        dataclass(kw_only=True, eq=False)(cls)
        _add_hooks(cls, mark, hooks)
        _check_class_data(cls, mark)
        setattr(cls, _MARK, mark)
        return cls

    return decorate


def _add_hooks(cls: type, mark: Mark, hooks: type[PluginHooks]) -> None:
    """Gives a plugin class the optional methods that it lacks. Raises TypeError where another thing has their name."""
    parameters = {f.name for f in dataclasses.fields(cls)}
    for name in (name for name in dir(hooks) if not name.startswith("_")):
        if name in parameters or not callable(getattr(cls, name, callable)):
            raise TypeError(f"{mark.kind} {mark.name!r}: {name} is the name of an optional method, call it otherwise")
        if not hasattr(cls, name):
            setattr(cls, name, getattr(hooks, name))


def _check_class_data(cls: type, mark: Mark) -> None:
    """Raises TypeError where class data is not what it must be, or names a parameter that there is not."""
    parameters = {f.name for f in dataclasses.fields(cls)}
    for name, (kind, wanted) in _CLASS_DATA.items():
        stated: Any = None if name in parameters else getattr(cls, name, None)
        if stated is None:
            continue
        if not isinstance(stated, kind):
            raise TypeError(f"{mark.kind} {mark.name!r}: {name} is {shown(stated)}, it must be {wanted}")
        for unknown in _named_by(name, stated) - parameters:
            raise TypeError(f"{mark.kind} {mark.name!r}: {name} names {unknown!r}, it has no such parameter")


def _named_by(name: str, stated: Any) -> set[str]:
    """The parameters that class data names."""
    if name == "scales":
        return {each for values in stated.values() for each in values}
    return set(stated) if name in ("paper", "fingerprinted", "departures_of") else set()


def mark_of(cls: type) -> Mark | None:
    """Looks up what its decorator left on a class.

    Args:
        cls: Any class.

    Returns:
        The mark; None where the class has none of its own, even if a base class has one.
    """
    mark: Mark | None = vars(cls).get(_MARK)
    return mark


def quantizer(name: str, *, summary: str = "") -> Callable[[T], T]:
    """Marks a class with ``palettize(images, colors) -> Palettized``; its level is the number of colors, 2 to 256.

    The class becomes a dataclass whose fields, all keywords, are the method's parameters, and gets from ``MethodHooks``
    whatever it lacks. With ``fit`` it is learned, and also needs ``state`` and ``load`` (see ``LearnedQuantizer``).

    Args:
        name: The name by which specs and the command line call it.
        summary: What it is, in a few words, as lists of plugins show it.

    Returns:
        A decorator that returns the same class. It raises TypeError where a required method is missing, or where a
        parameter has the name of an optional method.

    Examples:
        ```python
        @fc.quantizer("gray", summary="steps of gray by brightness")
        class Gray:
            darkest: int = 0

            def palettize(self, images, colors):
                steps = images.mean(axis=3) * colors / 256
                grays = np.linspace(self.darkest, 255, colors).round().astype(np.uint8)
                palettes = np.tile(grays[:, None], (len(images), 1, 3))
                return fc.Palettized(steps.astype(np.uint8), palettes)
        ```
    """
    return _decorator(Mark("method", name, summary, "colors", (MIN_COLORS, MAX_COLORS)), ("palettize",), MethodHooks)


def codec(
    name: str,
    *,
    summary: str = "",
    quality: tuple[int, int] | None = (1, 100),
    default_qualities: tuple[int, ...] = (10, 30, 50, 70, 90),
) -> Callable[[T], T]:
    """Marks a class with ``encode`` and ``decode``, a ``Codec``; its level is its quality.

    Args:
        name: The name by which specs and the command line call it.
        summary: What it is, in a few words, as lists of plugins show it.
        quality: The allowed range of the quality, both ends included; None for a codec without level.
        default_qualities: The levels where a spec states none.

    Returns:
        A decorator that returns the same class, as that of ``quantizer`` does.
    """
    if quality is None:
        mark = Mark("method", name, summary)
    else:
        mark = Mark("method", name, summary, "quality", quality, default_qualities)
    return _decorator(mark, ("encode", "decode"), MethodHooks)


def dataset(name: str, *, summary: str = "") -> Callable[[T], T]:
    """Marks a class with ``load() -> DatasetArrays``, a ``Dataset``.

    Args:
        name: The name by which specs and the command line call it.
        summary: What it is, in a few words, as lists of plugins show it.

    Returns:
        A decorator that returns the same class, as that of ``quantizer`` does; optional methods are those of
        ``DatasetHooks``.
    """
    return _decorator(Mark("dataset", name, summary), ("load",), DatasetHooks)


def classifier(name: str, *, summary: str = "") -> Callable[[T], T]:
    """Marks a class with ``build(classes)`` and ``fit(lesson)``, both giving a network, a ``Classifier``.

    Args:
        name: The name by which specs and the command line call it.
        summary: What it is, in a few words, as lists of plugins show it.

    Returns:
        A decorator that returns the same class, as that of ``quantizer`` does; optional methods are those of
        ``PluginHooks``.
    """
    return _decorator(Mark("classifier", name, summary), ("build", "fit"))


def metric(name: str, *, summary: str = "") -> Callable[[T], T]:
    """Marks a class with ``measure(original, decoded) -> float64 [N]``, a ``Metric``.

    Args:
        name: The name by which specs and the command line call it, and its column's in tables.
        summary: What it measures, in a few words, as lists of plugins show it.

    Returns:
        A decorator that returns the same class, as that of ``quantizer`` does; optional methods are those of
        ``PluginHooks``.

    Raises:
        TypeError: Tables have a column of this name already.
    """
    if name in TAKEN_COLUMNS:
        raise TypeError(f"metric {name!r}: tables have a column of this name already, call it otherwise")
    return _decorator(Mark("metric", name, summary), ("measure",))


def report(name: str, *, summary: str = "") -> Callable[[T], T]:
    """Marks a class with ``write(results, folder) -> Path``, a ``Report``.

    Args:
        name: The name by which specs and the command line call it.
        summary: What it is, in a few words, as lists of plugins show it.

    Returns:
        A decorator that returns the same class, as that of ``quantizer`` does; optional methods are those of
        ``PluginHooks``.
    """
    return _decorator(Mark("report", name, summary), ("write",))


def claim(name: str, *, statement: str, source: str = "") -> Callable[[T], T]:
    """Marks a class with ``judge(run) -> Verdict``, a ``Claim``: a statement that reports hold against a run's numbers.

    Args:
        name: What tables call it.
        statement: What it says, one sentence.
        source: Where it says so, such as a section of an article.

    Returns:
        A decorator that returns the same class, as that of ``quantizer`` does.

    Examples:
        ```python
        @fc.claim("wu-ahead", statement="Wu's quantizer beats MedianCut with 4 colors.", source="our expectation")
        class WuAhead:
            def judge(self, run):
                return run.ahead("wu", "median-cut", level=4)
        ```
    """
    return _decorator(Mark("claim", name, statement, source=source), ("judge",))


@dataclass(frozen=True, eq=False)
class Plugin:
    """A marked class and where it came from.

    Attributes:
        mark: What its decorator left on it.
        cls: The class, by now a dataclass of its parameters.
        origin: Where it came from, in words: a distribution, a file, a module.
    """

    mark: Mark
    cls: type
    origin: str

    @property
    def name(self) -> str:
        """The name by which specs and the command line call it."""
        return self.mark.name

    @property
    def needs(self) -> Needs:
        """What one of its jobs occupies, as the class states it; an empty ``Needs`` where it states nothing."""
        needs: Needs = self._class_data("needs", Needs())
        return needs

    @property
    def needs_in_use(self) -> Needs:
        """The same of a job that uses what was trained: applies a learned method, or has a classifier judge."""
        needs: Needs = self._class_data("needs_in_use", Needs())
        return replace(needs, memory=self.needs.memory) if needs.memory is None else needs

    @property
    def paper(self) -> Mapping[str, Any]:
        """The paper's values of its parameters, where there are such; a report names every departure."""
        stated: Mapping[str, Any] = self._class_data("paper", {})
        return {name: value for name, value in stated.items() if name in self._fields}

    @property
    def scales(self) -> Mapping[str, Mapping[str, Any]]:
        """What its parameters are at a named scale (``small``: minutes on a laptop)."""
        scales: Mapping[str, Mapping[str, Any]] = self._class_data("scales", {})
        return scales

    @property
    def credit(self) -> str:
        """Whose work a dataset is made of, and under which license."""
        credit: str = self._class_data("credit", "")
        return credit

    @property
    def sources(self) -> str:
        """What has to be known of a dataset's sources to read its intervals, in a sentence or two."""
        sources: str = self._class_data("sources", "")
        return sources

    @property
    def fingerprinted(self) -> tuple[str, ...]:
        """Parameters that only say where the files are whose content ``fingerprint()`` names."""
        names: tuple[str, ...] = self._class_data("fingerprinted", ())
        return names

    @property
    def departures_of(self) -> tuple[str, ...]:
        """Parameters whose departures from the paper its own ``departures`` states."""
        names: tuple[str, ...] = self._class_data("departures_of", ())
        return names

    @property
    def writes_onnx(self) -> bool:
        """Whether a method can be exported as ONNX."""
        return self.mark.kind == "method" and self.cls.onnx_module is not MethodHooks.onnx_module  # type: ignore[attr-defined]

    @property
    def learns(self) -> bool:
        """Whether a method is trained before it is applied."""
        return self.mark.kind == "method" and callable(getattr(self.cls, "fit", None))

    @property
    def joint_colors(self) -> bool:
        """Whether one training serves all color counts; where a parameter of this name decides, by its default."""
        return self.joins_colors(self.cls)

    def joins_colors(self, instance: Any) -> bool:
        """Says whether one training of an instance serves all color counts, as class data or its parameter has it."""
        return getattr(instance, "joint_colors", False) is True

    @property
    def color_counts(self) -> tuple[int, ...] | None:
        """The only color counts that a quantizer can give, ascending; None: all of its range."""
        stated = self._class_data("color_counts", None)
        return None if stated is None else tuple(sorted(stated))

    def lacks(self, levels: Iterable[Level]) -> str:
        """Says which of these levels it cannot give, and which it can; empty where it can give all."""
        counts = self.color_counts
        others = [level for level in levels if counts is not None and level not in counts]
        if counts is None or not others:
            return ""
        can = f"{', '.join(map(str, counts[:-1]))} or {counts[-1]}" if len(counts) > 1 else str(counts[0])
        return f"{self.name!r} gives {can} colors, not {', '.join(map(str, others))}"

    @functools.cached_property
    def _fields(self) -> set[str]:
        return {f.name for f in dataclasses.fields(self.cls)}

    def _class_data(self, name: str, otherwise: Any) -> Any:
        """What the class states under ``name``, unless that is one of its parameters."""
        return otherwise if name in self._fields else getattr(self.cls, name, otherwise)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its parameters in the order of the class, with types, defaults and explanations."""
        return parameters_of(self.cls)

    @functools.cached_property
    def adapter(self) -> pydantic.TypeAdapter[Any]:
        """What validates values of its parameters, by their annotations."""
        return pydantic.TypeAdapter(self.cls)

    @property
    def version(self) -> object:
        """What the class states as the version of its code, or None."""
        return self._class_data("version", None)

    def source_digest(self, called: tuple[str, ...]) -> str:
        """Hashes all code that some of its methods can reach; a stated ``version`` stands for its own.

        Args:
            called: The names of the methods that a job calls.

        Returns:
            The hash, as it goes into keys.
        """
        return code_of(self.cls, called).digest(self.version)

    def unknown(self, called: tuple[str, ...], fingerprint: str | None = None) -> str | None:
        """Says what changes the numbers of these methods and is in no key.

        A plugin that states its version, or what it reads by a ``fingerprint``, has said all of it.

        Args:
            called: The names of the methods that a job calls.
            fingerprint: What its ``fingerprint`` said, if anything.

        Returns:
            A sentence for the user; None where nothing is known of.
        """
        found = code_of(self.cls, called).unknown
        if not found or self.version is not None or fingerprint is not None:
            return None
        first, more = found[0], f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        return (
            f"{self.mark.kind} {self.name!r} {first.what} at {first.file}:{first.line}{more}. No key can hold that: "
            "stored results are used again even if it has changed. Name its content in a method fingerprint(), or "
            'state version = "1" in the class and raise it with every change.'
        )

    def make(self, params: Mapping[str, Any], where: str) -> Any:
        """Makes an instance with these parameters; those left out have their defaults.

        Args:
            params: Values by parameter, as plain YAML has them.
            where: Their place in the user's input, which messages begin with.

        Returns:
            The instance.

        Raises:
            BadInput: Parameters are unknown, missing or not allowed; the message names everything that is wrong.
        """
        complaints = Complaints(where)
        sound = {name: value for name, value in params.items() if self._is_sound(name, value, where, complaints)}
        try:
            made = self.adapter.validate_json(json.dumps(sound), strict=True)
        except pydantic.ValidationError as error:
            # What is missing, and how parameters go together, may follow from what is left out here.
            errors = by_place(error, sound).items()
            reported = [e for e in errors if not len(complaints) or (e[0] and e[1][0]["type"] != "missing")]
            complaints.add(*(f"{where}{sentence_about(*each)}" for each in reported))
        except pydantic.errors.PydanticUserError as error:
            reason = error.message.splitlines()[0].split(". ")[0].removesuffix(".")
            complaints.add(f"{where}: the annotations of {self.name!r} can't be validated: {reason}.")
        except Exception as error:
            if not len(complaints):
                sentence = f"{where}: {self.name!r} can't be made with these parameters: {one_line(error)}."
                raise BadInput(sentence) from error
        complaints.raise_if_any()
        return made

    def _is_sound(self, name: str, value: object, where: str, complaints: Complaints) -> bool:
        """Whether pydantic can be asked about a parameter; what is wrong otherwise is complained of."""
        known = [f.name for f in dataclasses.fields(self.cls)]
        if name not in known:
            guess, has = did_you_mean(name, known), ", ".join(known) or "none"
            colon = "; a colon needs a space after it" if ":" in str(name) else ""
            complaints.add(
                f"{where}: {self.mark.kind} {self.mark.name!r} has no parameter {name!r}{guess} (has: {has}){colon}."
            )
            return False
        if wrong := unusable(value):
            complaints.add(f"{where}.{name}: {wrong}.")
            return False
        if value == "None" and self.accepts(name, None):
            complaints.add(f"{where}.{name}: 'None' is a text like any other in YAML; write null.")
            return False
        return True

    def accepts(self, parameter: str, value: object) -> bool:
        """Says whether a value as it stands is one of this parameter.

        Args:
            parameter: The parameter's name.
            value: As plain YAML has it.

        Returns:
            Whether validation finds nothing wrong with it; true as well where the annotations cannot be validated, and
            for what is no plain YAML value.
        """
        if unusable(value):
            return not isinstance(value, int | float)
        try:
            self.adapter.validate_json(json.dumps({parameter: value}), strict=True)
        except pydantic.ValidationError as error:
            return all(complaint["loc"][:1] != (parameter,) for complaint in error.errors())
        except pydantic.errors.PydanticUserError:
            return True
        return True

    def least_memory(self, instance: Any, where: str) -> float:
        """Asks an instance what memory its parameters need in any case.

        Args:
            instance: An instance of the plugin's class.
            where: The place of its parameters in the user's input, which messages begin with.

        Returns:
            Bytes.

        Raises:
            BadInput: No machine has so much, or the method fails.
        """
        try:
            needed = instance.least_memory()
            needed = float(needed)
        except OverflowError:
            needed = math.inf
        except Exception as error:
            raise BadInput(f"{where}: least_memory() of {self.name!r} failed: {one_line(error)}.") from error
        if not needed <= MOST_MEMORY:
            raise BadInput(
                f"{where}: {self.name!r} would need {needed / 2**40:,.0f} TiB of memory at the least with these "
                f"parameters; no machine has more than {MOST_MEMORY >> 40}."
            )
        return needed

    def defaults_written_out(self, instance: Any) -> dict[str, Any]:
        """Writes out all parameters of an instance, defaults included.

        Args:
            instance: An instance of the plugin's class.

        Returns:
            Plain JSON values by parameter; what JSON does not have becomes its text.
        """
        return {
            f.name: json.loads(json.dumps(getattr(instance, f.name), default=str)) for f in dataclasses.fields(self.cls)
        }


class Registry:
    """Plugins by kind and name. A second plugin of the same name is an error that names both origins."""

    def __init__(self) -> None:
        self._plugins: dict[tuple[Kind, str], Plugin] = {}

    def __iter__(self) -> Iterator[Plugin]:
        return iter(sorted(self._plugins.values(), key=lambda p: (p.mark.kind, p.name)))

    def of(self, kind: Kind) -> list[Plugin]:
        """The plugins of one kind, in the order in which they were found."""
        return [plugin for (known, _), plugin in self._plugins.items() if known == kind]

    def names(self, kind: Kind) -> list[str]:
        """Lists the plugins of one kind.

        Args:
            kind: Quantizers and codecs are both a ``method``.

        Returns:
            Their names in alphabetical order.
        """
        return sorted(name for k, name in self._plugins if k == kind)

    def add(self, cls: type, origin: str) -> None:
        """Adds one plugin; adding the same class again changes nothing.

        Args:
            cls: A class with its decorator.
            origin: Where it came from, in words, for messages.

        Raises:
            BadInput: Another class of this kind has the same name.
        """
        mark: Mark = getattr(cls, _MARK)
        present = self._plugins.setdefault((mark.kind, mark.name), Plugin(mark, cls, origin))
        if present.cls is not cls:
            raise BadInput(
                f"two {mark.kind} plugins are called {mark.name!r}: one from {present.origin}, one from {origin}; "
                "rename one of them."
            )

    def add_module(self, module: ModuleType, origin: str) -> int:
        """Adds the plugins a module defines, and those of the modules in its ``PLUGIN_MODULES``.

        Args:
            module: An imported module.
            origin: Where it came from, in words, for messages.

        Returns:
            How many plugins were found.

        Raises:
            BadInput: Two classes of one kind have the same name.
        """
        found = [c for c in vars(module).values() if inspect.isclass(c) and _MARK in vars(c)]
        own = [c for c in found if c.__module__ == module.__name__]
        for cls in own:
            self.add(cls, origin)
        listed = getattr(module, "PLUGIN_MODULES", ())
        return len(own) + sum(self.add_module(importlib.import_module(name), origin) for name in listed)

    def get(self, kind: Kind, name: str, where: str) -> Plugin:
        """Looks a plugin up.

        Args:
            kind: Quantizers and codecs are both a ``method``.
            name: The name its decorator gave it.
            where: Its place in the user's input, which the message begins with.

        Returns:
            The plugin.

        Raises:
            BadInput: There is none of this kind and name; the message says which there are.
        """
        try:
            return self._plugins[kind, name]
        except KeyError:
            known = self.names(kind)
            guess = did_you_mean(name, known)
            own = "" if guess else "; one that is not installed is named with --plugin"
            there = (
                f"known: {', '.join(known)}" if len(known) <= _MOST_NAMED else f"fewcolors list shows all {len(known)}"
            )
            raise BadInput(f"{where}: there is no {kind} {name!r}{guess} ({there}){own}.") from None
