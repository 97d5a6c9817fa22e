"""What a scenario would do: connections, messages and rates by stage, and what it needs. Pure."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from infra.lab import costs
from infra.lab.scenario.model import LifeCycle, Scenario
from infra.scales import FLEET_SIZES, S

KB_OF_A_CLIENT = costs.BROKER_SESSION.value + costs.SIMULATED_CAR.value + costs.CONNECTION.value
SESSIONS_OF_A_PROCESS = 15_000  # well under the 20,000 files that a process may have here
OTHER_FILES = 100  # of each fleet's process and each broker: logs, epoll, the status port and who asks there
SHORTEST_RAMP_S = 1.0  # for rates of connecting: what begins all at once takes a moment, too


@dataclass(frozen=True, slots=True)
class StageForecast:
    """One stage: rates at its height, times from the scenario's begin."""

    name: str
    begins_s: float
    lasts_s: float
    clients: int
    connects_s: float
    msg_s: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """The whole. `cars` are the clients that publish, of whatever kind; `interval_s` and `messages_each` are means of theirs."""

    name: str
    cars: int
    clients: int
    qos: int | None
    interval_s: float | None
    messages_each: float
    messages: int
    msg_s: float
    connects_s: float
    processes: int
    shards: int
    files: int
    memory_mb: int
    stages: tuple[StageForecast, ...]

    def over(self, shards: int) -> Forecast:
        """The same with so many brokers."""
        return replace(self, **asdict(sessions_of(self.clients, shards)))

    @property
    def lasts_s(self) -> float:
        """All stages."""
        return sum(stage.lasts_s for stage in self.stages)

    def as_json(self) -> dict[str, Any]:
        """One object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Sessions:
    """What so many clients take, the lab's brokers and its fleet's processes together."""

    processes: int
    shards: int
    files: int
    memory_mb: int


def sessions_of(clients: int, shards: int) -> Sessions:
    """Reckon that."""
    processes = math.ceil(clients / SESSIONS_OF_A_PROCESS)
    at_rest_mb = processes * S.budgets["fleet"].request_mb + shards * S.budgets["mosquitto"].request_mb
    return Sessions(
        processes=processes,
        shards=shards,
        files=2 * clients + OTHER_FILES * (processes + shards),  # a connection is a file at both of its ends
        memory_mb=at_rest_mb + math.ceil(clients * KB_OF_A_CLIENT / 1024),
    )


def shards_for(clients: int) -> int:
    """Shards of Mosquitto that carry so many: of the smallest size that is as large, or each as full as those of XL."""
    full = FLEET_SIZES["XL"].cars
    return next((size.mqtt_shards for size in FLEET_SIZES.values() if clients <= size.cars <= full), full_shards(clients))


def full_shards(clients: int) -> int:
    """The fewest shards that are no fuller than those of XL."""
    full = FLEET_SIZES["XL"]
    return math.ceil(clients * full.mqtt_shards / full.cars)


def forecast(scenario: Scenario) -> Forecast:
    """Reckon it."""
    groups = scenario.client_groups
    publishing = [cycle for _, cycle in scenario.life_cycles() if cycle.publish]
    cars = sum(groups[name].count for name in {cycle.clients for cycle in publishing})
    clients = sum(group.count for group in groups.values())
    messages = sum(_messages(scenario, cycle) for cycle in publishing)
    stages = _stages(scenario)
    return Forecast(
        name=scenario.name,
        cars=cars,
        clients=clients,
        qos=max((cycle.publish.qos for cycle in publishing if cycle.publish), default=None),
        interval_s=_interval_s(scenario, publishing),
        messages_each=_plain(messages / cars) if cars else 0,
        messages=messages,
        msg_s=max(stage.msg_s for stage in stages),
        connects_s=max(stage.connects_s for stage in stages),
        **asdict(sessions_of(clients, shards_for(clients))),
        stages=stages,
    )


def _plain(mean: float) -> float:
    """A mean or a rate as people read it: whole where it is; however small, it is not 0."""
    return int(mean) if mean == int(mean) else float(f"{mean:.6g}")


def _messages(scenario: Scenario, cycle: LifeCycle) -> int:
    return scenario.client_groups[cycle.clients].count * cycle.publish.messages_each if cycle.publish else 0


def _interval_s(scenario: Scenario, publishing: list[LifeCycle]) -> float | None:
    """The mean time between two messages of a client: clients over the messages that they send in a second."""
    clients = sum(scenario.client_groups[cycle.clients].count for cycle in publishing)
    msg_s = sum(scenario.client_groups[cycle.clients].count * cycle.publish.rate.msg_s for cycle in publishing if cycle.publish)
    return _plain(clients / msg_s) if msg_s else None


def _stages(scenario: Scenario) -> tuple[StageForecast, ...]:
    found: list[StageForecast] = []
    begins_s = 0.0
    for stage in scenario.stages:
        cycles = stage.life_cycles
        found.append(
            StageForecast(
                name=stage.name,
                begins_s=begins_s,
                lasts_s=max(_lasts_s(cycle) for cycle in cycles),
                clients=sum(scenario.client_groups[cycle.clients].count for cycle in cycles),
                connects_s=_plain(sum(_connects_s(scenario, cycle) for cycle in cycles)),
                msg_s=_plain(sum(_msg_s(scenario, cycle) for cycle in cycles)),
            )
        )
        begins_s += found[-1].lasts_s
    return tuple(found)


def _lasts_s(cycle: LifeCycle) -> float:
    """From the first client's begin to the last one's end; an interval passes after each message."""
    publish = cycle.publish
    return round((cycle.ramp_up_ms + (publish.rate.time_ms(publish.messages_each) if publish else 0)) / 1_000, 3)


def _connects_s(scenario: Scenario, cycle: LifeCycle) -> float:
    if not cycle.connect:
        return 0.0
    return scenario.client_groups[cycle.clients].count / max(cycle.ramp_up_ms / 1_000, SHORTEST_RAMP_S)


def _msg_s(scenario: Scenario, cycle: LifeCycle) -> float:
    """At its height: where a ramp takes longer than a client publishes, only so much of them publishes at once."""
    if not cycle.publish:
        return 0.0
    rate, each = cycle.publish.rate, cycle.publish.messages_each
    share = min(1.0, rate.time_ms(each) / cycle.ramp_up_ms) if cycle.ramp_up_ms else 1.0
    return scenario.client_groups[cycle.clients].count * rate.msg_s * share
