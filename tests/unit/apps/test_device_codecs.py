from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telemetry import fan, iotkit
from telemetry.errors import PayloadError
from telemetry.iotkit import Alert, Button, Encoder, IoTKitMessage, Origin, Rfid, SensorReading
from telemetry.line_protocol import encode as encode_line
from telemetry.record import dead_letter_headers, header

KINDS = ("sensor", "alert", "button", "rfid", "encoder", "servo", "")


@pytest.mark.parametrize(
    ("kind", "payload", "message"),
    [
        ("sensor", b"0xBC,21.00,51.4,low", SensorReading(0xBC, 21.0, 51.4, "low")),
        ("alert", b"alert: hall", Alert("hall")),
        ("button", b"ON", Button("ON")),
        ("rfid", b"04:A1:3F", Rfid("04:A1:3F")),
        ("encoder", b"-7", Encoder(-7)),
    ],
)
def test_what_a_board_sends_is_read_with_and_without_the_nul(kind: str, payload: bytes, message: IoTKitMessage) -> None:
    assert iotkit.decode(kind, payload) == message
    assert iotkit.decode(kind, payload + b"\0") == message
    assert iotkit.encode(message) == payload


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        ("sensor", b"0xBC,21.00,51.4", "3 cells"),
        ("sensor", b"0xBC,nan,51.4,low", "temperature is not finite"),
        ("sensor", b"0xBC,warm,51.4,low", "temperature is no number"),
        ("sensor", b"0xBC,21.00,51.4,hot", "class is none of low, middle, high"),
        ("sensor", b"zz,21.00,51.4,low", "hexadecimal"),
        ("sensor", b"\xff,21.00,51.4,low", "no UTF-8 at byte 0"),
        ("alert", b"hello", "no alert"),
        ("rfid", b"hello", "no RFID tag"),
        ("encoder", b"1.5", "encoder is no integer"),
        ("encoder", b"\0", "empty"),
        ("servo", b"0.5", "unknown kind"),
    ],
)
def test_what_is_wrong_is_refused_with_its_reason(kind: str, payload: bytes, reason: str) -> None:
    with pytest.raises(PayloadError, match=reason):
        iotkit.decode(kind, payload)


@given(st.sampled_from(KINDS), st.binary(max_size=300))
def test_any_bytes_of_a_board_are_a_message_or_a_payload_error(kind: str, payload: bytes) -> None:
    with suppress(PayloadError):
        iotkit.decode(kind, payload)


@given(st.text(max_size=100))
def test_any_topic_has_an_origin_or_is_refused(topic: str) -> None:
    try:
        found = iotkit.origin(topic)
    except PayloadError:
        return
    assert found.kind


def test_old_boards_are_known_by_their_edge_and_ours_by_their_name() -> None:
    assert iotkit.origin("iotkit/sensor") == Origin("", "sensor")
    assert iotkit.origin("iotkit/hall-3/alert") == Origin("hall-3", "alert")


@pytest.mark.parametrize("topic", ["iotkit/actors", "iotkit/actors/servo2", "iotkit/actors/hall/servo2", "iotkit/actors/a/b/c"])
def test_what_is_published_for_boards_is_a_command_at_any_depth(topic: str) -> None:
    assert iotkit.origin(topic) == Origin("", "command")


def test_a_fan_reading_keeps_the_names_of_the_contract() -> None:
    payload = (
        b'{"deviceID":"1","timeStamp":"2021-04-29 10:11:12","rotation":528.5,"temperature":35.9,"vibration":191.7,"sound":46.8}'
    )
    assert fan.encode(fan.decode_reading(payload)) == payload
    assert fan.encode(fan.decode_verdict(b'{"deviceID":"1","fault":"0"}\0')) == b'{"deviceID":"1","fault":"0"}'


@given(st.binary(max_size=300))
def test_any_bytes_of_a_fan_are_a_message_or_a_payload_error(payload: bytes) -> None:
    for decode in (fan.decode_reading, fan.decode_verdict):
        with pytest.raises(PayloadError):
            decode(payload)


def test_a_line_has_sorted_tags_typed_fields_and_escapes() -> None:
    line = encode_line("car", {"b": "x y", "a": "1,2=3", "none": ""}, {"f": 1.5, "i": 2, "s": 'say "hi"\\', "t": True}, 5)
    assert line == rb'car,a=1\,2\=3,b=x\ y f=1.5,i=2i,s="say \"hi\"\\",t=true 5'


def test_a_tag_cannot_end_its_line() -> None:
    assert b"\n" not in encode_line("m", {"a": "x\ny\\"}, {"s": "x\ny"}, 1)


def test_a_dead_letter_keeps_the_headers_and_says_why_and_how_long_it_was() -> None:
    headers = dead_letter_headers([("topic", b"iotkit/sensor")], "no UTF-8", "bridge", 7)
    assert [header(headers, name) for name in ("topic", "reason", "source", "size", "none")] == [
        "iotkit/sensor",
        "no UTF-8",
        "bridge",
        "7",
        "",
    ]
