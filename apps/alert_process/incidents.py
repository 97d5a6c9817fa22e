"""From an alert to an incident, and the readings that led to it. Pure."""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from telemetry import iotkit
from telemetry.errors import PayloadError
from telemetry.iotkit import SensorReading
from telemetry.record import EDGE, Record, header

MOST_DEVICES = 1000  # whose readings are kept; the one silent for longest goes first
LONGEST_NAME = 64  # a business key has 255 characters in Camunda's tables


def iso(time_ms: float) -> str:
    """A time in UTC, to the second."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Readings:
    """The last readings of each device."""

    def __init__(self, kept: int) -> None:
        """`kept` of each device."""
        self._kept = kept
        self._by_device: OrderedDict[str, deque[tuple[int, SensorReading]]] = OrderedDict()

    def add(self, device: str, arrival_ms: int, reading: SensorReading) -> None:
        """Remember a reading."""
        self._by_device.setdefault(device, deque(maxlen=self._kept)).append((arrival_ms, reading))
        self._by_device.move_to_end(device)
        if len(self._by_device) > MOST_DEVICES:
            self._by_device.popitem(last=False)

    def last(self, device: str) -> list[dict[str, Any]]:
        """What is remembered of `device`, oldest first."""
        return [
            {"time": iso(arrival_ms), "temp": reading.temperature, "hum": reading.humidity, "class": reading.condition}
            for arrival_ms, reading in sorted(self._by_device.get(device, ()), key=lambda each: each[0])
        ]


@dataclass(frozen=True, slots=True)
class Incident:
    """An alert and the process that it belongs to."""

    device: str
    edge: str
    kind: str
    since_ms: int
    window_s: float

    @property
    def key(self) -> str:
        """Device, kind and the begin of the window: the same for every alert within it."""
        window_ms = int(self.window_s * 1000)
        return f"{self.device}/{self.kind}/{iso(self.since_ms // window_ms * window_ms)}"

    def variables(self, readings: list[dict[str, Any]], dashboard: str) -> dict[str, dict[str, str]]:
        """What the process begins with."""
        abnormal = bool(readings) and readings[-1]["class"] == "high"
        told = {
            "device": self.device,
            "edge": self.edge,
            "severity": "critical" if abnormal else "warning",
            "kind": self.kind,
            "since": iso(self.since_ms),
            "readings": json.dumps(readings, separators=(",", ":")),
            "dashboard": dashboard.replace("{device}", quote(self.device, safe="")),
        }
        return {name: {"value": value, "type": "String"} for name, value in told.items()}


def is_alert(record: Record) -> bool:
    """Whether the record is about an alert: by its value as ever, or by the topic it was published on."""
    try:
        return iotkit.kind_of(record) == "alert"
    except PayloadError:
        return False


def incident(record: Record, window_s: float) -> Incident:
    """The incident of an alert.

    Raises:
        PayloadError: it is no alert, or nothing that may name a process.
    """
    alert = iotkit.decode("alert", record.value.lstrip())
    if not isinstance(alert, iotkit.Alert) or not alert.source:
        raise PayloadError("the alert does not say what raised it")
    device = iotkit.origin_of(record).device
    for name in (device, edge := header(record.headers, EDGE)):
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise PayloadError(f"a name is longer than {LONGEST_NAME} characters or not printable: {name[:40]!r}")
    return Incident(device, edge, alert.source, record.arrival_ms, window_s)


def reading(record: Record) -> tuple[str, int, SensorReading] | None:
    """Device, arrival and reading of a sensor's line; None for everything else, whose poison others report."""
    try:
        if iotkit.kind_of(record) == "sensor":
            return iotkit.origin_of(record).device, record.arrival_ms, iotkit.sensor(record.value)
    except PayloadError:
        pass
    return None
