"""What can go wrong at the gate, each as one sentence: what is wrong, where, what to do."""

from __future__ import annotations

from collections.abc import Sequence

from infra.failures import LabError

SHOWN_LINES = 5  # of a log, in a sentence


def last_lines(lines: Sequence[str]) -> str:
    """The end of a log, for a sentence."""
    said = [line.strip() for line in lines if line.strip()][-SHOWN_LINES:]
    return f"its last lines: «{' / '.join(said)}»" if said else "it has said nothing yet"


class GateError(LabError):
    """A machine could not be made a lab from outside, or not be asked."""


class UnreachableError(GateError):
    """Nothing answers at the address, or what answers is no SSH server."""


class LostError(UnreachableError):
    """The connection broke off, or the machine fell silent; trying again may help."""


class WrongHostKeyError(GateError):
    """Somebody else answers at the address, or the machine got another host key."""


class RefusedError(GateError):
    """The machine is the right one and lets this key not in."""


class CommandError(GateError):
    """A command on the machine failed, or took too long."""


class StageFailedError(GateError):
    """A stage of the machine failed."""

    def __init__(self, machine: str, stage: str, lines: Sequence[str], remedy: str) -> None:
        """`lines` are the end of the stage's log; `remedy` is what the stage itself says should be done."""
        self.machine, self.stage, self.lines, self.remedy = machine, stage, tuple(lines), remedy
        super().__init__(
            f"the stage {stage} of the machine {machine} failed, {last_lines(lines)}; "
            f"what to do there: {remedy.removesuffix('.')}; the next ./lab up goes on with this stage."
        )


class LateError(GateError):
    """The time is over and the machine is not what it shall be."""


class DiskFullError(GateError):
    """The machine's disk is full."""

    def __init__(self, machine: str, doing: str, used: str) -> None:
        """`doing` is what there was no room for; `used` says how full it is."""
        super().__init__(
            f"the disk of the machine {machine} is full ({used}): no room for {doing}; raise iotlab:cloud.diskGb, ./lab up and "
            "sudo reboot there, or delete what you don't need (sudo du -xh -d2 / | sort -h | tail), then ./lab up again."
        )
