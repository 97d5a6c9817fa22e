"""The lab command's verbs on a stack that makes machines; each in a few lines over the module that does it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import typer

from infra.cloud import gate
from infra.cloud.user_data import LOGIN
from infra.lab import views
from infra.lab.clouds import shown
from infra.lab.clouds.access import access_of
from infra.lab.clouds.down import down
from infra.lab.clouds.made import MachineMade
from infra.lab.clouds.status import status_of
from infra.lab.clouds.through import ask_all, chosen, door_of, each, refuse_all_failed
from infra.lab.clouds.up import up as make
from infra.lab.console import console
from infra.lab.doctor import Diagnosis
from infra.lab.errors import LabError, UserError, last_line
from infra.lab.lab import Lab
from infra.lab.outside import Check

__all__ = ["access", "doctor", "down", "logs", "status", "up"]


def up(lab: Lab, bundle: str | None, ends: Collection[str]) -> None:
    """Make the machines and end with what each one's doctor says; `ends` as for `make`.

    Raises:
        UserError: `bundle` is given: the stack's file names it.
    """
    if bundle:
        raise UserError("machines take the bundle that iotlab:cloud.bundle of the stack's file names: write it there.")
    with lab.lock():
        made = make(lab, ends)
    shown.show_made(list(made.machines.values()))
    name = lab.stack_name
    said = f"Logins: ./lab access -s {name}   How it is: ./lab status -s {name}   End it: ./lab down -s {name}"
    console.print(said, soft_wrap=True)


def status(lab: Lab, *, json_: bool) -> None:
    """Show every machine from outside; exit code 0 only if all are up and green."""
    found = status_of(lab)
    ok = all(one.ok for one in found)
    if json_:
        views.print_json({"ok": ok, "stack": lab.stack_name, "machines": {one.name: one.as_json() for one in found}})
    else:
        shown.show_status(found)
    if not ok:
        raise typer.Exit(1)


def doctor(lab: Lab, machine: str, *, json_: bool) -> None:
    """Show each machine's own doctor; one that can't be asked is red."""
    answers = {
        name: Diagnosis((), (Check("lab", ok=False, why=str(found)),)).as_json() if isinstance(found, LabError) else found
        for name, found in ask_all(lab, machine, "doctor", within_s=gate.DOCTOR_S).items()
    }
    _show(lab, machine, answers, lambda found: views.show_diagnosis(Diagnosis.from_json(found)), json_=json_)
    if not all(found.get("ok") for found in answers.values()):
        raise typer.Exit(1)


def access(lab: Lab, machine: str, *, json_: bool) -> None:
    """Show addresses as they are reached from here, and logins."""
    answers, hints = access_of(lab, machine)
    _show(lab, machine, answers, lambda found: views.show_access(found, []), json_=json_)
    for hint in () if json_ else hints:
        views.out.print(views.plain(hint), soft_wrap=True)
    _end_with(answers)


def logs(lab: Lab, machine: str, service: str, tail: int, *, follow: bool) -> None:
    """Show a service's last log lines on each machine.

    Raises:
        UserError: to follow a log takes a terminal there.
    """
    _, machines = chosen(lab, machine)
    if follow:
        place = machines[0].address or "ADDRESS"
        raise UserError(f"a log is followed on the machine: ssh -t {LOGIN}@{place} lab logs {service} -s vm --follow")

    def ask(one: MachineMade) -> str:
        with gate.session(door_of(one)) as session:
            said = gate.lab_said(session, "logs", service, f"--tail={tail}")
        if said.code:
            raise LabError(last_line(said.err).removeprefix("lab: "))
        return said.out

    answers = each(machines, ask)
    _show(lab, machine, answers, lambda text: typer.echo(text, nl=False), json_=False)
    _end_with(answers)


def _end_with(answers: Mapping[str, object]) -> None:
    if any(isinstance(one, LabError) for one in answers.values()):
        raise typer.Exit(1)


def _show(lab: Lab, machine: str, answers: Mapping[str, Any], show: Callable[[Any], None], *, json_: bool) -> None:
    """One machine's answer as a local lab's; those of a stack of several under headings, or keyed by machine.

    Raises:
        LabError: nobody answered; the first one's reason.
    """
    refuse_all_failed(answers)
    several = len(lab.settings.machines) > 1 and not machine
    if json_:
        told = {name: {"ok": False, "why": f"{one}"} if isinstance(one, LabError) else one for name, one in answers.items()}
        views.print_json(told if several else next(iter(told.values())))
        return
    for name, found in answers.items():
        if several:
            views.out.print(f"[bold]{views.plain(name)}[/]")
        if isinstance(found, LabError):
            views.out.print(f"{views.mark(ok=False)}  {views.plain(str(found))}", soft_wrap=True)
        else:
            show(found)
