"""What IoTKit boards publish: a sensor line, an alert, a button, an RFID tag, an encoder's count.

Topics are `iotkit/<kind>` (old boards, known by the edge they come through) or `iotkit/<device>/<kind>`. What is published
under `iotkit/actors/` is for boards: a command, however many levels its topic has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

from telemetry.errors import PayloadError
from telemetry.record import DEVICE, EDGE, TOPIC, Record, header
from telemetry.text import integer, number, strip_nul, text

Condition = Literal["low", "middle", "high"]  # the machine's state: at rest, in operation, abnormal
_CONDITIONS = get_args(Condition)
_SENSOR_CELLS = 4  # id, temperature, humidity, class
_LONGEST_WORD = 64
UNUSED = ("button", "rfid", "encoder")  # kinds that boards publish and no consumer makes anything of
ACTORS, COMMAND = "actors", "command"  # the level that commands are published under, and their kind
_TAG = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){0,9}")
_SENSOR_ID = re.compile(r"(0[xX])?[0-9A-Fa-f]{1,8}")


@dataclass(frozen=True, slots=True)
class SensorReading:
    """`0xBC,21.00,51.4,low`: sensor id, temperature in °C, humidity in % (battery on a Core2), the machine's state."""

    sensor: int
    temperature: float
    humidity: float
    condition: Condition


@dataclass(frozen=True, slots=True)
class Alert:
    """`alert: hall`: what raised it."""

    source: str


@dataclass(frozen=True, slots=True)
class Button:
    """`ON`."""

    state: str


@dataclass(frozen=True, slots=True)
class Rfid:
    """`04:A1:…`: a tag's id."""

    tag: str


@dataclass(frozen=True, slots=True)
class Encoder:
    """An integer: the position."""

    position: int


IoTKitMessage = SensorReading | Alert | Button | Rfid | Encoder


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message comes from, told by its topic; `device` is empty for old boards."""

    device: str
    kind: str


def origin(topic: str) -> Origin:
    """Read `iotkit/<kind>` or `iotkit/<device>/<kind>`.

    Raises:
        PayloadError: any other number of levels, or an empty one.
    """
    match topic.split("/"):
        case [root, level, *_] if root and level == ACTORS:
            return Origin("", COMMAND)
        case [root, kind] if root and kind:
            return Origin("", kind)
        case [root, device, kind] if root and device and kind:
            return Origin(device, kind)
        case _:
            raise PayloadError(f"topic {topic[:80]!r} is neither <root>/<kind> nor <root>/<device>/<kind>")


def guessed(payload: bytes) -> str:
    """The kind of a message whose topic is not known, as from a flow that sets no headers; told by its shape.

    Raises:
        PayloadError: it has none that is known.
    """
    line = payload[:_LONGEST_WORD].lstrip()
    if line.startswith(b"alert"):
        return "alert"
    if b"," not in line:
        raise PayloadError("no MQTT topic, and it is neither a sensor's line nor an alert")
    return "sensor"


def origin_of(record: Record) -> Origin:
    """Where a record comes from; its `device` is the edge for old boards, and `unknown` only if nothing names one.

    Raises:
        PayloadError: its MQTT topic is none of a board, or it has none and nothing else tells.
    """
    topic = header(record.headers, TOPIC) or record.key
    found = origin(topic) if "/" in topic else Origin("", guessed(record.value))
    told = header(record.headers, DEVICE) or header(record.headers, EDGE)
    return Origin(found.device or told or "unknown", found.kind)


def kind_of(record: Record) -> str:
    """`sensor`, `alert`, `command` or what else its topic says; what begins as an alert is one, whatever it was published on.

    Every record is of one kind for all who read it, so that one of them is responsible if it cannot be used (ADR 6).

    Raises:
        PayloadError: nothing tells.
    """
    alarms = strip_nul(record.value).lstrip().startswith(b"alert")
    try:
        kind = origin_of(record).kind
    except PayloadError:
        if not alarms:
            raise
        return "alert"
    return "alert" if alarms and kind != COMMAND else kind


def encode(message: IoTKitMessage) -> bytes:
    """The payload as our firmware sends it: without the trailing NUL."""
    match message:
        case SensorReading(sensor, temperature, humidity, condition):
            return f"0x{sensor:02X},{temperature:.2f},{humidity:.1f},{condition}".encode()
        case Alert(source):
            return f"alert: {source}".encode()
        case Button(state):
            return state.encode()
        case Rfid(tag):
            return tag.encode()
        case Encoder(position):
            return str(position).encode()


def sensor_cells(line: str) -> list[str]:
    """The cells of a sensor's line as published, without white space around them."""
    return [cell.strip() for cell in line.split(",")]


def refuse_malformed(kind: str, payload: bytes) -> None:
    """Read a payload of a kind that no consumer uses, so that one that is none of its kind is known; unknown kinds pass.

    Raises:
        PayloadError: it is no button's, tag's or encoder's.
    """
    if kind in UNUSED:
        decode(kind, payload)


def _sensor(line: str) -> SensorReading:
    cells = sensor_cells(line)
    if len(cells) != _SENSOR_CELLS:
        raise PayloadError(f"{len(cells)} cells instead of {_SENSOR_CELLS}")
    if not _SENSOR_ID.fullmatch(cells[0]):
        raise PayloadError(f"sensor id is no hexadecimal number: {cells[0][:40]!r}")
    sensor = int(cells[0], 16)
    if sensor >= 2**31:
        raise PayloadError(f"sensor id out of range: {cells[0][:40]!r}")
    if cells[3] not in _CONDITIONS:
        raise PayloadError(f"class is none of {', '.join(_CONDITIONS)}: {cells[3][:40]!r}")
    return SensorReading(sensor, number(cells[1], "temperature"), number(cells[2], "humidity"), cast("Condition", cells[3]))


def sensor(payload: bytes) -> SensorReading:
    """Read a sensor's line.

    Raises:
        PayloadError: it is none.
    """
    return _sensor(text(payload))


def _word(line: str, what: str) -> str:
    if len(line) > _LONGEST_WORD or not line.isprintable():
        raise PayloadError(f"{what} is longer than {_LONGEST_WORD} characters or not printable")
    return line


def decode(kind: str, payload: bytes) -> IoTKitMessage:
    """Read the payload of an `iotkit/…/<kind>` topic.

    Raises:
        PayloadError: unknown kind or a payload that is none of that kind.
    """
    line = text(payload)
    match kind:
        case "sensor":
            return _sensor(line)
        case "alert":
            if not line.startswith("alert"):
                raise PayloadError(f"no alert: {line[:40]!r}")
            return Alert(_word(line.removeprefix("alert").lstrip(": "), "alert"))
        case "button":
            return Button(_word(line, "button"))
        case "rfid":
            if not _TAG.fullmatch(line):
                raise PayloadError(f"no RFID tag: {line[:40]!r}")
            return Rfid(line)
        case "encoder":
            return Encoder(integer(line, "encoder"))
        case _:
            raise PayloadError(f"unknown kind {kind[:40]!r}")
