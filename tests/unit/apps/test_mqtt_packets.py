from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from fleet import answers
from fleet.answers import Connack, Disconnect, MalformedError, Pingresp, Puback, Publish, Suback
from hypothesis import given
from hypothesis import strategies as st
from runtime import mqtt as packets
from runtime.mqtt import Login, length, text

LEVELS = st.sampled_from([4, 5])
IDS = st.integers(1, 65_535)
CODES = st.integers(0, 255)
TOPICS = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=40)
USER_PROPERTY = b"\x26" + text("a") + text("b")


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + length(len(body)) + body


@st.composite
def _answers(draw: st.DrawFn, level: int) -> tuple[bytes, answers.Answer]:
    five = level == 5
    number, code = draw(IDS), draw(CODES)
    nothing = b"\0" if five else b""
    kind = draw(st.integers(0, 5 if five else 4))
    if kind == 0:
        told = b"\x13\x00\x1e\x21\x00\x0a\x22\x00\x05" + USER_PROPERTY
        tail, keepalive_s, maximum = (length(len(told)) + told, 30, 10) if five else (b"", None, 65_535)
        return _packet(0x20, bytes((1, code)) + tail), Connack(
            session_present=True, code=code, keepalive_s=keepalive_s, receive_maximum=maximum
        )
    if kind == 1:
        topic, payload, dup = draw(TOPICS), draw(st.binary(max_size=300)), draw(st.booleans())
        qos = draw(st.sampled_from([0, 1]))
        identity = struct.pack(">H", number) if qos else b""
        first = 0x30 | qos << 1 | (8 if dup else 0)
        return _packet(first, text(topic) + identity + nothing + payload), Publish(topic, payload, number if qos else 0, dup)
    if kind == 2:
        coded = five and draw(st.booleans())
        return _packet(0x40, struct.pack(">H", number) + (bytes((code,)) if coded else b"")), Puback(number, code if coded else 0)
    if kind == 3:
        return _packet(0x90, struct.pack(">H", number) + nothing + bytes((code,))), Suback(number, code)
    if kind == 4:
        return b"\xd0\x00", Pingresp()
    return _packet(0xE0, bytes((code, 0))), Disconnect(code)


STREAMS = LEVELS.flatmap(lambda level: st.tuples(st.just(level), st.lists(_answers(level), max_size=6)))


@given(STREAMS)
def test_what_a_broker_says_is_read_the_same_wherever_it_is_cut(stream: tuple[int, list[tuple[bytes, answers.Answer]]]) -> None:
    level, said = stream
    raw = b"".join(packet for packet, _ in said)
    meant = [answer for _, answer in said]
    for cut in range(len(raw) + 1):
        found, rest = [], b""
        for part in (raw[:cut], raw[cut:]):
            data, end = rest + part, 0
            for answer, place in answers.answers(data, level):
                found.append(answer)
                end = place
            rest = data[end:]
        assert found == meant
        assert rest == b""


@given(LEVELS, st.binary(max_size=200))
def test_garbage_is_malformed_or_too_short_and_never_anything_else(level: int, garbage: bytes) -> None:
    with suppress(MalformedError):
        for _, place in answers.answers(garbage, level):
            assert 0 < place <= len(garbage)


@given(STREAMS, st.data())
def test_a_broken_byte_is_no_exception_but_malformed(
    stream: tuple[int, list[tuple[bytes, answers.Answer]]], data: st.DataObject
) -> None:
    level, said = stream
    raw = bytearray(b"".join(packet for packet, _ in said))
    if raw:
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(CODES)
    with suppress(MalformedError):
        list(answers.answers(bytes(raw), level))


@pytest.mark.parametrize(
    ("level", "raw", "why"),
    [
        (4, b"\x20\xff\xff\xff\xff\x01", "a length has more than four bytes"),
        (4, b"\x30\xff\xff\xff\x7f", "a packet says it has 268435455 bytes"),
        (4, b"\x40\x01\x00", "ends in the middle"),
        (4, b"\x40\x03\x00\x01\x00", "1 bytes too many"),
        (4, b"\x34\x05\x00\x01a\x00\x01", "QoS 2"),
        (4, b"\x32\x05\x00\x01a\x00\x00", "packet id 0"),
        (4, b"\x30\x03\x00\x01\xff", "no UTF-8"),
        (4, b"\x30\x03\x00\x09a", "ends in the middle"),
        (4, b"\xe0\x00", "3.1.1 sends no DISCONNECT"),
        (4, b"\x10\x00", "begins with 0x10"),
        (4, b"\x41\x02\x00\x01", "begins with 0x41"),
        (5, b"\x20\x03\x00\x00\x05", "ends in the middle"),
        (5, b"\x20\x05\x00\x00\x02\x7f\x00", "no property 0x7f"),
        (5, b"\x20\x06\x00\x00\x03\x21\x00\x00", "receive maximum of 0"),
    ],
)
def test_what_no_broker_says_is_refused_with_the_reason(level: int, raw: bytes, why: str) -> None:
    with pytest.raises(MalformedError, match=why):
        list(answers.answers(raw, level))


@given(LEVELS, TOPICS, st.binary(max_size=20_000), st.sampled_from([0, 1]), IDS)
def test_a_published_packet_reads_back_as_what_was_meant(level: int, topic: str, payload: bytes, qos: int, number: int) -> None:
    packet = packets.publish(level, topic, payload, number if qos else 0)
    ((found, end),) = answers.answers(packet, level)
    assert end == len(packet)
    assert found == Publish(topic, payload, number if qos else 0, dup=False)
    if qos:
        ((found, _),) = answers.answers(packets.again(packet), level)
        assert found == Publish(topic, payload, number, dup=True)


def test_a_connect_says_who_it_is_and_how_long_its_session_is_kept() -> None:
    plain = packets.connect("car", Login(4, None, None, 60))
    assert plain == b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03car"
    kept = packets.connect("car", Login(4, "u", "p", 60, 3600))
    assert kept == b"\x10\x15\x00\x04MQTT\x04\xc0\x00\x3c\x00\x03car\x00\x01u\x00\x01p"
    five = packets.connect("car", Login(5, "u", None, 60, 3600))
    assert five == b"\x10\x1d\x00\x04MQTT\x05\x80\x00\x3c\x0a\x27\x00\x04\x00\x00\x11\x00\x00\x0e\x10\x00\x03car\x00\x01u"
    assert packets.subscribe(4, 7, "a") == b"\x82\x06\x00\x07\x00\x01a\x01"
    assert packets.subscribe(5, 7, "a") == b"\x82\x07\x00\x07\x00\x00\x01a\x01"
    assert packets.puback(258) == b"\x40\x02\x01\x02"


@pytest.mark.parametrize(
    ("size", "raw"), [(0, "00"), (127, "7f"), (128, "8001"), (16_383, "ff7f"), (16_384, "808001"), (268_435_455, "ffffff7f")]
)
def test_a_length_has_as_few_bytes_as_it_needs(size: int, raw: str) -> None:
    assert length(size).hex() == raw
