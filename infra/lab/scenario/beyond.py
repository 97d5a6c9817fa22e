"""What became of a run behind the brokers: in Kafka by the bridges' own counters, in InfluxDB by the writer's.

They count all that passes, so the readings of the lab's own devices are among them; a lab without own devices counts a run
exactly.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from infra import wiring
from infra.accounts import fits
from infra.lab.lab import Lab
from infra.lab.scenario.plan import first_topic
from infra.lab.watch import CARRIED, Labels, samples_of, sum_of

ARRIVED_WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 2.0
SHARES: Final = {"p50_ms": 0.5, "p99_ms": 0.99}


class Hop(NamedTuple):
    """Who counts what arrives there, with which counter and which histogram of seconds."""

    app: str
    counter: str
    times: str


HOPS: Final = {
    "kafka": Hop("bridge", "bridge_delivered_total", "bridge_latency_seconds_bucket"),
    "influxdb": Hop("timeseries", "timeseries_records_read_total", "timeseries_latency_seconds_bucket"),
}


@dataclass(frozen=True, slots=True)
class Counts:
    """One hop at one moment: how many have arrived, and how many of them within so many seconds."""

    arrived: int
    within: Mapping[float, float]

    def since(self, before: Counts) -> dict[str, Any]:
        """What came after `before`; times are the upper ends of the histogram's classes, counted from the bridge's socket."""
        within = {limit: count - before.within.get(limit, 0.0) for limit, count in sorted(self.within.items())}
        total = max(within.values(), default=0.0)
        times = {name: _limit(within, share * total) if total else None for name, share in SHARES.items()}
        return {"arrived": self.arrived - before.arrived} | times


def _limit(within: Mapping[float, float], wanted: float) -> float | None:
    """The least class that reaches `wanted`, ms; None is beyond all."""
    limit_s = next(limit for limit, count in within.items() if count >= wanted)
    return None if limit_s == float("inf") else round(limit_s * 1_000, 1)


def counts_of(pages: Iterable[str], hop: Hop, labels: Labels) -> Counts:
    """One hop's, of the /metrics pages of its pods."""
    arrived, within = 0.0, defaultdict[float, float](float)
    for page in pages:
        arrived += sum_of(samples_of(page, hop.counter), labels)
        for sample in samples_of(page, hop.times):
            within[float(sample.labels["le"])] += sample.value
    return Counts(round(arrived), within)


def carried(plan: Mapping[str, Any], routes: Iterable[wiring.Route]) -> int:
    """How many of a plan's messages bridges with these routes take; fans, for one, do not go to Kafka."""
    found = 0
    for cycle in (cycle for stage in plan["stages"] for cycle in stage["cycles"] if "publish" in cycle):
        group, publish = plan["groups"][cycle["group"]], cycle["publish"]
        if any(fits(route.mqtt, first_topic(group, publish)) for route in routes):
            found += group["count"] * publish["count"]
    return found


class Beyond:
    """A lab's hops behind its brokers, from now on."""

    def __init__(self, lab: Lab) -> None:
        """Those that the lab has.

        Raises:
            LabError: one of them gives no answer.
        """
        self._lab = lab
        self._hops = {name: hop for name, hop in HOPS.items() if lab.settings.has(hop.app)}
        self._before = self._now()

    def _now(self) -> dict[str, Counts]:
        pages = {name: self._lab.kube.pages(hop.app, wiring.METRICS_PORT, "metrics") for name, hop in self._hops.items()}
        return {name: counts_of(pages[name], hop, CARRIED) for name, hop in self._hops.items()}

    def since(self, plan: Mapping[str, Any], acked: int) -> dict[str, dict[str, Any]]:
        """By hop, what has arrived; waits a minute at most for what bridges carry of the plan, or for `acked` if that is less.

        Raises:
            LabError: one of them gives no answer.
        """
        wanted = min(acked, carried(plan, self._lab.settings.routes))
        until_s = time.monotonic() + ARRIVED_WITHIN_S
        while True:
            found = {name: now.since(self._before[name]) for name, now in self._now().items()}
            if all(each["arrived"] >= wanted for each in found.values()) or time.monotonic() > until_s:
                return found
            time.sleep(LOOK_EVERY_S)
