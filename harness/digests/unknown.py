"""What may change a plugin's numbers but cannot be read from its source: files, environment variables, programs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.digests.modules import Module, find_spec
from harness.digests.syntax import dotted, imported_names, is_computed_import

_FILES: Mapping[str, tuple[str, ...]] = {
    "": ("open",),
    **dict.fromkeys(("io", "codecs", "gzip", "bz2", "lzma", "tarfile", "PIL.Image"), ("open",)),
    **dict.fromkeys(("glob",), ("glob", "iglob")),
    **dict.fromkeys(("cv2", "imageio", "imageio.v2", "imageio.v3", "skimage.io", "matplotlib.pyplot"), ("imread",)),
    **dict.fromkeys(("safetensors.torch", "safetensors.numpy"), ("load_file",)),
    "h5py": ("File",),
    "fileinput": ("FileInput", "input"),
    "importlib.resources": ("files", "open_binary", "open_text", "read_binary", "read_text"),
    "joblib": ("load",),
    "linecache": ("getline", "getlines"),
    "numpy": ("load", "loadtxt", "genfromtxt", "fromfile", "memmap"),
    "os": ("listdir", "open", "scandir", "stat", "walk"),
    "os.path": ("exists", "getmtime", "getsize", "isdir", "isfile"),
    "pkgutil": ("get_data",),
    "requests": ("get",),
    "safetensors": ("safe_open",),
    "scipy.io": ("loadmat",),
    "sqlite3": ("connect",),
    "torch": ("load",),
    "torch.hub": ("load", "load_state_dict_from_url"),
    "torch.jit": ("load",),
    "torchvision.io": ("decode_image", "read_file", "read_image"),
    "urllib.request": ("urlopen", "urlretrieve"),
    "zipfile": ("ZipFile",),
}
"""Functions by their module that read a file, folder or address; torchvision.datasets and pandas.read_* besides."""
_FILE_METHODS = {"glob", "iterdir", "open", "read_bytes", "read_text", "rglob"}
_PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "ctypes": ("CDLL", "PyDLL"),
    "ctypes.cdll": ("LoadLibrary",),
    "os": ("popen", "system"),
    "subprocess": ("Popen", "call", "check_call", "check_output", "getoutput", "run"),
    "torch.ops": ("load_library",),
}
_CODE: Mapping[str, tuple[str, ...]] = {
    "": ("exec",),
    "importlib.machinery": ("SourceFileLoader",),
    "importlib.metadata": ("entry_points",),
    "importlib.util": ("spec_from_file_location",),
    "runpy": ("run_module", "run_path"),
}
_SCRATCH = (
    *("BytesIO", "StringIO", "TemporaryDirectory", "TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile"),
    *("mkdtemp", "mkstemp"),
)
_KNOWN = {*_SCRATCH, *(f".{name}" for name in _SCRATCH), ".checkpoints"}
"""What is read from these was put there by the plugin itself: memory, scratch files, the checkpoints of its lesson.
Attributes begin with a dot."""


@dataclass(frozen=True)
class Unknown:
    """what: as a predicate, such as ``reads a file``."""

    what: str
    file: str
    line: int


def unknown_in(module: Module, tree: ast.Module) -> Iterator[Unknown]:
    """All of it in a module, of which ``tree`` is what counts."""
    known = imported_names(tree, module.package)
    for part in _functions(tree):
        own, written = _names_of_known(part), _environment_written(part)
        for node in ast.walk(part):
            what = None if id(node) in written else _unknown(node, known, own, module.package)
            if what is not None:
                yield Unknown(what, module.file, node.lineno)  # type: ignore[attr-defined]
    for name, line in _missing(tree):
        yield Unknown(f"imports {name}, which is not found here,", module.file, line)


def _functions(tree: ast.Module) -> Iterator[ast.AST]:
    """The statements of the module and of its classes; local names are looked up within one of them.

    A class with a ``fingerprint`` among what counts speaks for what it reads itself.
    """
    for node in tree.body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        if not any(isinstance(member, ast.FunctionDef) and member.name == "fingerprint" for member in members):
            yield from members


def _unknown(node: ast.AST, known: Mapping[str, str], own: set[str], package: str) -> str | None:
    if isinstance(node, ast.Name | ast.Attribute) and dotted(node, known) in ("os.environ", "os.getenv"):
        return "reads an environment variable"
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and known.get("open", node.value.id) == "open":
        return "reads a file"
    if not isinstance(node, ast.Call):
        return None
    if is_computed_import(node, known, package):
        return "imports a module whose name is computed"
    base, _, name = (dotted(node.func, known) or "").rpartition(".")
    if name in _CODE.get(base, ()):
        return "runs code from elsewhere"
    if name in _PROGRAMS.get(base, ()):
        return "uses a program or library outside Python"
    listed = name in _FILES.get(base, ()) or (base == "pandas" and name.startswith("read_"))
    if base == "torchvision.datasets" or _reads_file(node, listed, own):
        return "reads a file"
    return None


def _reads_file(call: ast.Call, by_function: bool, own: set[str]) -> bool:
    """by_function: it is one of ``_FILES``; else it may be a path's method."""
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if not by_function and method not in _FILE_METHODS:
        return False
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    place = given[0] if by_function and given else call.func
    modes = [*call.args[by_function : by_function + 1], *(k.value for k in call.keywords if k.arg == "mode")]
    return not _mentioned(place) & own and not any(map(_is_writing, modes))


def _is_writing(argument: ast.expr) -> bool:
    """Whether it is a mode under which a file is only written."""
    mode = argument.value if isinstance(argument, ast.Constant) else None
    return isinstance(mode, str) and re.fullmatch("[wax][bt]?", mode) is not None


def _environment_written(part: ast.AST) -> set[int]:
    """The nodes of ``os.environ`` in statements that only set or delete a variable."""
    subscripts = (node for node in ast.walk(part) if isinstance(node, ast.Subscript))
    return {id(node.value) for node in subscripts if not isinstance(node.ctx, ast.Load)}


def _names_of_known(part: ast.AST) -> set[str]:
    """``_KNOWN`` and the local names of what was made from it."""
    sources: list[tuple[set[str], set[str]]] = []
    for node in ast.walk(part):
        if isinstance(node, ast.Assign):
            sources += [(_mentioned(target), _mentioned(node.value)) for target in node.targets]
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            sources.append((_mentioned(node.target), _mentioned(node.value)))
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            sources.append((_mentioned(node.optional_vars), _mentioned(node.context_expr)))
        elif isinstance(node, ast.For | ast.comprehension):
            sources.append((_mentioned(node.target), _mentioned(node.iter)))
    found, grown = set(_KNOWN), True
    while grown:
        fresh = {name for targets, values in sources if values & found for name in targets} - found - {"self"}
        found |= fresh
        grown = bool(fresh)
    return found


def _mentioned(node: ast.AST) -> set[str]:
    """Names, and attributes with a dot before them."""
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return names | {f".{each.attr}" for each in ast.walk(node) if isinstance(each, ast.Attribute)}


def _missing(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Imports of what is not there, outside of any try."""
    tried = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.Try) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in tried:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [node.module]
        else:
            continue
        for name in names:
            if find_spec(name.partition(".")[0]) is None:
                yield name, node.lineno
