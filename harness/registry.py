"""Plugins by name: the decorators that mark them, where they are found, and how their parameters are validated."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

import pydantic

from harness.contracts import MAX_COLORS, MIN_COLORS, BadInput, LevelKind, Needs

Kind = Literal["method", "dataset", "classifier", "report"]
BUILT_IN = ("methods", "tasks", "reports")
ENTRY_POINT_GROUPS = ("fewcolors.methods", "fewcolors.tasks", "fewcolors.reports")
_MARK = "__fewcolors__"
_NOT_IN_DIGESTS = {"harness.registry", "harness.contracts"}
"""What every plugin imports and no number comes from; their meaning is covered by the versions in ``harness.jobs``."""
T = TypeVar("T", bound=type)


@dataclass(frozen=True)
class Mark:
    """What a decorator leaves on a plugin class. levels: the allowed range of the level, both ends included."""

    kind: Kind
    name: str
    summary: str
    level_kind: LevelKind = "none"
    levels: tuple[int, int] | None = None
    default_levels: tuple[int, ...] | None = None


def _decorator(mark: Mark, required: tuple[str, ...]) -> Callable[[T], T]:
    def decorate(cls: T) -> T:
        missing = [name for name in required if not callable(getattr(cls, name, None))]
        if missing:
            raise TypeError(f"{mark.kind} {mark.name!r} lacks {' and '.join(f'{name}()' for name in missing)}")
        fields = dataclass(kw_only=True, eq=False)(cls)
        setattr(fields, _MARK, mark)
        return fields

    return decorate


def quantizer(name: str, *, summary: str = "") -> Callable[[T], T]:
    """Marks a class with ``palettize(images, colors) -> Palettized``; its level is the number of colors, 2 to 256."""
    return _decorator(Mark("method", name, summary, "colors", (MIN_COLORS, MAX_COLORS)), ("palettize",))


def codec(
    name: str,
    *,
    summary: str = "",
    quality: tuple[int, int] | None = (1, 100),
    default_qualities: tuple[int, ...] = (10, 30, 50, 70, 90),
) -> Callable[[T], T]:
    """Marks a class with ``encode`` and ``decode``; ``quality`` is the allowed range, None for a codec without level."""
    if quality is None:
        return _decorator(Mark("method", name, summary), ("encode", "decode"))
    return _decorator(Mark("method", name, summary, "quality", quality, default_qualities), ("encode", "decode"))


def dataset(name: str, *, summary: str = "") -> Callable[[T], T]:
    """Marks a class with ``load() -> DatasetArrays``."""
    return _decorator(Mark("dataset", name, summary), ("load",))


def classifier(name: str, *, summary: str = "") -> Callable[[T], T]:
    """Marks a class with ``build(classes)`` and ``fit(lesson)``, both giving a network."""
    return _decorator(Mark("classifier", name, summary), ("build", "fit"))


def report(name: str, *, summary: str = "") -> Callable[[T], T]:
    """Marks a class with ``write(results, folder) -> Path``."""
    return _decorator(Mark("report", name, summary), ("write",))


@dataclass(frozen=True)
class Parameter:
    """One field of a plugin class, as ``fewcolors list`` shows it."""

    name: str
    type: str
    default: str


@dataclass(frozen=True, eq=False)
class Plugin:
    """A marked class and where it came from."""

    mark: Mark
    cls: type
    origin: str

    @property
    def name(self) -> str:
        return self.mark.name

    @property
    def needs(self) -> Needs:
        needs: Needs = getattr(self.cls, "needs", Needs())
        return needs

    @property
    def paper(self) -> Mapping[str, Any]:
        """The paper's values of its parameters, where there are such; a report names every departure."""
        paper: Mapping[str, Any] = getattr(self.cls, "paper", {})
        return paper

    @property
    def learns(self) -> bool:
        """Whether a method is trained before it is applied."""
        return self.mark.kind == "method" and callable(getattr(self.cls, "fit", None))

    @property
    def joint_colors(self) -> bool:
        """Whether one training serves all color counts."""
        return bool(getattr(self.cls, "joint_colors", False))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(
            Parameter(f.name, _type_name(f.type), "required" if _is_required(f) else repr(_default(f)))
            for f in dataclasses.fields(self.cls)
        )

    @functools.cached_property
    def adapter(self) -> pydantic.TypeAdapter[Any]:
        return pydantic.TypeAdapter(self.cls)

    @functools.cached_property
    def source_digest(self) -> str:
        """A version the class states (``version = ...``), or the hash of its module and of what that imports of ours."""
        stated = getattr(self.cls, "version", None)
        return f"version {stated}" if stated is not None else source_digest(self.cls.__module__)

    def make(self, params: Mapping[str, Any], where: str) -> Any:
        """An instance with these parameters, or BadInput naming ``where``."""
        known = [f.name for f in dataclasses.fields(self.cls)]
        for name in params:
            if name not in known:
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise BadInput(
                    f"{where}: {self.mark.kind} {self.name!r} has no parameter {name!r}{did_you_mean(name, known)}; {has}."
                )
        try:
            return self.adapter.validate_json(json.dumps(dict(params)), strict=True)
        except TypeError as error:
            raise BadInput(f"{where}: the parameters of {self.name!r} must be plain YAML values ({error}).") from None
        except pydantic.ValidationError as error:
            raise BadInput(f"{where}{describe(error)}") from None

    def defaults_written_out(self, instance: Any) -> dict[str, Any]:
        """All parameters of an instance as plain JSON values."""
        return {
            f.name: json.loads(json.dumps(getattr(instance, f.name), default=str)) for f in dataclasses.fields(self.cls)
        }


