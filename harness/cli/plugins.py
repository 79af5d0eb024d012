"""Which plugins there are, and whether they keep their contract: ``list`` and ``validate``."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import Plugins, app, console
from harness.cli.completing import method_names, plugin_names
from harness.complaints import did_you_mean, shown
from harness.contracts import BadInput
from harness.docstrings import description_of

if TYPE_CHECKING:
    from rich.console import Console

    from harness.contracts import Needs
    from harness.parameters import Parameter
    from harness.registry import Plugin, Registry


@app.command("list")
def list_plugins(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="The plugin to show in full, each parameter explained.",
            show_default=False,
            autocompletion=plugin_names,
        ),
    ] = None,
    plugin: Plugins = [],
) -> None:
    """Every plugin with its parameters, defaults, summary and origin; or one in full, with each parameter explained."""
    from harness.discovery import discover
    from harness.sources import read_source

    registry, screen = discover([read_source(name) for name in plugin]), console()
    if name is not None:
        for known in _named(registry, name):
            _print_in_full(screen, known)
        return
    kind = ""
    for known in registry:
        if known.mark.kind != kind:
            kind = known.mark.kind
            screen.print(f"\n{kind}s", style="bold")
        _print_overview(screen, known)


def _named(registry: Registry, name: str) -> list[Plugin]:
    """The plugins of this name; a method and a dataset may share one. Raises BadInput where there is none."""
    found = [known for known in registry if known.name == name]
    if not found:
        guess = did_you_mean(name, (known.name for known in registry))
        raise BadInput(f"{name}: there is no such plugin{guess}; fewcolors list shows all.")
    return found


def _print_overview(screen: Console, known: Plugin) -> None:
    from rich.text import Text

    level = "" if known.mark.level_kind == "none" else f", level: {known.mark.level_kind}"
    learns = ", learned" if known.learns else ""
    screen.print(Text.assemble("  ", (known.name, "cyan"), f"  {known.mark.summary}"), soft_wrap=True)
    screen.print(Text(f"      {known.origin}{level}{learns}", style="dim"), soft_wrap=True)
    for parameter in known.parameters:
        screen.print(Text(f"      {_in_words(parameter)}"), soft_wrap=True)


def _print_in_full(screen: Console, known: Plugin) -> None:
    from rich.text import Text

    screen.print(Text.assemble((known.name, "bold cyan"), f"  {known.mark.summary}"), soft_wrap=True)
    facts = {"kind": known.mark.kind, "origin": known.origin, **_facts(known)}
    width = max(map(len, facts))
    for what, fact in facts.items():
        screen.print(Text(f"  {what:<{width}}  {fact}"), soft_wrap=True)
    for paragraph in description_of(known.cls).split("\n\n"):
        if paragraph.strip():
            screen.print(Text(f"\n{_wrapped(paragraph, '  ', screen.width)}"), soft_wrap=True)
    if known.parameters:
        screen.print(Text("\n  parameters", style="bold"))
    for parameter in known.parameters:
        screen.print(Text(f"    {_in_words(parameter)}"), soft_wrap=True)
        if parameter.explanation:
            screen.print(Text(_wrapped(parameter.explanation, 8 * " ", screen.width), style="dim"), soft_wrap=True)


def _wrapped(text: str, margin: str, width: int) -> str:
    """A docstring's paragraph as lines of the screen, without the marks of code."""
    return textwrap.fill(
        " ".join(text.replace("``", "").split()), min(width, 100), initial_indent=margin, subsequent_indent=margin
    )


def _needs_in_words(needs: Needs) -> str:
    stated = [f"{amount:g} {what}" for amount, what in ((needs.cpus, "CPUs"), (needs.seconds, "s at most")) if amount]
    if needs.gpus is not None:
        share = {"required": "a GPU", 0: "no GPU"}
        stated.append(share.get(needs.gpus) or f"{needs.gpus:g} of a GPU")
    if needs.memory:
        stated.append(f"{needs.memory:,} bytes of memory")
    return ", ".join(stated)


def _facts(known: Plugin) -> dict[str, str]:
    """The facts about one plugin apart from its parameters, in words."""
    mark, facts = known.mark, dict[str, str]()
    if mark.kind == "method":
        low_high = "{} to {}".format(*mark.levels) if mark.levels else ""
        if known.color_counts is not None:
            low_high = ", ".join(map(str, known.color_counts))
        facts["level"] = f"{mark.level_kind}, {low_high}" if low_high else "none"
        joint = "once for all color counts" if known.joint_colors else "once for each color count"
        facts["learned"] = f"yes, {joint}" if known.learns else "no"
    facts["needs"] = _needs_in_words(known.needs) or "what its stage needs (docs/spec.md, Resources)"
    if in_use := _needs_in_words(known.needs_in_use):
        facts["in use"] = in_use
    for what, values in (("paper", known.paper), *((f"--scale {name}", v) for name, v in known.scales.items())):
        if values:
            facts[what] = ", ".join(f"{name}={shown(value)}" for name, value in values.items())
    facts |= {
        what: said
        for what, said in (("source", mark.source), ("sources", known.sources), ("credit", known.credit))
        if said
    }
    return facts


def _in_words(parameter: Parameter) -> str:
    return f"{parameter.name}: {parameter.type} = {parameter.default}"


@app.command()
def validate(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A method's name.", show_default=False, autocompletion=method_names)
    ],
    plugin: Plugins = [],
    param: Annotated[
        list[str], typer.Option("--param", help="A parameter as name=value (YAML).", show_default=False)
    ] = [],
    levels: Annotated[
        list[int],
        typer.Option("--level", help="A level to check.", show_default="2, 5, 16 and 256 colors, or its own"),
    ] = [],
) -> None:
    """Checks a method against the contract and prints what is wrong; exit code 1 if anything is."""
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
            f"{name} learns: it is trained at each level with these parameters; --param epochs=1 may make that faster."
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
