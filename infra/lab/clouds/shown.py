"""How machines look on a terminal: a line each, and below it what is to be known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.cloud.user_data import LOGIN
from infra.lab.clouds.made import MachineMade
from infra.lab.clouds.status import Inside, MachineStatus
from infra.lab.views import mark, out, plain

SHOWN_LINES = 5  # of a stage's log


def _line(text: str) -> None:
    out.print(plain(text), soft_wrap=True)


def show_status(machines: list[MachineStatus]) -> None:
    """Every machine: from outside, its stages, its lab."""
    for one in machines:
        until = f", until {one.expires}" if one.expires and one.state != "expired" else ""
        place = f" at {one.address}" if one.address else ""
        out.print(f"{mark(ok=one.ok)}  [bold]{plain(one.name)}[/] {one.state}{place}{until}", soft_wrap=True)
        if one.why:
            _line(f"     {one.why}")
        if one.inside:
            _show_inside(one.inside)


def _show_inside(inside: Inside) -> None:
    stages, current = inside.stages, inside.stages.current
    if not stages.of:
        _line("     cloud-init has not begun with the stages yet")
        return
    since = f" since {current.since[11:16]} UTC" if current and current.state == "running" else ""
    _line(f"     {stages.done} of {stages.of} stages done{f'; {current.name}: {current.state}{since}' if current else ''}")
    if current:
        for line in [one for one in current.log if not one.startswith("remedy: ")][-SHOWN_LINES:]:
            _line(f"     | {line}")
        if current.remedy:
            _line(f"     what to do: {current.remedy}")
    if inside.why:
        _line(f"     {inside.why}")
    if inside.lab:
        _show_lab(inside.lab)
    if inside.doctor:
        _show_doctor(inside.doctor)


def _show_lab(lab: Mapping[str, Any]) -> None:
    services = lab.get("services") or ()
    ready = sum(bool(one.get("ready")) for one in services)
    memory = f", {lab['memory_mb']:,} MB" if lab.get("memory_mb") else ""
    _line(f"     {ready} of {len(services)} pods ready{memory}")
    for one in services:
        if not one.get("ready"):
            _line(f"     | {one.get('service')}: {one.get('why') or 'not ready'}")
    for service in lab.get("missing") or ():
        _line(f"     | {service}: not there")


def red(doctor: Mapping[str, Any]) -> dict[str, str]:
    """Hop or service -> what is wrong with it, as a machine's doctor has it."""
    found = [*(doctor.get("hops") or ()), *(doctor.get("services") or ())]
    return {str(one["name"]): str(one.get("why") or "red") for one in found if not one.get("ok")}


def _show_doctor(doctor: Mapping[str, Any]) -> None:
    _line(f"     doctor: {'all green' if doctor.get('ok') else 'red'}")
    for name, why in red(doctor).items():
        _line(f"     | {name}: {why}")


def show_made(machines: list[MachineMade]) -> None:
    """What `up` ends with: each machine's doctor as the gate heard it, and where its services are."""
    for machine in machines:
        doctor = machine.lab.get("doctor") or {}
        said = ("doctor all green" if doctor.get("ok") else "doctor red") if doctor else "its lab was not asked"
        ok = bool(doctor.get("ok"))
        out.print(f"{mark(ok=ok)}  [bold]{plain(machine.name)}[/] at {machine.address}: {said}", soft_wrap=True)
        for service, url in sorted((machine.lab.get("addresses") or {}).items()):
            _line(f"     {service:<20} {url}")
        _line(f"     {'shell':<20} ssh {LOGIN}@{machine.address}")
