"""Which MQTT topic goes to which Kafka topic, under which key, and which device it names. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

_CACHED_TOPICS = 200_000  # twice the cars of XL; a topic is resolved once, then looked up
_ROOT_DEVICE_KIND = 3  # levels of <root>/<device>/<kind>


class Route(BaseModel):
    """One line of the routing table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mqtt: str = Field(min_length=1, description="MQTT filter, with + and #")
    kafka: str = Field(min_length=1, max_length=249, pattern=r"^[A-Za-z0-9._-]+$", description="Kafka topic")
    key: Literal["level:-1", "topic"] = Field(description="the record's key: last level of the MQTT topic, or all of it")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the messages of one MQTT topic go."""

    kafka: str
    key: str
    device: str


def matches(mqtt_filter: str, topic: str) -> bool:
    """Whether `topic` falls under `mqtt_filter` by the rules of MQTT 3.1.1, section 4.7."""
    if topic.startswith("$") and mqtt_filter[:1] in {"+", "#"}:
        return False
    wanted, levels = mqtt_filter.split("/"), topic.split("/")
    for position, part in enumerate(wanted):
        if part == "#":
            return True
        if position >= len(levels) or part not in {"+", levels[position]}:
            return False
    return len(wanted) == len(levels)


def _device(route: Route, levels: Sequence[str], edge: str) -> str:
    if route.key == "level:-1":
        return levels[-1]
    return levels[1] if len(levels) == _ROOT_DEVICE_KIND else edge


def resolver(routes: Sequence[Route], edge: str) -> Callable[[str], Destination | None]:
    """A function from an MQTT topic to its destination; None where no route matches."""

    @lru_cache(maxsize=_CACHED_TOPICS)
    def resolve(topic: str) -> Destination | None:
        levels = topic.split("/")
        for route in routes:
            if matches(route.mqtt, topic):
                key = levels[-1] if route.key == "level:-1" else topic
                return Destination(route.kafka, key, _device(route, levels, edge))
        return None

    return resolve
