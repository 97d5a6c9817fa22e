"""From a scenario to the plan that apps/fleet/scenario carries out: plain data, in which all is decided. Pure."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra import wiring
from infra.accounts import fits
from infra.lab.scenario.forecast import SESSIONS_OF_A_PROCESS, Forecast
from infra.lab.scenario.model import KINDS, ClientGroup, LifeCycle, Scenario, kinds_names
from infra.lab.scenario.units import Pattern

LEVELS = {"3.1.1": 4, "5": 5}
BOARDS_TOPIC = f"{wiring.IOTKIT_MQTT}/{{name}}/sensor"


@dataclass(frozen=True, slots=True)
class Login:
    """Of MQTT; without a user, none."""

    user: str | None = None
    password_file: Path | None = None

    def as_plan(self) -> dict[str, str | None]:
        """As the plan has it."""
        return {"name": self.user, "password_file": str(self.password_file) if self.password_file else None}


@dataclass(frozen=True, slots=True)
class Target:
    """The brokers: one host, a port a shard; `taken` is how many devices of each kind are there already."""

    host: str
    ports: tuple[int, ...]
    devices: Login = field(default_factory=Login)
    readers: Login = field(default_factory=Login)
    taken: Mapping[str, int] = field(default_factory=dict)


def plan_of(scenario: Scenario, found: Forecast, target: Target, every: int = 1) -> dict[str, Any]:
    """The plan; `found` is the scenario's forecast, and of one client in `every` the messages are read back."""
    places = {name: place for place, name in enumerate(scenario.client_groups)}
    publishing = {cycle.clients for _, cycle in scenario.life_cycles() if cycle.publish}
    clients = max(group.count for group in scenario.client_groups.values())
    return {
        "run": secrets.token_hex(4),
        "name": scenario.name,
        "seed": scenario.seed,
        "host": target.host,
        "ports": list(target.ports),
        "devices": target.devices.as_plan(),
        "readers": target.readers.as_plan(),
        "processes": max(1, min(clients, math.ceil(found.clients / SESSIONS_OF_A_PROCESS))),
        "groups": [
            _group(name, group, target.taken, reads=name not in publishing) for name, group in scenario.client_groups.items()
        ],
        "stages": [
            {
                "name": stage.name,
                "msg_s": forecast.msg_s,
                "cycles": [_cycle(scenario, cycle, places[cycle.clients]) for cycle in stage.life_cycles],
            }
            for stage, forecast in zip(scenario.stages, found.stages, strict=True)
        ],
        "filters": filters(_read(scenario, cycle) for _, cycle in scenario.life_cycles() if cycle.publish),
        "every": every,
    }


def _group(name: str, group: ClientGroup, taken: Mapping[str, int], *, reads: bool) -> dict[str, Any]:
    """Who has the names of a kind comes behind the devices of that kind which are there: a broker lets each name in once."""
    return {
        "name": name,
        "kind": group.kind,
        "count": group.count,
        "names": _format(group.names) if group.names else wiring.BOARD_CLIENT_ID,
        "first": 1 + next((taken.get(kind, 0) for kind in KINDS if kinds_names(kind) == group.names), 0),
        "level": LEVELS[group.mqtt],
        "keepalive_s": group.keep_alive_ms // 1_000,
        "reads": reads,
    }


def _format(pattern: Pattern) -> str:
    return f"{pattern.before}{{number:0{pattern.digits}d}}{pattern.after}" if pattern.digits else pattern.before


def _cycle(scenario: Scenario, cycle: LifeCycle, group: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "group": group,
        "ramp_s": cycle.ramp_up_ms / 1_000,
        "connect": cycle.connect,
        "disconnect": cycle.disconnect,
    }
    if cycle.subscribe:
        found["subscribe"] = {"filter": _format(cycle.subscribe.filter), "qos": cycle.subscribe.qos}
    if cycle.publish:
        topic = scenario.topic_of(cycle)
        found["publish"] = {
            "qos": cycle.publish.qos,
            "interval_s": 1.0 / cycle.publish.rate.msg_s,
            "count": cycle.publish.messages_each,
            "topic": _format(topic) if topic else BOARDS_TOPIC,
            "message": cycle.publish.message,
        }
    return found


def _read(scenario: Scenario, cycle: LifeCycle) -> str:
    """The filter that finds what a life cycle publishes."""
    topic = scenario.topic_of(cycle)
    return topic.any_level() if topic else BOARDS_TOPIC.format(name="+")


def first_name(group: Mapping[str, Any]) -> str:
    """The client id of a planned group's first client."""
    number = group["first"]
    return str(group["names"].format(number=number, high=number >> 8, low=number & 255))


def first_topic(group: Mapping[str, Any], publish: Mapping[str, Any]) -> str:
    """Where that client publishes."""
    return str(publish["topic"].format(number=group["first"], name=first_name(group)))


def filters(wanted: Iterable[str]) -> list[str]:
    """Each once, without those that another one covers: a broker sends a message once for each filter that it fits."""
    found = dict.fromkeys(wanted)
    return [each for each in found if not any(fits(other, each) for other in found if other != each)]
