"""The application, the options that commands share, and how errors are reported."""

from __future__ import annotations

import io
import os
import re
import shlex
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from harness import __version__
from harness.cli.completing import classifier_names, dataset_names, method_names, spec_names
from harness.complaints import harmless, one_line, shown, traceback_of
from harness.contracts import BadInput
from harness.full_disks import FullDisk, in_words, is_full
from harness.run.lifelines import OWN_PROCESS, ClusterLost
from harness.spec.examples import plugin_argument

if TYPE_CHECKING:
    from rich.console import Console

_COMMANDS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What a terminal obeys; tabs and line breaks are text."""


def _export_data_root(root: Path | None) -> Path | None:
    """Datasets, also those of workers, look in the environment."""
    if root is not None:
        os.environ["FEWCOLORS_DATA_ROOT"] = str(root.resolve())
    return root


def _or_examples(plugins: list[str]) -> list[str]:
    """A plugin that comes as an example need not be copied first."""
    return [plugin_argument(plugin) for plugin in plugins]


app = typer.Typer(
    name="fewcolors",
    help="How few colors can an image have and still be recognized, by which method, and is the difference real?",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root",
        help="The folder where published datasets are, or are downloaded to.",
        show_default="FEWCOLORS_DATA_ROOT, else data",
        callback=_export_data_root,
    ),
]
SpecPath = Annotated[
    Path,
    typer.Argument(
        metavar="SPEC",
        help="A spec in YAML, or the name of an example (fewcolors examples).",
        show_default=False,
        autocompletion=spec_names,
    ),
]
StorePath = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="FEWCOLORS_STORE",
        help="Where artifacts are kept and looked up: a folder, or a URI such as s3://bucket/folder.",
    ),
]
MovedStore = Annotated[
    str | None,
    typer.Option(
        "--store", help="The run's store, if it was moved or is at a URI.", show_default="where the run left it"
    ),
]
Plugins = Annotated[
    list[str],
    typer.Option(
        "--plugin",
        help="A plugin that is not installed: file.py or package.module.",
        show_default=False,
        callback=_or_examples,
    ),
]
Methods = Annotated[
    list[str],
    typer.Option(
        "--method",
        help="A method to add to the spec's: a name, or 'name param=value ...'. May be given several times.",
        show_default=False,
        autocompletion=method_names,
    ),
]
Datasets = Annotated[
    list[str],
    typer.Option(
        "--dataset",
        help="Run on this dataset instead of the spec's: a name, or 'name param=value ...'. May be given several "
        "times.",
        show_default=False,
        autocompletion=dataset_names,
    ),
]
Classifiers = Annotated[
    list[str],
    typer.Option(
        "--classifier",
        help="Judge with this classifier instead of the spec's, written in the same way. May be given several times.",
        show_default=False,
        autocompletion=classifier_names,
    ),
]
Seeds = Annotated[
    list[int],
    typer.Option(
        "--seed", help="Train with this seed instead of the spec's. May be given several times.", show_default=False
    ),
]
Colors = Annotated[
    list[int],
    typer.Option(
        "--colors",
        help="Use this color count instead of the spec's, for methods that have none of their own. May be given "
        "several times.",
        show_default=False,
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        help="Test every other variant against this one instead of the spec's; give the variant's name in tables.",
        show_default=False,
        autocompletion=method_names,
    ),
]
Scale = Annotated[
    str | None,
    typer.Option(
        "--scale",
        help="small: narrower networks, fewer images and epochs, minutes instead of days. Values that the spec "
        "or another option gives are kept.",
        show_default=False,
    ),
]
Out = Annotated[
    str | None,
    typer.Option("--out", "-o", help="The run's folder, or a URI for it.", show_default="runs/<name of the spec>"),
]
Address = Annotated[
    str | None,
    typer.Option(help="A running Ray cluster to join; default: RAY_ADDRESS, or a cluster started on this machine."),
]
Cpus = Annotated[int | None, typer.Option(min=1, help="CPUs of the cluster started here.", show_default="all")]
Gpus = Annotated[int | None, typer.Option(min=0, help="GPUs of the cluster started here.", show_default="all")]


def main() -> NoReturn:
    """Runs the command line; a BadInput becomes its sentence and exit code 2, a warning a line."""
    OWN_PROCESS.set(True)
    warnings.showwarning = _print_warning  # type: ignore[assignment]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may hold bytes that are no text
    try:
        _check_arguments(sys.argv[1:])
        app()
    except BadInput as error:
        print(f"fewcolors: {harmless(str(error))}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"fewcolors: {harmless(_about(error))}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        _ignore_further_interrupts()
        sys.stdout.flush()
        os._exit(130)  # all is said and stopped; Python's own way out can take seconds with Ray's exit handlers
    except Exception as error:  # noqa: BLE001 - a mistake of ours, whose traceback may hold anyone's text
        print(traceback_of(error), file=sys.stderr)
        sys.exit(1)
    sys.exit(0)


def main_and_leave() -> NoReturn:
    """``main`` for a process that does nothing else: threads that Ray leaves behind cannot keep it from ending."""
    try:
        main()
    except SystemExit as ended:
        if "ray" not in sys.modules:
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code if isinstance(ended.code, int) else int(ended.code is not None))


def _check_arguments(arguments: Sequence[str]) -> None:
    """Raises BadInput for an argument that would command the terminal where it is repeated in a message."""
    for argument in arguments:
        if found := _COMMANDS.search(argument):
            raise BadInput(f"the argument {shown(argument)} holds the control character {found[0]!r}.")


def _about(error: OSError) -> str:
    if isinstance(error, FullDisk | ClusterLost):
        return f"{error}."
    if is_full(error):
        place = Path(os.fsdecode(error.filename or "."))
        return f"{in_words(place.parent, place.name or 'a file')}."
    return f"{one_line(error)}; what is finished is kept in the store."


def print_interrupted(screen: Console, kept: str) -> None:
    """Says what an interrupted command keeps and how to resume; a second Ctrl-C cannot cut this short."""
    _ignore_further_interrupts()
    sentence = f"Interrupted. {kept} Continue with: fewcolors {shlex.join(sys.argv[1:])}"
    screen.print(sentence, highlight=False, soft_wrap=True)


def _print_warning(message: Warning | str, *_where: object) -> None:
    print(f"fewcolors: warning: {harmless(str(message))}", file=sys.stderr)


def _ignore_further_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        print(f"fewcolors {__version__}")
        raise typer.Exit


def console() -> Console:
    """Where commands print."""
    from harness.terminal import Screen

    return Screen(file=sys.stdout)
