"""Through the gate: the lab command of each machine, asked from here, in the same shapes as a local one answers."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from infra.cloud import gate
from infra.lab.clouds.made import MachineMade, Made, made_of
from infra.lab.errors import LabError, UserError, last_line
from infra.lab.lab import Lab

AT_ONCE = 16  # machines asked at the same time
BRIEF_S = 120.0
Answer = TypeVar("Answer")


def made_now(lab: Lab) -> Made:
    """What the stack has made at this moment.

    Raises:
        UserError: there is a state, and no Pulumi to read it.
    """
    if lab.machines.exists:
        lab.need_tools()
    return made_of(lab.machines.told())


def chosen(lab: Lab, machine: str) -> tuple[Made, list[MachineMade]]:
    """The machine with that name, or all that are made.

    Raises:
        UserError: there is no such machine, or none at all yet.
    """
    _ = lab.cloud  # without it there are none
    names = lab.settings.machines
    if machine and machine not in names:
        raise UserError(f"the stack '{lab.stack_name}' has no machine '{machine}': it has {', '.join(names)}.")
    made = made_now(lab)
    found = [made.machines[name] for name in names if name in made.machines and machine in {"", name}]
    if not found:
        raise UserError(f"the stack '{lab.stack_name}' has no machine yet; make it with ./lab up -s {lab.stack_name}")
    return made, found


def door_of(machine: MachineMade) -> gate.Door:
    """How the machine is reached.

    Raises:
        LabError: not yet.
    """
    if machine.door is None:
        missing = "its host key is not known yet" if machine.address else "it has no address yet"
        raise LabError(f"{machine.name} cannot be asked: {missing}; ./lab up goes on with it.")
    return machine.door


def each(machines: list[MachineMade], ask: Callable[[MachineMade], Answer]) -> dict[str, Answer | LabError]:
    """Ask all machines at the same time; who gives no answer has its reason in its place."""

    def one(machine: MachineMade) -> Answer | LabError:
        try:
            return ask(machine)
        except LabError as why:
            return why

    with ThreadPoolExecutor(min(AT_ONCE, len(machines))) as pool:
        return dict(zip((machine.name for machine in machines), pool.map(one, machines), strict=True))


def lab_command(session: gate.Session, *words: str, within_s: float = BRIEF_S) -> gate.Said:
    """Run a verb of the machine's own lab."""
    return session.run(f"sudo -n lab {shlex.join(words)} -s vm", within_s=within_s)


def asked(session: gate.Session, *words: str, within_s: float = BRIEF_S) -> dict[str, Any]:
    """The JSON that a verb of the machine's own lab answers, whatever its exit code.

    Raises:
        LabError: it answers none; its own sentence.
    """
    said = lab_command(session, *words, "--json", within_s=within_s)
    with suppress(ValueError):
        found = json.loads(said.out)
        if isinstance(found, dict):
            return found
    why = last_line(said.err, f"exit code {said.code}").removeprefix("lab: ")
    raise LabError(f"its lab gives no answer to '{words[0]}': {why}")


def ask_all(lab: Lab, machine: str, *words: str, within_s: float = BRIEF_S) -> dict[str, dict[str, Any] | LabError]:
    """What a verb says on each machine."""

    def ask(one: MachineMade) -> dict[str, Any]:
        with gate.session(door_of(one)) as session:
            return asked(session, *words, within_s=within_s)

    return each(chosen(lab, machine)[1], ask)


def refuse_all_failed(answers: Mapping[str, object]) -> None:
    """End with the reason where nobody answered.

    Raises:
        LabError: the first machine's reason.
    """
    failed = [why for why in answers.values() if isinstance(why, LabError)]
    if failed and len(failed) == len(answers):
        raise failed[0]
