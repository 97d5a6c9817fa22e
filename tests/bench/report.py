"""A bench's figures: as a table for people, as JSON for files."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

import psutil

from infra import versions


def quantiles(times_ms: list[float]) -> tuple[float, float]:
    """The 50th and the 99th percentile."""
    ordered = sorted(times_ms)
    return round(ordered[len(ordered) // 2], 1), round(ordered[int(len(ordered) * 0.99)], 1)


@dataclass(frozen=True, slots=True)
class Result:
    """What one contender did: messages a second and cores, milliseconds at the steady load, and `more` of a bench's own."""

    msg_s: float
    cpu_cores: float
    msg_s_per_core: float
    p50_ms: float
    p99_ms: float
    lost: int
    duplicated: int
    more: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, msg_s: float, cpu_cores: float, times_ms: list[float], lost: int, duplicated: int, **more: float) -> Result:
        """Rounded to what such a measurement can tell."""
        p50, p99 = quantiles(times_ms)
        return cls(round(msg_s), round(cpu_cores, 2), round(msg_s / cpu_cores), p50, p99, lost, duplicated, more)

    def figures(self) -> dict[str, float]:
        """All of them by name."""
        told: dict[str, float] = asdict(self)
        del told["more"]
        return told | self.more


def _machine() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_before": [round(each, 2) for each in os.getloadavg()],
    }


def _versions() -> dict[str, str]:
    packages = ("confluent-kafka", "paho-mqtt", "kafka-python")
    return {"kafka": versions.KAFKA} | {package: version(package) for package in packages}


@dataclass(frozen=True, slots=True)
class Report:
    """All contenders of a run; the first is ours, and `ratio` is ours over each peer's."""

    contenders: dict[str, Result]
    load: dict[str, Any]
    machine: dict[str, Any] = field(default_factory=_machine)
    versions: dict[str, str] = field(default_factory=_versions)

    @classmethod
    def of_json(cls, text: str) -> Report:
        """What `as_json` has written."""
        told = json.loads(text)
        contenders = {name: Result(**result) for name, result in told.pop("contenders").items()}
        told.pop("ratio")
        return cls(contenders, **told)

    @property
    def ratio(self) -> dict[str, dict[str, float]]:
        """By peer: of the rate, of the rate per core, of the percentiles, of a bench's own figures."""
        (_, own), *peers = self.contenders.items()
        ours = own.figures()
        keys = ("msg_s", "msg_s_per_core", "p50_ms", "p99_ms", *own.more)
        return {
            name: {key: round(ours[key] / figures[key], 2) for key in keys if figures[key]}
            for name, figures in ((name, peer.figures()) for name, peer in peers)
        }

    def as_json(self) -> str:
        """One object."""
        return json.dumps(asdict(self) | {"ratio": self.ratio}, indent=2) + "\n"

    def as_table(self) -> str:
        """Rows of a Markdown table."""
        more = [name.replace("_", " ") for name in next(iter(self.contenders.values())).more]
        counts = ("msg/s", "cores", "msg/s per core", "p50 ms", "p99 ms", "lost", "duplicated", *more)
        head = ("", *counts, "rate, ours/peer", "per core")
        rows = [head, ("---",) * len(head)]
        for name, result in self.contenders.items():
            told = self.ratio.get(name, {})
            rows.append(
                (
                    name,
                    *(f"{each:,}" for each in result.figures().values()),
                    *(str(told.get(k, "")) for k in ("msg_s", "msg_s_per_core")),
                )
            )
        return "".join(f"| {' | '.join(row)} |\n" for row in rows)
