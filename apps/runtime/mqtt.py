"""The MQTT packets that our clients write, 3.1.1 (level 4) and 5 (level 5). Pure.

Own code, because no library fits: mqttproto speaks 5 alone, mqtt-codec 3.1.1 alone, and paho's codec is part of its client.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

LONGEST: Final = 262_144  # bytes of a packet that a broker may send; the lab's brokers have the same limit
HIGHEST_ID: Final = 65_535
MQTT_3_1_1: Final = 4  # its protocol level
MQTT_5: Final = 5
LEVELS: Final = {"3.1.1": 4, "5": MQTT_5}
DUP: Final = 0x08
PINGREQ: Final = b"\xc0\x00"
DISCONNECT: Final = b"\xe0\x00"  # both levels: a normal goodbye
FORGET: Final = b"\xe0\x07\x00\x05\x11\x00\x00\x00\x00"  # level 5: the same, and the session may end at once
_CONNECT, _PUBLISH, _PUBACK, _SUBSCRIBE, _UNSUBSCRIBE = 0x10, 0x30, 0x40, 0x82, 0xA2
_USER, _PASSWORD, _CLEAN = 0x80, 0x40, 0x02
_SESSION_EXPIRY, _LONGEST_PACKET = 0x11, 0x27


@dataclass(frozen=True, slots=True)
class Login:
    """How the devices introduce themselves; `session_expiry_s` > 0 keeps the broker's session that long (3.1.1: for good)."""

    level: int
    user: str | None
    password: str | None
    keepalive_s: int
    session_expiry_s: int = 0


@cache
def length(size: int) -> bytes:
    """A variable byte integer."""
    found = bytearray()
    while True:
        size, low = divmod(size, 0x80)
        found.append(low | (0x80 if size else 0))
        if not size:
            return bytes(found)


def text(value: str) -> bytes:
    """A string with its length in front.

    Raises:
        OverflowError: it is longer than 65,535 bytes.
    """
    raw = value.encode()
    return len(raw).to_bytes(2, "big") + raw


def _packet(first: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes((first,)) + length(len(body)) + body


def connect(client_id: str, login: Login) -> bytes:
    """CONNECT; the broker's packets may have `LONGEST` bytes."""
    flags = 0 if login.session_expiry_s else _CLEAN
    credentials = []
    if login.user is not None:
        flags |= _USER
        credentials.append(text(login.user))
        if login.password is not None:
            flags |= _PASSWORD
            credentials.append(text(login.password))
    properties = b""
    if login.level == MQTT_5:
        limits = bytes((_LONGEST_PACKET,)) + LONGEST.to_bytes(4, "big")
        if login.session_expiry_s:
            limits += bytes((_SESSION_EXPIRY,)) + login.session_expiry_s.to_bytes(4, "big")
        properties = length(len(limits)) + limits
    head = text("MQTT") + bytes((login.level, flags)) + login.keepalive_s.to_bytes(2, "big")
    return _packet(_CONNECT, head, properties, text(client_id), *credentials)


def user_property(name: str, value: str) -> bytes:
    """One property of level 5 that only the clients know."""
    return b"\x26" + text(name) + text(value)


def publish(level: int, topic: str, payload: bytes, packet_id: int = 0, properties: bytes = b"") -> bytes:
    """PUBLISH with QoS 1 if there is a `packet_id`, else with QoS 0; `properties` are of level 5 alone."""
    name = topic.encode()
    number = packet_id.to_bytes(2, "big") if packet_id else b""
    properties = length(len(properties)) + properties if level == MQTT_5 else b""
    size = 2 + len(name) + len(number) + len(properties) + len(payload)
    first = _PUBLISH | 2 if packet_id else _PUBLISH
    return b"".join((bytes((first,)), length(size), len(name).to_bytes(2, "big"), name, number, properties, payload))


def again(packet: bytes) -> bytes:
    """The same PUBLISH, marked as one that was sent before."""
    return bytes((packet[0] | DUP,)) + packet[1:]


def puback(packet_id: int) -> bytes:
    """PUBACK: taken."""
    return bytes((_PUBACK, 2)) + packet_id.to_bytes(2, "big")


def subscribe(level: int, packet_id: int, *filters: str, qos: int = 1) -> bytes:
    """SUBSCRIBE to each filter."""
    properties = b"\x00" if level == MQTT_5 else b""
    return _packet(_SUBSCRIBE, packet_id.to_bytes(2, "big"), properties, *(text(each) + bytes((qos,)) for each in filters))


def unsubscribe(level: int, packet_id: int, *filters: str) -> bytes:
    """UNSUBSCRIBE from each filter."""
    properties = b"\x00" if level == MQTT_5 else b""
    return _packet(_UNSUBSCRIBE, packet_id.to_bytes(2, "big"), properties, *(text(each) for each in filters))
