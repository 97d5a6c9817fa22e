"""The packets in what an MQTT broker sends, read in batches from bytes that may be cut anywhere and are never trusted. Pure.

Own code, because the libraries read one packet a call: what that costs is measured in docs/adr/0022-a-batch-reader.md.
"""

from __future__ import annotations

from typing import Final

PUBLISH: Final = 0x30
DUP: Final = 0x08
_MORE = 0x80  # of a length: another byte follows
_LENGTH_BYTES = 4
_SHORTEST = 2
_QOS = 0x06
_QOS_1 = 0x02

Packet = tuple[int, int, bytes, bytes]  # first byte, packet id, topic, payload; of others than PUBLISH the body as payload


class MalformedError(Exception):
    """These bytes are nothing that a broker of MQTT 3.1.1 sends; the message says why."""


class Stream:
    """Bytes of one connection, and how much of them was read."""

    def __init__(self, longest: int) -> None:
        """A packet of more than `longest` bytes is refused before it is collected."""
        self._longest = longest
        self._chunks: list[bytes] = []
        self._bytes = 0
        self._needed = 0  # bytes until there is anything to read

    @property
    def ready(self) -> bool:
        """Whether there may be a whole packet."""
        return bool(self._bytes) and self._bytes >= self._needed

    def feed(self, chunk: bytes) -> None:
        """Add what was received."""
        self._chunks.append(chunk)
        self._bytes += len(chunk)

    def take(self, most: int) -> list[Packet]:
        """The next whole packets, `most` at most.

        Raises:
            MalformedError: close the connection; the packets before the bad one are lost with it, and come again.
        """
        if not self.ready:
            return []
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        found, place, needed = _packets(data, most, self._longest)
        rest = data[place:] if place else data
        self._chunks = [rest] if rest else []
        self._bytes = len(rest)
        self._needed = needed
        return found


def _packets(data: bytes, most: int, longest: int) -> tuple[list[Packet], int, int]:
    """The packets, the place behind them, and how many bytes from there on the next one needs (0: it is there)."""
    found: list[Packet] = []
    add = found.append
    place, end = 0, len(data)
    while len(found) < most:
        if end - place < _SHORTEST:
            return found, place, _SHORTEST
        first, size, start = data[place], data[place + 1], place + 2
        if size & _MORE:
            size, start = _length(data, place)
            if not start:
                return found, place, end - place + 1
            if size > longest:
                raise MalformedError(f"a packet says it has {size} bytes, and the limit is {longest}")
        behind = start + size
        if behind > end:
            return found, place, behind - place
        if first & 0xF0 == PUBLISH:
            add(_publish(data, first, start, behind))
        else:
            add((first, 0, b"", data[start:behind]))
        place = behind
    return found, place, 0


def _length(data: bytes, place: int) -> tuple[int, int]:
    """The size of the packet at `place`, and where its body starts: 0 if that is not there yet."""
    size = 0
    for count, byte in enumerate(data[place + 1 : place + 1 + _LENGTH_BYTES]):
        size |= (byte & 0x7F) << 7 * count
        if byte < _MORE:
            return size, place + 2 + count
    if len(data) - place > _LENGTH_BYTES:
        raise MalformedError("a length has more than four bytes")
    return 0, 0


def _publish(data: bytes, first: int, start: int, behind: int) -> Packet:
    topic = start + 2
    body = topic + (data[start] << 8 | data[start + 1]) if topic <= behind else behind + 1
    qos = first & _QOS
    if not qos:
        if body > behind:
            raise MalformedError("a message ends within its topic")
        return first, 0, data[topic:body], data[body:behind]
    payload = body + 2
    if payload > behind:
        raise MalformedError("a message ends before its payload")
    number = data[body] << 8 | data[body + 1]
    if qos != _QOS_1 or not number:
        raise MalformedError(f"a message has QoS {qos >> 1} and the packet id {number}; QoS 1 was asked for")
    return first, number, data[topic:body], data[payload:behind]