def _is_required(f: dataclasses.Field[Any]) -> bool:
    return f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING


def _default(f: dataclasses.Field[Any]) -> Any:
    return f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default


def _type_name(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return text.replace("typing.", "")


def describe(error: pydantic.ValidationError) -> str:
    """The first complaint of pydantic as ``.path: what is wrong``, and how many more there are."""
    first, *rest = error.errors(include_url=False)
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    more = f" (and {len(rest)} more)" if rest else ""
    got = "" if isinstance(first["input"], dict | list) else f", got {first['input']!r}"
    return f"{path}: {first['msg'].removeprefix('Value error, ')}{got}{more}."


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """``, did you mean 'x'?`` or nothing."""
    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f", did you mean {close[0]!r}?" if close else ""


class Registry:
    """Plugins by kind and name. A second plugin of the same name is an error that names both origins."""

    def __init__(self) -> None:
        self._plugins: dict[tuple[Kind, str], Plugin] = {}

    def __iter__(self) -> Iterator[Plugin]:
        return iter(sorted(self._plugins.values(), key=lambda p: (p.mark.kind, p.name)))

    def names(self, kind: Kind) -> list[str]:
        return sorted(name for k, name in self._plugins if k == kind)

    def add(self, cls: type, origin: str) -> None:
        mark: Mark = getattr(cls, _MARK)
        present = self._plugins.setdefault((mark.kind, mark.name), Plugin(mark, cls, origin))
        if present.cls is not cls:
            raise BadInput(
                f"two {mark.kind} plugins are called {mark.name!r}: one from {present.origin}, one from {origin}; "
                "rename one of them."
            )

    def add_module(self, module: ModuleType, origin: str) -> int:
        """Adds the plugins a module defines, and those of the modules in its ``PLUGIN_MODULES``; says how many."""
        found = [c for c in vars(module).values() if inspect.isclass(c) and _MARK in vars(c)]
        own = [c for c in found if c.__module__ == module.__name__]
        for cls in own:
            self.add(cls, origin)
        listed = getattr(module, "PLUGIN_MODULES", ())
        return len(own) + sum(self.add_module(importlib.import_module(name), origin) for name in listed)

    def get(self, kind: Kind, name: str, where: str) -> Plugin:
        try:
            return self._plugins[kind, name]
        except KeyError:
            known = self.names(kind)
            raise BadInput(
                f"{where}: there is no {kind} {name!r}{did_you_mean(name, known)} (known: {', '.join(known)})."
            ) from None


@dataclass(frozen=True)
class Source:
    """A plugin that is not installed, as it travels to workers.

    name: the module's import name. path: where it lies on the driver's machine. files: relative path -> content of
    every Python file it consists of.
    """

    name: str
    path: str
    files: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr(sorted(self.files.items())).encode()).hexdigest()


