"""`iotlab:index:Lab`: the lab on a machine.

It is made when the machine has what it shall have, its stages are done and its own doctor finds everything green. The work itself
is the gate's.
"""

from __future__ import annotations

import base64
from typing import ClassVar

from infra.cloud import gate
from infra.cloud.user_data import LOGIN
from infra.lab.plugins.iotlab.kind import Kind, Report, UnfinishedError
from infra.lab.plugins.values import UNKNOWN, Properties, Secret

BRIEFLY_S = 5.0  # a refresh doesn't wait for a machine that is off


def _door(inputs: Properties) -> gate.Door:
    return gate.Door(inputs["address"], inputs["port"], LOGIN, inputs["hostKey"], inputs["privateKey"])


def _verdict(red: dict[str, str]) -> Properties:
    return {"ok": not red, "red": red}


def outputs(there: gate.LabThere, inputs: Properties) -> Properties:
    """What a lab says of itself, as outputs; latencies and moments are left out, they would be another each time."""
    ways = {name: gate.address_outside(way["url"], inputs["address"], inputs["openPorts"]) for name, way in there.access.items()}
    logins = {name: {key: way[key] for key in ("user", "password") if key in way} for name, way in there.access.items()}
    red = there.red or ({} if there.ok else {"lab": "its doctor found nothing to look at"})
    return {"doctor": _verdict(red), "addresses": ways, "logins": Secret(logins), "kubeconfig": Secret(there.kubeconfig)}


class Lab(Kind):
    """A machine that is a lab, with what its doctor found, its addresses, logins and kubeconfig."""

    urn_type: ClassVar[str] = "iotlab:index:Lab"
    defaults: ClassVar[Properties] = {
        "address": None,
        "port": 22,
        "hostKey": None,
        "privateKey": None,
        "userData": None,
        "instance": None,
        "machineType": "",
        "openPorts": [],
        "reachableMin": 10,
        "stagesMin": 60,
    }
    secrets: ClassVar[frozenset[str]] = frozenset({"privateKey"})

    def refused(self, inputs: Properties) -> dict[str, str]:
        """What is missing."""
        return {key: f"{key} is missing: a Lab needs it." for key, value in inputs.items() if value is None}

    def made(self, inputs: Properties, report: Report) -> Properties:
        """Bring the machine to what it shall be, and wait until it is."""

        def tell(line: str) -> None:
            report(f"lab: {line}")

        door, reachable_s = _door(inputs), inputs["reachableMin"] * 60
        try:
            data = base64.b64decode(inputs["userData"])
            changed = gate.steadily(door, reachable_s, tell, lambda here: gate.lay_down(here, data))
            tell(f"{len(changed)} files laid down")
            stages = gate.wait_for_stages(door, inputs["stagesMin"] * 60, tell)
            tell("asks the doctor")
            found = outputs(gate.steadily(door, reachable_s, tell, gate.lab_of), inputs)
        except gate.GateError as failed:
            raise UnfinishedError(str(failed), {"doctor": _verdict({"machine": str(failed)})}) from failed
        if red := found["doctor"]["red"]:
            told = "; ".join(f"{name}: {why}" for name, why in red.items())
            raise UnfinishedError(
                f"the lab of the machine {stages.machine} ({door.address}) is up but not healthy: {told}; log in and run "
                "sudo lab doctor -s vm, the next ./lab up asks again.",
                found,
            )
        return found

    def unknown(self) -> Properties:
        """Outputs that a preview doesn't know yet."""
        return {"doctor": UNKNOWN, "addresses": UNKNOWN, "logins": Secret(UNKNOWN), "kubeconfig": Secret(UNKNOWN)}

    def outlived(self, state: Properties) -> list[str]:
        """A doctor that was not content: the next `up` asks again."""
        return [] if (state.get("doctor") or {}).get("ok") else ["doctor"]

    def seen(self, state: Properties) -> Properties:
        """Ask the machine once: whether it is still what it was told to be, and its doctor."""
        try:
            with gate.session(_door(state), patience_s=BRIEFLY_S) as here:
                stages = gate.stages(here)
                differing = gate.differing(here, base64.b64decode(state["userData"]))
                if differing or stages.state != "done":
                    red = {"machine": f"{stages.told}; not as laid down: {', '.join(differing) or 'nothing'}"}
                    return {"doctor": _verdict(red)}
                return outputs(gate.lab_of(here), state)
        except gate.GateError as away:
            return {"doctor": _verdict({"machine": str(away)})}
