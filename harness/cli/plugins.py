"""What there is, and whether it keeps its contract: ``list`` and ``validate``."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.app import Plugins, app, console


@app.command("list")
def list_plugins(plugin: Plugins = []) -> None:
    """Every plugin with its parameters, defaults, summary and origin."""
    from rich.text import Text

    from harness.discovery import discover
    from harness.sources import read_source

    screen = console()
    kind = ""
    for known in discover([read_source(name) for name in plugin]):
        if known.mark.kind != kind:
            kind = known.mark.kind
            screen.print(f"\n{kind}s", style="bold")
        level = "" if known.mark.level_kind == "none" else f", level: {known.mark.level_kind}"
        learns = ", learned" if known.learns else ""
        screen.print(Text.assemble("  ", (known.name, "cyan"), f"  {known.mark.summary}"), soft_wrap=True)
        screen.print(Text(f"      {known.origin}{level}{learns}", style="dim"), soft_wrap=True)
        for parameter in known.parameters:
            screen.print(Text(f"      {parameter.name}: {parameter.type} = {parameter.default}"), soft_wrap=True)


@app.command()
def validate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A method's name.", show_default=False)],
    plugin: Plugins = [],
    param: Annotated[
        list[str], typer.Option("--param", help="A parameter as name=value (YAML).", show_default=False)
    ] = [],
    levels: Annotated[
        list[int], typer.Option("--level", help="A level to check at.", show_default="2, 5, 16 colors, or its own")
    ] = [],
) -> None:
    """Holds a method against the contract and prints what is wrong; exit code 1 where something is."""
    from harness.discovery import discover
    from harness.sources import read_source
    from harness.spec.file import read_param
    from harness.work.validate import check_method

    sources = [read_source(source) for source in plugin]
    method = discover(sources).get("method", name, "validate")
    instance_params = dict(read_param(text) for text in param)
    screen, wrong = console(), 0
    if method.learns:
        sentence = (
            f"{name} learns: it is fitted at each level with these parameters; --param epochs=1 may shorten that."
        )
        screen.print(sentence, soft_wrap=True)
    for check in check_method(method, instance_params, levels, sources):
        mark, style = ("ok   ", "green") if check.ok else ("WRONG", "red")
        wrong += not check.ok
        screen.print(f"{mark} {check.what}: {check.found}", style=style, markup=False, highlight=False, soft_wrap=True)
    if wrong:
        screen.print(f"{name}: {wrong} thing(s) wrong.", style="red", markup=False)
        raise typer.Exit(1)
    screen.print(f"{name} keeps the contract.", markup=False)
