"""The gate: a machine in the cloud as seen from outside, over SSH with its host key pinned.

Plain Python without Pulumi: the plugin's `Lab`, the verbs and the tests of a real VM go through it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml


from infra.cloud.gate_errors import (
    CommandError,
    DiskFullError,
    GateError,
    LateError,
    LostError,
    RedError,
    RefusedError,
    StageFailedError,
    UnreachableError,
    WrongHostKeyError,
    last_lines,
)
from infra.cloud.gate_ssh import Door, Said, Session, fingerprint, session

__all__ = [
    "CommandError",
    "DiskFullError",
    "Door",
    "GateError",
    "LabThere",
    "LateError",
    "LostError",
    "RedError",
    "RefusedError",
    "Report",
    "Said",
    "Session",
    "StageFailedError",
    "StageNow",
    "StagesNow",
    "UnreachableError",
    "WrongHostKeyError",
    "fingerprint",
    "lab_of",
    "lay_down",
    "reach",
    "session",
    "stages",
    "start_stages",
    "wait_for_stages",
]

Report = Callable[[str], None]  # a line of progress; what it raises ends the wait
BRIEF_S = 60.0  # a question to the machine itself
GRACE_S = 30.0  # after the first answer: sshd may be there before its keys are
DOCTOR_S = 600.0  # the canary's hops, and refusals at their own limits
SHORTEST_S, LONGEST_S, MORE = 0.2, 3.0, 1.3  # between two looks
RESTARTS = 3  # of stages that nothing runs any more
FULL_MB = 100  # a disk with less than this to write is full
UNIT = "iotlab-stages.service"
KUBECONFIGS = ("/var/lib/iotlab/state/pulumi/vm.kubeconfig", "/var/lib/iotlab/state/cluster/kubeconfig")


@dataclass(frozen=True, slots=True)
class StageNow:
    """One stage of a machine as of now."""

    number: int
    name: str
    state: str  # waiting, running, done, failed, interrupted
    since: str
    seconds: float | None
    exit_code: int | None
    log: tuple[str, ...]
    remedy: str


@dataclass(frozen=True, slots=True)
class StagesNow:
    """A machine's stages as of now; none as long as cloud-init has not laid them down."""

    machine: str
    state: str
    done: int
    of: int
    running: bool  # whether a run goes on
    stages: tuple[StageNow, ...]

    @property
    def current(self) -> StageNow | None:
        """The first stage that is not done."""
        return next((stage for stage in self.stages if stage.state != "done"), None)


@dataclass(frozen=True, slots=True)
class LabThere:
    """What the machine's own lab says of itself."""

    doctor: dict[str, Any]  # ./lab doctor --json
    access: dict[str, dict[str, str]]  # ./lab access --json, with passwords
    kubeconfig: str

    @property
    def ok(self) -> bool:
        """Whether its doctor finds everything green."""
        return bool(self.doctor.get("ok"))

    @property
    def red(self) -> dict[str, str]:
        """Every red hop and service, with why."""
        found = [*self.doctor.get("hops", ()), *self.doctor.get("services", ())]
        return {str(one["name"]): str(one.get("why") or "") for one in found if not one["ok"]}


def stages(session: Session) -> StagesNow:
    """How far the machine is.

    Raises:
        LostError: the connection broke off.
        CommandError: the machine does not answer as ours do.
    """
    said = session.run("sudo -n lab-stage status --json", within_s=BRIEF_S)
    try:
        told = json.loads(said.out)
        found = tuple(
            StageNow(
                int(entry["n"]),
                str(entry["name"]),
                str(entry["state"]),
                str(entry["since"] or ""),
                entry["seconds"],
                entry["exit_code"],
                tuple(entry["log"]),
                str(entry["remedy"]),
            )
            for entry in told["stages"]
        )
        return StagesNow(told["machine"], told["state"], told["done"], told["of"], bool(told.get("running")), found)
    except (ValueError, KeyError, TypeError) as strange:
        if "not found" in said.err:
            return StagesNow(session.door.address, "waiting", 0, 0, running=False, stages=())
        raise CommandError(
            f"lab-stage at {session.door.where} gave no answer ({last_lines(said.err.splitlines())}); log in and run: "
            "sudo lab-stage status."
        ) from strange


def reach(door: Door, within_s: float, report: Report) -> StagesNow:
    """Wait until the machine lets us in; how far it is then."""
    raise NotImplementedError


def start_stages(session: Session) -> None:
    """Let the machine run what is not done; a run that goes on is left alone."""
    raise NotImplementedError


def wait_for_stages(door: Door, within_s: float, report: Report) -> StagesNow:
    """Wait until every stage is done, over lost connections and reboots."""
    raise NotImplementedError


def lay_down(session: Session, user_data: bytes) -> list[str]:
    """Bring each file of the (packed) user data to the machine that is not there as it should be; the paths that changed."""
    raise NotImplementedError


def lab_of(session: Session) -> LabThere:
    """Ask the machine's own lab: its doctor, its addresses and logins, the kubeconfig."""
    raise NotImplementedError
