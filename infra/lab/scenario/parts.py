"""What each process of a run takes of the machine, second by second."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil


@dataclass(slots=True)
class Part:
    """One process: cores in use and memory, MB, each with its time from the begin of the run."""

    process: psutil.Process
    cpu_s: float
    at_s: float
    samples: list[tuple[float, float, float]] = field(default_factory=list)


class Parts:
    """The processes of one run."""

    def __init__(self) -> None:
        """None yet."""
        self._parts: dict[str, Part] = {}

    def watch(self, pids: Mapping[str, int]) -> None:
        """Look at these from now on."""
        for name, pid in pids.items():
            with suppress(psutil.Error):  # it may have ended already
                process = psutil.Process(pid)
                self._parts[name] = Part(process, _cpu_s(process), time.monotonic())

    def sample(self, at_s: float) -> None:
        """Once; the time from the run's begin is `at_s`."""
        now_s = time.monotonic()
        for part in self._parts.values():
            with suppress(psutil.Error):
                cpu_s, memory = _cpu_s(part.process), part.process.memory_info().rss
                cores = (cpu_s - part.cpu_s) / max(now_s - part.at_s, 1e-3)
                part.samples.append((at_s, round(cores, 3), round(memory / 2**20, 1)))
                part.cpu_s, part.at_s = cpu_s, now_s

    def as_json(self) -> list[dict[str, Any]]:
        """Each with its means and heights."""
        return [
            {
                "name": name,
                "cpu_cores": round(sum(cores for _, cores, _ in part.samples) / len(part.samples), 3),
                "memory_mb": round(max(memory for _, _, memory in part.samples), 1),
                "samples": part.samples,
            }
            for name, part in self._parts.items()
            if part.samples
        ]


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
