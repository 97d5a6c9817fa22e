"""`./lab status` of machines, from outside: what AWS says of each, then its stages, then its own lab, through the gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from infra.cloud import gate
from infra.lab.clouds.account import Account
from infra.lab.clouds.bills import OVER, STOPPED
from infra.lab.clouds.made import MachineMade
from infra.lab.clouds.through import door_of, each, made_now
from infra.lab.errors import LabError
from infra.lab.lab import Lab

EXPIRES = "expires"  # the tag


@dataclass(frozen=True, slots=True)
class Inside:
    """What a machine says of itself; `lab` and `doctor` once all stages are done."""

    stages: gate.StagesNow
    lab: dict[str, Any] | None = None
    doctor: dict[str, Any] | None = None
    why: str = ""  # the lab could not be asked

    @property
    def ok(self) -> bool:
        """Whether all is done and green."""
        return all(bool(part and part.get("ok")) for part in (self.lab, self.doctor))


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """One machine from outside: `state` is AWS's, or «expired», «gone», «not made», «unknown»; `why` says what is wrong."""

    name: str
    state: str
    instance: str
    address: str
    expires: str
    why: str
    inside: Inside | None = None

    @property
    def ok(self) -> bool:
        """Whether its lab is up and green."""
        return self.inside is not None and self.inside.ok

    def as_json(self) -> dict[str, Any]:
        """One object."""
        told = asdict(self) | {"ok": self.ok}
        return told | (told.pop("inside") or {"stages": None, "lab": None, "doctor": None}) | {"why": self.why_in_all or None}

    @property
    def why_in_all(self) -> str:
        """What is wrong, wherever it was found."""
        return self.why or (self.inside.why if self.inside else "")


def expires_of(instance: Mapping[str, Any]) -> str:
    """The day that an instance's tags say; empty where they say none."""
    return next((str(tag["Value"]) for tag in instance.get("Tags") or () if tag["Key"] == EXPIRES), "")


def has_expired(instance: Mapping[str, Any]) -> bool:
    """Whether that day has come."""
    return "" < expires_of(instance) <= datetime.now(UTC).date().isoformat()


def status_of(lab: Lab) -> list[MachineStatus]:
    """Every machine that the stack names, and those that it has made and names no more."""
    made = made_now(lab)
    why_unknown = ""
    seen: dict[str, dict[str, Any]] = {}
    try:
        account = Account(lab.cloud.region)
        account.payer(made.account, made.region)
        seen = account.machines(made.ids)
    except LabError as away:
        why_unknown = str(away)
    names = [*lab.settings.machines, *sorted(set(made.machines) - set(lab.settings.machines))]
    found = [_outside(lab, name, made.machines.get(name), seen, why_unknown) for name in names]
    asked_ones = [made.machines[one.name] for one in found if one.state in {"running", "unknown"} and one.instance]
    inside = each(asked_ones, _inside) if asked_ones else {}
    return [_with(one, inside.get(one.name)) for one in found]


def _outside(
    lab: Lab, name: str, machine: MachineMade | None, seen: Mapping[str, Mapping[str, Any]], why_unknown: str
) -> MachineStatus:
    """What AWS says."""
    again = f"./lab up -s {lab.stack_name}"
    if machine is None or not machine.instance:
        return MachineStatus(
            name, "not made", "", machine.address if machine else "", "", f"it is not made yet; {again} makes it"
        )
    place = (machine.instance, machine.address)
    if why_unknown:
        return MachineStatus(name, "unknown", *place, "", f"whether it runs could not be asked: {why_unknown}")
    instance = seen.get(machine.instance)
    state = str(instance["State"]["Name"]) if instance else "gone"
    if instance is None or state in OVER:
        return MachineStatus(name, "gone", *place, "", f"AWS has no such machine any more; {again} makes it anew, empty")
    day = expires_of(instance)
    if state in STOPPED and has_expired(instance):
        why = f"expired on {day} and stopped itself; raise iotlab:cloud.expires and run {again}"
        return MachineStatus(name, "expired", *place, day, why)
    why = f"it stands still and its disk and address cost; {again} starts it again" if state in STOPPED else ""
    return MachineStatus(name, state, *place, day, why)


def _inside(machine: MachineMade) -> Inside:
    """What the machine says.

    Raises:
        LabError: it can't be reached.
    """
    with gate.session(door_of(machine)) as session:
        stages = gate.stages(session)
        if stages.state != "done":
            return Inside(stages)
        try:
            return Inside(stages, gate.lab_told(session, "status"), gate.lab_told(session, "doctor", within_s=gate.DOCTOR_S))
        except LabError as silent:
            return Inside(stages, why=str(silent))


def _with(outside: MachineStatus, inside: Inside | LabError | None) -> MachineStatus:
    if isinstance(inside, LabError):
        return replace(outside, why="; ".join(filter(None, (outside.why, str(inside)))))
    return replace(outside, inside=inside)
