"""`./lab chaos`: faults for the running lab."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from infra.lab import views
from infra.lab.chaos import FAULTS, chaos
from infra.lab.console import console
from infra.lab.lab import LOCAL, lab_here
from infra.lab.options import AsJson, StackName

chaos_app = typer.Typer(help="Break a part of the running lab and count what became of every message.", no_args_is_help=True)


@chaos_app.command("list")
def chaos_list(json_: AsJson = False) -> None:
    """Show the faults, and what to expect of each."""
    if json_:
        views.print_json({name: {"what": fault.what, "expect": fault.expect} for name, fault in FAULTS.items()})
        return
    table = Table("fault", "what is done", "what to expect", box=None, pad_edge=False)
    for name, fault in FAULTS.items():
        table.add_row(name, fault.what, fault.expect)
    views.out.print(table)


@chaos_app.command("run", epilog="Example: ./lab chaos run kafka-killed")
def chaos_run(
    fault: Annotated[str, typer.Argument(help="Its name, as ./lab chaos list tells.")],
    stack: StackName = LOCAL,
    json_: AsJson = False,
) -> None:
    """Strike one fault while the canary sends; the exit code is 0 only if what was acknowledged is in Kafka."""
    lab = lab_here(stack, f"chaos run {fault}")
    with console.status(f"The canary sends, and {fault} strikes"):
        found = chaos(lab, fault)
    views.print_json(asdict(found) | {"ok": found.ok}) if json_ else views.out.print(f"{views.mark(ok=found.ok)} {found.line()}")
    if not found.ok:
        raise typer.Exit(1)
