"""What tells a scenario's message from all others: run, flow, number and time of sending, as a user property of MQTT 5.

The payloads of cars, boards and fans are contracts with no room for a number; brokers hand a user property on as it is, and who
does not know it does not see it. MQTT 3.1.1 has none: there messages are counted by their topic.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from runtime.mqtt import text, user_property

NAME: Final = "iotlab"
_HEAD: Final = b"\x26" + text(NAME)
_LENGTH_BYTES: Final = 2


class Mark(NamedTuple):
    """One message of a run: the `number`-th, from 0, of a flow, sent at `sent_ns` (Unix time)."""

    run: str
    flow: int
    number: int
    sent_ns: int

    def as_property(self) -> bytes:
        """As it goes along with the message."""
        return user_property(NAME, f"{self.run}.{self.flow:x}.{self.number:x}.{self.sent_ns:x}")


def mark_in(data: bytes) -> Mark | None:
    """The mark in the properties of a message or in a whole packet of ours; None if there is none."""
    place = data.find(_HEAD)
    if place < 0:
        return None
    start = place + len(_HEAD) + _LENGTH_BYTES
    size = int.from_bytes(data[start - _LENGTH_BYTES : start], "big")
    parts = data[start : start + size].split(b".")
    try:
        run, flow, number, sent_ns = parts
        return Mark(run.decode(), int(flow, 16), int(number, 16), int(sent_ns, 16))
    except ValueError:
        return None


def topic_of(packet: bytes) -> str:
    """The topic of a PUBLISH packet of ours."""
    start = 1
    while packet[start] & 0x80:
        start += 1
    start += 1 + _LENGTH_BYTES
    size = int.from_bytes(packet[start - _LENGTH_BYTES : start], "big")
    return packet[start : start + size].decode()
