"""The gate: a machine in the cloud as seen from outside, over SSH with its host key pinned.

Plain Python without Pulumi: the plugin's `Lab`, the verbs and the tests of a real VM go through it. What it is made of:
gate_ssh (one connection), gate_stages (waiting), gate_files (the program that lays files down there), gate_errors.
"""

from __future__ import annotations

import gzip
import json
import shlex
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from infra import wiring
from infra.cloud import gate_files
from infra.cloud.gate_errors import (
    CommandError,
    DiskFullError,
    GateError,
    LateError,
    LostError,
    RefusedError,
    StageFailedError,
    UnreachableError,
    WrongHostKeyError,
    last_lines,
)
from infra.cloud.gate_ssh import Door, Said, Session, fingerprint, session, well
from infra.cloud.gate_stages import (
    Report,
    Room,
    StageNow,
    StagesNow,
    room,
    stages,
    start_stages,
    steadily,
    wait_for_stages,
)
from infra.machine_ports import API_PORT

__all__ = [
    "DOCTOR_S",
    "CommandError",
    "DiskFullError",
    "Door",
    "GateError",
    "LabThere",
    "LateError",
    "LostError",
    "RefusedError",
    "Report",
    "Room",
    "Said",
    "Session",
    "StageFailedError",
    "StageNow",
    "StagesNow",
    "UnreachableError",
    "WrongHostKeyError",
    "address_outside",
    "differing",
    "fingerprint",
    "from_outside",
    "lab_of",
    "lab_said",
    "lab_told",
    "lay_down",
    "room",
    "session",
    "stages",
    "start_stages",
    "steadily",
    "wait_for_stages",
]

VERB_S = 120.0  # for a verb of the machine's lab
DOCTOR_S = 600.0  # the canary's hops, and refusals at their own limits
GZIP = b"\x1f\x8b"
CERTIFIED = "kubernetes"  # a name in the certificate of MicroK8s' API, whose addresses are the machine's inner ones


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


def lay_down(session: Session, user_data: bytes) -> list[str]:
    """Bring each file of the (packed) user data to the machine that is not there as it should be; the paths that changed.

    Raises:
        DiskFullError: there is no room for them.
        CommandError: the machine could not take them.
    """
    changed = _laid(session, user_data, look=False)
    if any(path.startswith("/etc/systemd/system/") for path in changed):
        well(session, "sudo -n systemctl daemon-reload")
        for words in _document(user_data).get("runcmd") or ():
            well(session, f"sudo -n {shlex.join(words)}")  # units that are to be on: said again, it changes nothing
    if any(path.startswith("/etc/ssh/") for path in changed):
        well(session, "sudo -n systemctl try-reload-or-restart ssh.service")
    return changed


def differing(session: Session, user_data: bytes) -> list[str]:
    """The paths that `lay_down` would change."""
    return _laid(session, user_data, look=True)


def _laid(session: Session, user_data: bytes, *, look: bool) -> list[str]:
    asked = json.dumps({"files": _document(user_data)["write_files"], "look": look})
    program = Path(gate_files.__file__).read_text()
    said = well(session, f"sudo -n python3 -c {shlex.quote(program)}", given=asked.encode())
    told = json.loads(said.out)
    if told["full"]:
        raise DiskFullError(session.door.address, f"the file {told['full']}", room(session).told)
    return [str(path) for path in told["changed"]]


def _document(user_data: bytes) -> dict[str, Any]:
    text = gzip.decompress(user_data) if user_data.startswith(GZIP) else user_data
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def lab_of(session: Session) -> LabThere:
    """Ask the machine's own lab: its doctor, its addresses and logins, the kubeconfig.

    Raises:
        CommandError: it gives no answer.
    """
    doctor = lab_told(session, "doctor", within_s=DOCTOR_S)
    access = lab_told(session, "access")
    kubeconfig = well(session, "sudo -n kubectl config view --raw --flatten").out
    return LabThere(doctor, access, from_outside(kubeconfig, session.door.address))


def lab_said(session: Session, *words: str, within_s: float = VERB_S) -> Said:
    """Run a verb of the machine's own lab."""
    return session.run(f"sudo -n lab {shlex.join(words)} -s vm", within_s=within_s)


def lab_told(session: Session, *words: str, within_s: float = VERB_S) -> dict[str, Any]:
    """The JSON object that a verb of the machine's own lab answers, whatever its exit code.

    Raises:
        CommandError: it answers none; its own last words.
    """
    said = lab_said(session, *words, "--json", within_s=within_s)
    with suppress(ValueError):
        told = json.loads(said.out)
        if isinstance(told, dict):
            return told
    lines = last_lines(said.err.splitlines())  # its output may hold passwords
    raise CommandError(f"the lab at {session.door.where} gives no answer to '{words[0]}' (exit code {said.code}), {lines}.")


def from_outside(kubeconfig: str, address: str) -> str:
    """The kubeconfig for who is not on the machine: MicroK8s is reached at the machine's address, by a name it has proof of.

    An embedded cluster serves loopback alone: it is reached through a forward, and its kubeconfig stays as it is.
    """
    loaded: dict[str, Any] = yaml.safe_load(kubeconfig)
    for entry in loaded["clusters"]:
        if urlsplit(entry["cluster"]["server"]).port == API_PORT:
            entry["cluster"] |= {"server": f"https://{address}:{API_PORT}", "tls-server-name": CERTIFIED}
    return yaml.safe_dump(loaded, sort_keys=False)


def address_outside(url: str, address: str, open_ports: Collection[int]) -> str:
    """A service's address as the machine's lab tells it, for who is not on the machine; unchanged if its port is not open."""
    parts = urlsplit(url)
    row = next(
        (row for row in wiring.EXPOSED if parts.port == row.node_port or (parts.hostname, parts.port) == (row.service, row.port)),
        None,
    )
    return parts._replace(netloc=f"{address}:{row.node_port}").geturl() if row and row.node_port in open_ports else url
