"""Which MQTT topic goes to which Kafka topic, under which key, and which device it names. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from telemetry.record import origin_headers

_KNOWN_TOPICS = 200_000  # twice the cars of XL
_KNOWN_BYTES = 16 << 20  # theirs have 45 each; one may have 65,535
_COPIES = 4  # of a topic for a message in flight: text, header, and the client's key and header
_ROOT_DEVICE_KIND = 3  # levels of <root>/<device>/<kind>
_SHARED = re.compile(r"^\$share/[^/+#]+/(?=.)")  # what goes before a filter whose messages several share


class Route(BaseModel):
    """One line of the routing table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mqtt: str = Field(min_length=1, description="MQTT filter, with + and #; $share/<group>/<filter> shares it with a group")
    kafka: str = Field(min_length=1, max_length=249, pattern=r"^[A-Za-z0-9._-]+$", description="Kafka topic")
    key: Literal["level:-1", "topic"] = Field(description="the record's key: last level of the MQTT topic, or all of it")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the messages of one MQTT topic go."""

    kafka: str
    key: str
    device: str


def unshared(mqtt_filter: str) -> str:
    """The filter without the group that shares it; messages come by the topics that they were published on."""
    return _SHARED.sub("", mqtt_filter)


def matches(mqtt_filter: str, topic: str) -> bool:
    """Whether `topic` falls under `mqtt_filter`, shared or not, by the rules of MQTT 3.1.1, section 4.7."""
    mqtt_filter = unshared(mqtt_filter)
    if topic.startswith("$") and mqtt_filter[:1] in {"+", "#"}:
        return False
    wanted, levels = mqtt_filter.split("/"), topic.split("/")
    for position, part in enumerate(wanted):
        if part == "#":
            return True
        if position >= len(levels) or part not in {"+", levels[position]}:
            return False
    return len(wanted) == len(levels)


def _device(levels: Sequence[str], edge: str) -> str:
    return levels[1] if len(levels) == _ROOT_DEVICE_KIND else edge


def _names_one(route: Route, levels: Sequence[str]) -> bool:
    """Whether the last level alone is open: a client that calls itself `x/car-2` may write on `cars/x/car-2`, and is no car-2."""
    return len(levels) == len(unshared(route.mqtt).split("/"))


def resolver(routes: Sequence[Route], edge: str) -> Callable[[str], Destination | None]:
    """A function from an MQTT topic to its destination; None where no route matches."""

    def resolve(topic: str) -> Destination | None:
        levels = topic.split("/")
        for route in routes:
            if matches(route.mqtt, topic):
                if route.key == "topic":
                    return Destination(route.kafka, topic, _device(levels, edge))
                return Destination(route.kafka, levels[-1], levels[-1]) if _names_one(route, levels) else None
        return None

    return resolve


class Way:
    """All that the messages of one MQTT topic have in common; `kafka` is None where no route matches."""

    __slots__ = ("headers", "kafka", "key", "size", "topic")

    def __init__(self, topic: str, destination: Destination | None, edge: str) -> None:
        """`edge` is the bridge's name in the headers."""
        self.topic = topic
        self.kafka = destination.kafka if destination else None
        self.key = destination.key if destination else topic
        self.headers = origin_headers(topic, destination.device if destination else edge, edge)
        self.size = _COPIES * len(topic)  # bytes that it adds to a message in flight


class Ways(dict[bytes, Way]):
    """The ways by the topics as they come in packets: each is resolved once, then looked up.

    A topic that is no UTF-8 is shown with escapes, and leads to the dead letters.
    """

    def __init__(self, routes: Sequence[Route], edge: str) -> None:
        """None is known yet."""
        super().__init__()
        self._resolve = resolver(routes, edge)
        self._edge = edge
        self._bytes = 0

    def __missing__(self, raw: bytes) -> Way:
        """Resolve a topic that comes for the first time."""
        if len(self) >= _KNOWN_TOPICS or self._bytes > _KNOWN_BYTES:
            self.clear()
            self._bytes = 0
        self._bytes += len(raw)
        topic = raw.decode(errors="backslashreplace")
        way = self[raw] = Way(topic, self._resolve(topic), self._edge)
        return way
