"""Addresses and logins of machines as they are reached from here: at the machine's address where a port is open, else by SSH."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from infra.cloud import gate
from infra.cloud.user_data import LOGIN
from infra.lab.clouds.made import MachineMade
from infra.lab.clouds.through import chosen, door_of, each
from infra.lab.errors import LabError
from infra.lab.lab import Lab
from infra.machine_ports import machine_ports

Entries = dict[str, dict[str, str]]
LOOPBACK = frozenset({"127.0.0.1", "localhost"})


def access_of(lab: Lab, machine: str) -> tuple[dict[str, Entries | LabError], list[str]]:
    """The entries of each machine, and what else is to be said."""
    _, machines = chosen(lab, machine)
    opened = {row.port for row in machine_ports(lab.settings.asked, lab.cloud.kubernetes)}

    def ask(one: MachineMade) -> Entries:
        with gate.session(door_of(one)) as session:
            there: Entries = gate.lab_told(session, "access")
            return _authorities_here(lab, one, session, from_here(there, one.address, opened))

    answers = each(machines, ask)
    hints = [hint for one in machines if (hint := forward_hint(answers[one.name], one.address))]
    return answers, hints


def from_here(entries: Mapping[str, Mapping[str, str]], address: str, opened: Collection[int]) -> Entries:
    """The same entries with the addresses that work from outside; what has no open port keeps the machine's loopback."""
    found = {}
    for name, entry in entries.items():
        found[name] = {**entry, "url": gate.address_outside(entry["url"], address, opened)}
    return found


def forward_hint(entries: Entries | LabError, address: str) -> str:
    """How to reach what is open on the machine's loopback alone."""
    if isinstance(entries, LabError):
        return ""
    ports = sorted(
        {place.port for one in entries.values() if (place := urlsplit(one["url"])).hostname in LOOPBACK and place.port}
    )
    if not ports:
        return ""
    words = " ".join(f"-L {port}:127.0.0.1:{port}" for port in ports)
    return (
        f"What is at 127.0.0.1 has no port to the outside; with this it is there on your machine: ssh {words} {LOGIN}@{address}"
    )


def _authorities_here(lab: Lab, machine: MachineMade, session: gate.Session, entries: Entries) -> Entries:
    """The same with the authorities to trust as files here."""
    folder = lab.paths.state / "machines" / lab.stack_name / machine.name
    for entry in entries.values():
        if there := entry.get("authority"):
            said = session.run(f"sudo -n cat {shlex.quote(there)}", within_s=60)
            if said.code:
                raise LabError(f"{machine.name} does not give {there}; look there: ls -l {there}")
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / Path(there).name
            file.write_text(said.out)
            entry["authority"] = str(file)
    return entries
