"""Small plans of a scenario's run, as infra/lab writes them."""

from __future__ import annotations

from typing import Any

import msgspec
from fleet.scenario.plan import Plan

from infra import wiring
from infra.lab.scenario.forecast import forecast
from infra.lab.scenario.model import Scenario
from infra.lab.scenario.plan import Target, plan_of

RUN = "0badcafe"


def told(groups: dict[str, Any], *stages: list[dict[str, Any]]) -> dict[str, Any]:
    """As a YAML has it: these groups, and a stage for each list of life cycles."""
    named = [{"name": f"stage {number}", "lifeCycles": cycles} for number, cycles in enumerate(stages, 1)]
    return {"name": "small", "clientGroups": groups, "stages": named}


def scenario(groups: dict[str, Any], *stages: list[dict[str, Any]]) -> Scenario:
    """The same, read."""
    return Scenario.model_validate(told(groups, *stages))


def plan(found: Scenario, ports: tuple[int, ...] = (1883,), processes: int = 1, **target: Any) -> Plan:
    """Its plan."""
    made = plan_of(found, forecast(found), Target("127.0.0.1", ports, **target)) | {"run": RUN, "processes": processes}
    return msgspec.convert(made, Plan)


def told_cars(count: int, qos: int = 1, messages: int = 3, mqtt: str = "5", ramp: str = "0s") -> dict[str, Any]:
    """Cars that connect, publish ten times a second and leave, in two stages."""
    return told(
        {"cars": {"kind": "car", "count": count, "mqtt": mqtt}},
        [{"clients": "cars", "rampUp": ramp, "connect": True}],
        [{"clients": "cars", "publish": {"qos": qos, "rate": "10/1s", "count": messages}, "disconnect": True}],
    )


def cars(count: int, qos: int = 1, messages: int = 3, mqtt: str = "5", ramp: str = "0s") -> Scenario:
    """The same, read."""
    return Scenario.model_validate(told_cars(count, qos, messages, mqtt, ramp))


def car(number: int) -> str:
    """Its topic."""
    return f"{wiring.CARS_MQTT}/{wiring.CAR_CLIENT_ID.format(number=number)}"
