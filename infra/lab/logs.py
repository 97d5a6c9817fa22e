"""The last log lines of a service or of a part of the embedded cluster."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from infra.lab.errors import LabError, UserError
from infra.lab.kube import SERVICE_LABEL
from infra.lab.upstream import left_out

if TYPE_CHECKING:
    from infra.lab.lab import Lab

POLL_S = 0.2
MOST_PODS = 100  # kubectl follows five at once unless told; XXL has 60 shards of Mosquitto


def show_logs(lab: Lab, service: str, *, follow: bool, tail: int) -> None:
    """Print the last `tail` lines of `service`.

    Raises:
        UserError: there is no such service or part.
    """
    parts = lab.part_logs()
    if service in parts:
        _show_part(parts[service], follow=follow, tail=tail)
        return
    if service not in lab.settings.chosen:
        known = ", ".join([*sorted(lab.settings.chosen), *sorted(parts)])
        raise UserError(left_out(lab.settings).get(service) or f"there is no service '{service}'; there are {known}")
    lab.need_up()
    chosen = [f"--selector={SERVICE_LABEL}={service}", f"--max-log-requests={MOST_PODS}"]
    words = ["logs", *chosen, "--all-containers", "--prefix", f"--tail={tail}"]
    with lab.kube.stream([*words, "--follow"] if follow else words) as process:
        if process.wait():
            raise LabError(f"kubectl could not read the log of {service}; ./lab status says what runs")


def _show_part(file: Path, *, follow: bool, tail: int) -> None:
    """Print the end of a part's log (all of it if `tail` is negative, as kubectl does), and with `follow` what comes."""
    with file.open("rb") as log:
        lines = deque(log, maxlen=tail if tail >= 0 else None)
        typer.echo(b"".join(lines).decode(errors="replace"), nl=False)
        while follow:
            if file.stat().st_size < log.tell():  # the supervisor has begun it anew
                log.seek(0)
            typer.echo(log.read().decode(errors="replace"), nl=False)
            time.sleep(POLL_S)
