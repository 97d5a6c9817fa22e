"""`./lab plan --fit`: which machine, which loads."""

from __future__ import annotations

from infra.lab import views
from infra.lab.errors import UserError
from infra.lab.lab import Lab
from infra.lab.plan import room
from infra.lab.plan.fit import impossible, most, sizes
from infra.lab.plan.fit_text import Fit, show_fit
from infra.lab.scenario.units import duration_ms

INTERVALS_S = (1.0, 10.0, 100.0)
QUALITIES = (0, 1)


def show_fit_of(lab: Lab, machine: str, interval: str, qos: int | None, *, as_json: bool) -> None:
    """Print what the stack's machine, this one or the one that is named can carry.

    Raises:
        UserError: there is no such machine, or the interval is none.
    """
    intervals_s = (_seconds(interval),) if interval else INTERVALS_S
    qualities = QUALITIES if qos is None else (qos,)
    cloud, services = lab.settings.cloud, lab.settings.asked
    kind = machine or (lab.settings.machine_type.name if cloud else "")
    have = room.named(kind, cloud.disk_gb if cloud else None) if kind else room.here(lab.paths)
    best = [most(interval_s, quality, have, services) for interval_s in intervals_s for quality in qualities]
    found = Fit(lab.stack_name, have, sizes(have, services), best, impossible(have, services))
    views.print_json(found.as_json()) if as_json else show_fit(found)


def _seconds(interval: str) -> float:
    try:
        milliseconds = duration_ms(interval)
    except ValueError as wrong:
        raise UserError(f"--interval: {wrong}.") from wrong
    if not milliseconds:
        raise UserError("--interval: a car needs some time between two readings, as 10s.")
    return milliseconds / 1000
