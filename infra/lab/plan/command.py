"""The verb `plan`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from infra.lab.console import console
from infra.lab.errors import UserError
from infra.lab.lab import LOCAL, Lab
from infra.lab.options import AsJson, StackName
from infra.lab.places import check_place
from infra.lab.plan.collect import plan_of
from infra.lab.plan.difference import difference
from infra.lab.plan.fit_command import show_fit_of
from infra.lab.plan.page import page as page_of
from infra.lab.plan.text import show_difference, show_plan
from infra.lab.plan.whole import ALL, whole
from infra.lab.views import plain
from infra.settings import SettingsError

COMPARED = "compared"  # both stacks' name while they are compared


def plan(
    stack: StackName = LOCAL,
    page: Annotated[Path | None, typer.Option(help="Write it as one HTML page, with every text.")] = None,
    diff: Annotated[tuple[str, str] | None, typer.Option(help="Compare two stacks instead.", metavar="A B")] = None,
    show: Annotated[
        str, typer.Option(help="Print a text whole: all, cloud-init, manifests, resources, a machine, or a file.", metavar="NAME")
    ] = "",
    fit: Annotated[
        bool, typer.Option("--fit", help="Say instead what a machine can carry and which limit breaks first.")
    ] = False,
    machine: Annotated[
        str, typer.Option(help="With --fit: a type of infra/scales.py, or cores and GB as in 8x32; the stack's, or this one.")
    ] = "",
    interval: Annotated[str, typer.Option(help="With --fit: the time between two readings of a car, as in 10s.")] = "",
    qos: Annotated[int | None, typer.Option(min=0, max=1, help="With --fit: this quality of service alone.")] = None,
    json_: AsJson = False,
) -> None:
    """Show all that a stack would make, who reaches it and what it costs; makes nothing and needs no account."""
    try:
        if show and (page or diff or json_):
            raise UserError("--show prints one text of one plan: leave --page, --diff and --json out.")
        if fit and (page or diff or show):
            raise UserError("--fit looks at a machine and prints its own text: leave --page, --diff and --show out.")
        if (machine or interval or qos is not None) and not fit:
            raise UserError("--machine, --interval and --qos belong to --fit: add it, or leave them out.")
        if fit:
            show_fit_of(Lab(stack), machine, interval, qos, as_json=json_)
        elif show:
            _show_whole(stack, show)
        elif diff:
            _compare(diff, page, json_=json_)
        else:
            _show(stack, page, json_=json_)
    except SettingsError as wrong:
        raise UserError(str(wrong)) from wrong


def _show(stack: str, page: Path | None, *, json_: bool) -> None:
    if page:
        check_place(page)
    found = plan_of(Lab(stack))
    if page:
        page.write_text(page_of(found))
        console.print(f"The plan of {plain(stack)} is in {plain(str(page))}", soft_wrap=True)
    if json_:
        typer.echo(json.dumps(found.as_json(), indent=2, default=str))
    elif not page:
        show_plan(found)
    if over := [why for why in found.refused if "monthlyLimit" in why]:
        raise UserError(over[0])


def _show_whole(stack: str, name: str) -> None:
    found = plan_of(Lab(stack))
    text = whole(found, name)
    if name == ALL:
        show_plan(found)
    typer.echo(text, nl=not text.endswith("\n"))


def _compare(stacks: tuple[str, str], page: Path | None, *, json_: bool) -> None:
    if page:
        raise UserError("--page shows one stack; leave it out, or take --json, to compare two.")
    first, second = (plan_of(Lab(name), COMPARED) for name in stacks)
    found = difference(first, second, stacks)
    if json_:
        typer.echo(json.dumps(found.as_json(), indent=2, default=str))
    else:
        show_difference(found)