def read_source(argument: str) -> Source:
    """``--plugin file.py`` or ``--plugin package.module``; BadInput where it is neither."""
    path = Path(argument)
    if argument.endswith(".py"):
        if not path.is_file():
            raise BadInput(f"--plugin {argument}: there is no such file.")
        name = f"fewcolors_plugin_{path.stem.replace('-', '_').replace('.', '_')}"
        return Source(name, str(path.resolve()), {f"{name}.py": path.read_bytes()})
    try:
        spec = importlib.util.find_spec(argument)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        raise BadInput(f"--plugin {argument}: neither a .py file nor a module that can be imported.")
    top = importlib.util.find_spec(argument.partition(".")[0])
    assert top is not None
    if top.submodule_search_locations:
        root = Path(next(iter(top.submodule_search_locations)))
        files = {str(p.relative_to(root.parent)): p.read_bytes() for p in sorted(root.rglob("*.py"))}
    else:
        files = {Path(spec.origin).name: Path(spec.origin).read_bytes()}
    return Source(argument, spec.origin, files)


def import_source(source: Source, scratch: Path) -> ModuleType:
    """Imports it from where it lies if that still holds the same text, else from a copy under ``scratch``."""
    if source.name in sys.modules:
        return sys.modules[source.name]
    single = source.name.startswith("fewcolors_plugin_")
    here = Path(source.path)
    if single:
        content = next(iter(source.files.values()))
        if not (here.is_file() and here.read_bytes() == content):
            here = _unpack(source, scratch) / f"{source.name}.py"
        spec = importlib.util.spec_from_file_location(source.name, here)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[source.name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[source.name]
            raise
        return module
    try:
        found = importlib.util.find_spec(source.name)
    except ImportError:
        found = None
    if found is None:
        sys.path.append(str(_unpack(source, scratch)))
        importlib.invalidate_caches()
    return importlib.import_module(source.name)


def _unpack(source: Source, scratch: Path) -> Path:
    root = scratch / f"fewcolors-plugin-{source.digest[:16]}"
    for name, content in source.files.items():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return root


def discover(sources: Iterable[Source] = (), scratch: Path | None = None) -> Registry:
    """All plugins: built in, installed (entry points), then those of ``sources``.

    A broken installed plugin is a warning with its origin. A broken one of ``sources`` is BadInput.
    """
    registry = Registry()
    home = Path(__file__).parent.parent
    for package in BUILT_IN:
        module = importlib.import_module(package)
        if module.__file__ is None or Path(module.__file__).parent.parent != home:
            raise BadInput(
                f"another module called {package!r} ({module.__file__}) hides the one of fewcolors; "
                "start from another folder or take it off the Python path."
            )
        registry.add_module(module, "built in")
    for group in ENTRY_POINT_GROUPS:
        for point in importlib.metadata.entry_points(group=group):
            origin = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
            _add_installed(registry, point, origin)
    for source in sources:
        try:
            module = import_source(source, scratch or Path.cwd())
            found = registry.add_module(module, source.path)
        except BadInput:
            raise
        except Exception as error:
            raise BadInput(f"--plugin {source.path} cannot be loaded: {type(error).__name__}: {error}.") from error
        if not found:
            raise BadInput(
                f"--plugin {source.path} holds no plugin: mark a class with @quantizer, @codec, @dataset or @classifier."
            )
    return registry


def _add_installed(registry: Registry, point: importlib.metadata.EntryPoint, origin: str) -> None:
    try:
        loaded = point.load()
        if isinstance(loaded, ModuleType):
            registry.add_module(loaded, origin)
        else:
            registry.add(loaded, origin)
    except BadInput:
        raise
    except Exception as error:  # noqa: BLE001 - a stranger's package may fail in any way and must cost only itself
        warnings.warn(f"plugin {point.name!r} of {origin} is left out: {type(error).__name__}: {error}", stacklevel=2)


@functools.cache
def source_digest(module_name: str) -> str:
    """Hash of a module's source and, followed through its imports, of all it uses of fewcolors or its own package."""
    ours = {"harness", *BUILT_IN, module_name.partition(".")[0]}
    pending, seen = [module_name], dict[str, bytes]()
    while pending:
        name = pending.pop()
        path = _source_path(name)
        if name in seen or name in _NOT_IN_DIGESTS or path is None:
            continue
        seen[name] = path.read_bytes()
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for imported in _imports(ast.parse(seen[name]), package):
            if imported.partition(".")[0] in ours:
                pending.append(imported)
    digest = hashlib.sha256()
    for name in sorted(seen):
        digest.update(f"{name}\0{len(seen[name])}\0".encode() + seen[name])
    return digest.hexdigest()


def _source_path(name: str) -> Path | None:
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if file is None:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError, AttributeError):
            return None
        file = spec.origin if spec else None
    return Path(file) if file and file.endswith(".py") else None


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module or ""]))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
