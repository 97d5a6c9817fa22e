"""The last log lines of a service or of a part of the embedded cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from infra.lab.errors import LabError, UserError
from infra.lab.kube import SERVICE_LABEL

if TYPE_CHECKING:
    from infra.lab.lab import Lab


def show_logs(lab: Lab, service: str, *, follow: bool, tail: int) -> None:
    """Print the last `tail` lines of `service`.

    Raises:
        UserError: there is no such service or part.
    """
    parts = lab.part_logs()
    if service in parts:
        lines = parts[service].read_text(errors="replace").splitlines()
        typer.echo("\n".join(lines[-tail:]))
        return
    if service not in lab.settings.chosen:
        raise UserError(f"there is no service '{service}'; there are {', '.join([*sorted(lab.settings.chosen), *sorted(parts)])}")
    lab.need_up()
    words = ["logs", f"--selector={SERVICE_LABEL}={service}", "--all-containers", "--prefix", f"--tail={tail}"]
    with lab.kube.stream([*words, "--follow"] if follow else words) as process:
        if process.wait():
            raise LabError(f"kubectl could not read the log of {service}; ./lab status says what runs")
