"""`./lab bench`: figures of the running lab, each beside its peer in the same run and beside its goal.

The canary sends inside the cluster, in lanes that leave no trace in data; so a bench may run while a class works.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from infra import wiring
from infra.lab.errors import LabError, UserError
from infra.lab.status import memory_mb

if TYPE_CHECKING:
    from infra.lab.lab import Lab

CANARY = wiring.CANARY_STATUS.host
BRIDGE = "bridge"  # the peer of whatever carries MQTT to Kafka
LATE_S = 60  # beyond the seconds asked for: Python's start, what is late, and a slow machine
MOST_MESSAGES = 30_000  # in all: the canary remembers each until it has come, 40 MB of its limit; measured 2026-11
GOALS_MS = {"node-red": 100.0, "alert": 1000.0}  # of the 99th percentile: at 100 messages and at 5 alerts a second
GOAL_MEMORY_MB = 6_500  # everything fits a VM of 8 GB


@dataclass(frozen=True, slots=True)
class Lane:
    """What became of one lane's messages; `ratio` is its p99 over the bridge's in the same run, times are None if none came."""

    name: str
    rate_s: float
    sent: int
    lost: int
    twice: int
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    acked: int = 0  # by Mosquitto to the canary
    acked_lost: int = 0
    disordered: int = 0
    goal_p99_ms: float | None = None
    ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """One run; the memory is the embedded lab's right after it, None where the cluster isn't ours."""

    seconds: float
    lanes: tuple[Lane, ...]
    memory_mb: int | None
    goal_memory_mb: int = GOAL_MEMORY_MB

    @property
    def ok(self) -> bool:
        """Whether nothing was lost; twice is allowed by at-least-once, and times have goals, not verdicts."""
        return all(lane.sent and not lane.lost for lane in self.lanes)

    def as_json(self) -> dict[str, Any]:
        """One object."""
        return {"ok": self.ok} | asdict(self)


def compared(found: list[dict[str, Any]]) -> tuple[Lane, ...]:
    """The canary's lanes with their goals, and with their ratio to the bridge's if they do the same."""
    peer = next((lane["p99_ms"] for lane in found if lane["name"] == BRIDGE), None)

    def ratio(lane: dict[str, Any]) -> float | None:
        same = lane["name"] == "node-red" and peer and lane["p99_ms"]
        return round(lane["p99_ms"] / peer, 2) if same else None

    return tuple(Lane(**lane, goal_p99_ms=GOALS_MS.get(lane["name"]), ratio=ratio(lane)) for lane in found)


def bench(lab: Lab, rate_s: float, alert_rate_s: float, seconds: float) -> Bench:
    """Have the canary send for so long.

    Raises:
        UserError: a rate or time that this isn't made for, or a stack without a canary.
        LabError: the canary gave no answer.
    """
    messages = seconds * (2 * rate_s + alert_rate_s)
    if min(seconds, rate_s, alert_rate_s) <= 0 or messages > MOST_MESSAGES:
        raise UserError(
            f"a bench needs a time and rates above 0 and sends up to {MOST_MESSAGES} messages, both ways to Kafka and alerts "
            f"together; this would be {messages:.0f}."
        )
    if not lab.settings.has(CANARY):
        raise UserError("this stack has no canary, and the canary is who sends; add it to iotlab:services and run ./lab up.")
    lab.need_up()
    words = ("python", "-m", CANARY, "load", f"--rate={rate_s}", f"--alert-rate={alert_rate_s}", f"--seconds={seconds}")
    said = lab.kube.run("exec", f"deployment/{CANARY}", "--", *words, timeout_s=seconds + LATE_S)
    try:
        lanes = compared(json.loads(said)["lanes"])
    except (ValueError, KeyError) as failed:
        raise LabError(f"the canary gave no figures ({said.strip()[:200]}); look at ./lab logs canary") from failed
    owner = lab.cluster.status().owner if lab.embedded else None
    return Bench(seconds, lanes, memory_mb(owner.pid) if owner else None)
