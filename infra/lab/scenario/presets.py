"""Scenarios that have a name: each size of the design as a run of its cars."""

from __future__ import annotations

from dataclasses import dataclass

from infra.lab.scenario.model import Scenario
from infra.lab.scenario.units import Rate
from infra.scales import FLEET_SIZES, FleetSize

GROUP = "cars"
KEEP_ALIVE_S, INTERVALS = 60, 3  # a client that sends less often than its keep-alive pings, and a ping costs like a message:
# at 60 s XXL's cars made two of them for each message, and two cores fell behind at 764,000 cars (2026-11-27)


@dataclass(frozen=True, slots=True)
class Run:
    """How the cars of a size begin, and how many messages each sends."""

    connect: str
    publish: str
    messages_each: int


# S is the original's evaluation run and XL its full run (contracts.md, Cars), which takes 8 hours; the others send for ten
# minutes. XXL's ramps open as many connections a second as XL's.
RUNS = {
    "S": Run("5s", "20s", 40),
    "M": Run("20s", "20s", 60),
    "L": Run("20s", "20s", 60),
    "XL": Run("20s", "20s", 3_000),
    "XXL": Run("200s", "200s", 6),
}


def preset(name: str) -> Scenario:
    """The scenario of a size of infra/scales.py."""
    return _scenario(name, FLEET_SIZES[name], RUNS[name])


def _scenario(name: str, size: FleetSize, run: Run) -> Scenario:
    rate = Rate(1, round(size.interval_s * 1_000))
    keep_alive_s = max(KEEP_ALIVE_S, round(INTERVALS * size.interval_s))
    publish = {"qos": size.qos, "count": run.messages_each, "rate": str(rate)}
    return Scenario.model_validate(
        {
            "name": name,
            "clientGroups": {GROUP: {"kind": "car", "count": size.cars, "mqtt": "5", "keepAlive": f"{keep_alive_s}s"}},
            "stages": (
                {"name": "connect", "lifeCycles": ({"clients": GROUP, "rampUp": run.connect, "connect": True},)},
                {
                    "name": "publish",
                    "lifeCycles": ({"clients": GROUP, "rampUp": run.publish, "publish": publish, "disconnect": True},),
                },
            ),
        }
    )
