"""The MQTT packets that a broker sends to a device, read from bytes that may be cut anywhere and are never trusted. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from runtime.mqtt import DUP, LONGEST, MQTT_5

REFUSED: Final = 0x80  # reason codes from here on are refusals
_CONNACK, _PUBLISH, _PUBACK, _SUBACK, _PINGRESP, _DISCONNECT = 2, 3, 4, 9, 13, 14
_QOS_1 = 1
_KEEPALIVE, _RECEIVE_MAXIMUM = 0x13, 0x21
_LENGTH_BYTES = 4
_ID_BYTES = 2
_VARIABLE, _STRING, _PAIR = 0, -1, -2
# size in bytes of each property's value; of those with a length in front, how many such there are, negative
_PROPERTIES: Final = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((_KEEPALIVE, _RECEIVE_MAXIMUM, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
    0x0B: _VARIABLE,
    **dict.fromkeys((0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F), _STRING),
    0x26: _PAIR,
}
REFUSALS: Final = {  # of a CONNECT, by the codes of both levels
    **dict.fromkeys((0x01, 0x84), "protocol version not supported"),
    **dict.fromkeys((0x02, 0x85), "client id not allowed"),
    **dict.fromkeys((0x03, 0x88), "server unavailable"),
    **dict.fromkeys((0x04, 0x86), "bad user or password"),
    **dict.fromkeys((0x05, 0x87), "not authorized"),
    0x89: "server busy",
    0x8A: "banned",
    0x97: "quota exceeded",
}
FOR_GOOD: Final = frozenset({"bad user or password", "not authorized", "client id not allowed", "banned"})  # waiting helps nobody


class Connack(NamedTuple):
    """The broker's answer to CONNECT; `keepalive_s` is None unless the broker asks for another one."""

    session_present: bool
    code: int
    keepalive_s: int | None
    receive_maximum: int


class Publish(NamedTuple):
    """A message for the device; `packet_id` is 0 for QoS 0, `properties` are those of MQTT 5 as they came."""

    topic: str
    payload: bytes
    packet_id: int
    dup: bool
    properties: bytes = b""


class Puback(NamedTuple):
    """The broker has a message of ours, or has refused it (`code` >= 0x80)."""

    packet_id: int
    code: int


class Suback(NamedTuple):
    """The broker has a subscription of ours, or has refused it (`code` >= 0x80)."""

    packet_id: int
    code: int


class Pingresp(NamedTuple):
    """The broker is alive."""


class Disconnect(NamedTuple):
    """MQTT 5: the broker ends the connection."""

    code: int


Answer = Connack | Publish | Puback | Suback | Pingresp | Disconnect


def for_good(reasons: Iterable[str]) -> str:
    """Why no client will ever be let in, of the reasons why some were not; empty if that is not so."""
    found = sorted(FOR_GOOD.intersection(reasons))
    return f"the broker refuses connections: {', '.join(found)}" if found else ""


class MalformedError(Exception):
    """These bytes are no answer of a broker; the message says why."""


