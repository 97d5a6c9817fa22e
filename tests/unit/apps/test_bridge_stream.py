"""Packets out of bytes: the same wherever they are cut, and nothing but a reason for what is none."""

from __future__ import annotations

from contextlib import suppress

import pytest
from bridge.stream import MalformedError, Packet, Stream
from hypothesis import given
from hypothesis import strategies as st
from runtime import mqtt

LONGEST = 300_000
CONNACK = b"\x20\x02\x00\x00"
PINGRESP = b"\xd0\x00"
MESSAGES = st.lists(
    st.tuples(st.text(max_size=20), st.binary(max_size=300), st.integers(0, 65_535), st.booleans()), min_size=1, max_size=8
)
Message = tuple[str, bytes, int, bool]


def written(messages: list[Message]) -> bytes:
    packets = [
        mqtt.again(packet) if duplicate and mid else packet
        for topic, payload, mid, duplicate in messages
        for packet in [mqtt.publish(mqtt.MQTT_3_1_1, topic, payload, mid)]
    ]
    return CONNACK + PINGRESP.join(packets) + PINGRESP


def told(packets: list[Packet]) -> list[Message]:
    return [(topic.decode(), payload, mid, bool(first & 8)) for first, mid, topic, payload in packets if first & 0xF0 == 0x30]


def expected(messages: list[Message]) -> list[Message]:
    return [(topic, payload, mid, duplicate and mid > 0) for topic, payload, mid, duplicate in messages]


def drained(stream: Stream, most: int = 1000) -> list[Packet]:
    found = []
    while packets := stream.take(most):
        found += packets
    return found


@given(MESSAGES, st.data())
def test_packets_are_the_same_wherever_the_bytes_are_cut(messages: list[Message], data: st.DataObject) -> None:
    raw = written(messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    stream, found = Stream(LONGEST), []
    for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        stream.feed(raw[start:end])
        found += drained(stream)
    assert told(found) == expected(messages)
    assert len(found) == 1 + 2 * len(messages)
    assert not stream.ready


def test_a_packet_cut_at_every_byte_comes_whole() -> None:
    messages = [("a/b", b"x" * 20_000, 258, True), ("a/c", b"", 0, False)]
    raw = written(messages)
    for cut in [*range(40), *range(20_000, len(raw))]:
        stream, found = Stream(LONGEST), []
        for part in (raw[:cut], raw[cut:]):
            stream.feed(part)
            found += drained(stream)
        assert told(found) == expected(messages)


def test_no_more_is_taken_than_there_is_room_for() -> None:
    messages = [("a", bytes([number]), number + 1, False) for number in range(10)]
    stream = Stream(LONGEST)
    stream.feed(b"".join(mqtt.publish(mqtt.MQTT_3_1_1, topic, payload, mid) for topic, payload, mid, _ in messages))
    assert stream.take(0) == []
    assert told(stream.take(3)) == messages[:3]
    assert stream.ready
    assert told(drained(stream, 4)) == messages[3:]


@given(st.binary(max_size=400), st.integers(1, 7))
def test_whatever_comes_ends_in_packets_or_in_a_reason(raw: bytes, step: int) -> None:
    stream, taken = Stream(200), 0
    with suppress(MalformedError):
        for place in range(0, len(raw), step):
            stream.feed(raw[place : place + step])
            taken += sum(2 + len(topic) + len(payload) for _, _, topic, payload in drained(stream))
    assert taken <= len(raw)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\x30\xff\xff\xff\xff\x01", "more than four bytes"),
        (b"\x30\xff\xff\xff\x7f", "268435455 bytes, and the limit is 300000"),
        (b"\x30\x01a", "ends within its topic"),
        (b"\x30\x04\x00\x09ab", "ends within its topic"),
        (b"\x32\x04\x00\x02ab", "ends before its payload"),
        (b"\x32\x05\x00\x01a\x00\x00", "packet id 0"),
        (b"\x34\x05\x00\x01a\x00\x01", "QoS 2"),
        (b"\x36\x05\x00\x01a\x00\x01", "QoS 3"),
    ],
)
def test_a_length_or_a_message_that_lies_is_refused_with_the_reason(raw: bytes, reason: str) -> None:
    stream = Stream(LONGEST)
    stream.feed(raw)
    with pytest.raises(MalformedError, match=reason):
        stream.take(10)


def test_a_length_that_is_too_large_is_refused_before_its_bytes_are_collected() -> None:
    stream = Stream(1000)
    stream.feed(b"\x30\xe9\x07")
    with pytest.raises(MalformedError, match="1001 bytes"):
        stream.take(10)


def test_a_large_packet_is_not_read_again_with_each_of_its_chunks() -> None:
    raw = mqtt.publish(mqtt.MQTT_3_1_1, "a", b"x" * 250_000, 1)
    stream = Stream(LONGEST)
    looked = []
    for place in range(0, len(raw), 1000):
        stream.feed(raw[place : place + 1000])
        looked.append(stream.ready)
        stream.take(1)
    assert sum(looked) == 2, "at its start, and when it is whole"
