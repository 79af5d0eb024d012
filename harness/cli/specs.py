"""What helps to write a spec: ``examples`` and ``schema``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app, console
from harness.cli.completing import example_names
from harness.spec.examples import all_examples, copy_example, find_example


@app.command()
def examples(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="The example to copy.", show_default=False, autocompletion=example_names),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The folder to copy it into.", show_default="the current folder"),
    ] = None,
) -> None:
    """Lists the specs and plugins that come with fewcolors, or copies one; run and plan take a spec by its name."""
    from harness.contracts import BadInput

    screen = console()
    if name is not None:
        copy = copy_example(find_example(name), out or Path())
        screen.print(str(copy), markup=False, highlight=False, soft_wrap=True)
        return
    if out is not None:
        raise BadInput("--out: name the example to copy: fewcolors examples NAME --out FOLDER.")
    listed = all_examples()
    width = max(len(example.name) for example in listed)
    for example in listed:
        line = f"{example.name:<{width}}  {example.summary}"
        screen.print(line, markup=False, highlight=False, soft_wrap=True)


@app.command()
def schema(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file to write.", show_default="the screen")
    ] = None,
) -> None:
    """Prints the JSON Schema of a spec, with which an editor completes, explains and checks it (docs/spec.md)."""
    from harness.contracts import BadInput
    from harness.spec.schema import json_schema
    from harness.writing import write_whole

    if out is None:
        print(json_schema(), end="")
        return
    try:
        write_whole(out, json_schema().encode())
    except OSError as error:
        raise BadInput(f"--out {out}: it cannot be written: {error.strerror}.") from None