class _Reader:
    """Walks over the body of one packet; whatever is beyond its end is malformed."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self._data, self.place, self.end = data, start, end
        self.properties_as_sent = b""

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        start = self.place
        self.place += size
        if self.place > self.end:
            raise MalformedError("a packet ends in the middle of a value")
        return self._data[start : self.place]

    def text(self) -> bytes:
        return self.take(self.number(2))

    def variable(self) -> int:
        value = 0
        for place in range(_LENGTH_BYTES):
            byte = self.number(1)
            value |= (byte & 0x7F) << 7 * place
            if byte < REFUSED:
                return value
        raise MalformedError("a length has more than four bytes")

    def properties(self) -> dict[int, int]:
        """Those that are numbers."""
        size = self.variable()
        inner = _Reader(self._data, self.place, self.place + size)
        self.properties_as_sent = self.take(size)
        found: dict[int, int] = {}
        while inner.place < inner.end:
            name = inner.number(1)
            kind = _PROPERTIES.get(name)
            if kind is None:
                raise MalformedError(f"there is no property 0x{name:02x}")
            if kind == _VARIABLE:
                inner.variable()
            for _ in range(-kind):
                inner.text()
            if kind > 0:
                found[name] = inner.number(kind)
        return found


def _connack(body: _Reader, level: int) -> Connack:
    flags, code = body.number(1), body.number(1)
    if flags > 1:
        raise MalformedError(f"a CONNACK has the flags 0x{flags:02x}")
    told = body.properties() if level == MQTT_5 else {}
    maximum = told.get(_RECEIVE_MAXIMUM, 65_535)
    if not maximum:
        raise MalformedError("a CONNACK has a receive maximum of 0")
    return Connack(bool(flags), code, told.get(_KEEPALIVE), maximum)


def _publish(body: _Reader, level: int, flags: int) -> Publish:
    qos = flags >> 1 & 3
    if qos > _QOS_1:
        raise MalformedError(f"a message has QoS {qos}, and nobody asked for more than 1")
    try:
        topic = body.text().decode()
    except UnicodeDecodeError as wrong:
        raise MalformedError(f"a topic is no UTF-8: {wrong.reason}") from wrong
    packet_id = body.number(2) if qos else 0
    if qos and not packet_id:
        raise MalformedError("a message of QoS 1 has the packet id 0")
    if level == MQTT_5:
        body.properties()
    return Publish(topic, body.take(body.end - body.place), packet_id, bool(flags & DUP), body.properties_as_sent)


def _acknowledged(body: _Reader, level: int) -> Puback:
    packet_id, code = body.number(2), 0
    if level == MQTT_5 and body.place < body.end:
        code = body.number(1)
        if body.place < body.end:
            body.properties()
    return Puback(packet_id, code)


def _subscribed(body: _Reader, level: int) -> Suback:
    packet_id = body.number(2)
    if level == MQTT_5:
        body.properties()
    return Suback(packet_id, body.number(1))


def _disconnect(body: _Reader, level: int) -> Disconnect:
    if level != MQTT_5:
        raise MalformedError("a broker of MQTT 3.1.1 sends no DISCONNECT")
    code = body.number(1) if body.place < body.end else 0
    if body.place < body.end:
        body.properties()
    return Disconnect(code)


def _pong(_body: _Reader, _level: int) -> Pingresp:
    return Pingresp()


_READERS: Final[dict[int, Callable[[_Reader, int], Answer]]] = {
    _CONNACK: _connack,
    _PUBACK: _acknowledged,
    _SUBACK: _subscribed,
    _PINGRESP: _pong,
    _DISCONNECT: _disconnect,
}


_FIRST: Final = frozenset([kind << 4 for kind in _READERS] + [_PUBLISH << 4 | flags for flags in range(16)])


def _answer(first: int, body: _Reader, level: int) -> Answer:
    kind, flags = first >> 4, first & 0x0F
    if kind == _PUBLISH:
        return _publish(body, level, flags)
    found = _READERS[kind](body, level)
    if body.place < body.end:
        raise MalformedError(f"a packet of the type {kind} has {body.end - body.place} bytes too many")
    return found


def _frame(data: bytes, place: int) -> tuple[int, int] | None:
    """Where the body of the packet at `place` starts and ends; None if its length is not there yet."""
    size = 0
    if place < len(data) and data[place] not in _FIRST:
        raise MalformedError(f"a broker sends no packet that begins with 0x{data[place]:02x}")
    for count in range(_LENGTH_BYTES):
        at = place + 1 + count
        if at >= len(data):
            return None
        size |= (data[at] & 0x7F) << 7 * count
        if data[at] < REFUSED:
            if size > LONGEST:
                raise MalformedError(f"a packet says it has {size} bytes, and the limit is {LONGEST}")
            return at + 1, at + 1 + size
    raise MalformedError("a length has more than four bytes")


def answers(data: bytes, level: int) -> Iterator[tuple[Answer, int]]:
    """The whole packets at the start of `data`, each with the place behind it; what is left is the start of the next one.

    Raises:
        MalformedError: what comes next is nothing that a broker sends; close the connection.
    """
    place = 0
    while (frame := _frame(data, place)) is not None and frame[1] <= len(data):
        first, (start, place) = data[place], frame
        if first == _PUBACK << 4 and place - start == _ID_BYTES:
            yield Puback(data[start] << 8 | data[start + 1], 0), place
        else:
            yield _answer(first, _Reader(data, start, place), level), place
