"""Through the gate: the lab command of each machine, asked from here, in the same shapes as a local one answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from infra.cloud import gate
from infra.lab.clouds.made import MachineMade, Made, made_of
from infra.lab.errors import LabError, UserError
from infra.lab.lab import Lab
from infra.settings import SettingsError

AT_ONCE = 16  # machines asked at the same time
Answer = TypeVar("Answer")


def made_now(lab: Lab) -> Made:
    """What the stack has made at this moment.

    Raises:
        UserError: there is a state, and no Pulumi to read it.
    """
    if lab.machines.exists:
        lab.need_tools()
    return made_of(lab.machines.told())


@contextmanager
def refused(lab: Lab, and_so: str = "") -> Iterator[None]:
    """Refusals of the settings as a person's own: with the file's name, and what came of it."""
    try:
        yield
    except (SettingsError, UserError) as wrong:
        raise UserError(f"Pulumi.{lab.stack_name}.yaml: {str(wrong).rstrip('.')}. {and_so}".rstrip()) from wrong


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


def ask_all(lab: Lab, machine: str, *words: str, within_s: float = gate.VERB_S) -> dict[str, dict[str, Any] | LabError]:
    """What a verb says on each machine."""

    def ask(one: MachineMade) -> dict[str, Any]:
        with gate.session(door_of(one)) as session:
            return gate.lab_told(session, *words, within_s=within_s)

    return each(chosen(lab, machine)[1], ask)


def refuse_all_failed(answers: Mapping[str, object]) -> None:
    """End with the reason where nobody answered.

    Raises:
        LabError: the first machine's reason.
    """
    failed = [why for why in answers.values() if isinstance(why, LabError)]
    if failed and len(failed) == len(answers):
        raise failed[0]
