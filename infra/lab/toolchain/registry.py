"""One sentence for a package registry that does not answer, instead of its client's last line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.lab.console import Steps
from infra.lab.errors import LabError

# What apt, pip, go and Maven write when nobody answers, or only a proxy does. Compared in lower case.
SILENCE = (
    "could not resolve",
    "temporary failure resolving",
    "temporary failure in name resolution",
    "name or service not known",
    "no such host",
    "unknown host",
    "could not transfer artifact",
    "connection refused",
    "connection timed out",
    "could not connect",
    "unable to connect",
    "cannot connect to proxy",
    "network is unreachable",
    "i/o timeout",
    "tls handshake timeout",
    "read timed out",
    "max retries exceeded",
    "newconnectionerror",
    "proxyerror",
    "403 forbidden",
    "407 proxy authentication",
    "502 bad gateway",
    "503 service unavailable",
    "504 gateway",
)


def silent(log: str) -> str | None:
    """The line of a client's log that says that the registry did not answer, or None."""
    for line in log.splitlines():
        if any(sign in line.lower() for sign in SILENCE):
            return line.strip()
    return None


LIMIT_S = 3600.0  # a transfer that stalls; the longest build takes 4 minutes on 2 cores, 2026-11


@dataclass(frozen=True, slots=True)
class Registry:
    """A package registry, and what to look at when it is silent."""

    name: str
    remedy: str

    def run(
        self,
        steps: Steps,
        name: str,
        command: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Path:
        """`Steps.run` for a command that fetches something from here.

        Raises:
            LabError: as Steps.run; if the registry was silent, the message says so and what to do.
        """
        try:
            return steps.run(name, command, cwd=cwd, env=env, timeout_s=LIMIT_S)
        except LabError as failed:
            log = steps.log_file(name)
            line = silent(log.read_text(errors="replace")) if log.is_file() else None
            if line is None:
                raise
            raise LabError(
                f"{name}: {self.name} does not answer ({line[:160]}): {self.remedy}, or use ./lab up --bundle FILE.\n"
                f"  command: {' '.join(map(str, command))}\n  log: {log}"
            ) from failed
