from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from json_pipe.documents import document
from telemetry.errors import PayloadError
from telemetry.iotkit import kind_of
from telemetry.record import Record, arrival_headers


def record(value: bytes, topic: str = "iotkit/sensor") -> Record:
    device = topic.split("/")[1] if topic.count("/") == 2 else "edge-1"
    return Record("b", 0, 0, topic, value, arrival_headers(topic, device, "edge-1", 1_600_000_000_000), 0)


@pytest.mark.parametrize(("topic", "device"), [("iotkit/sensor", "edge-1"), ("iotkit/hall-3/sensor", "hall-3")])
def test_a_reading_is_one_document_with_device_and_edge_keyed_by_device(topic: str, device: str) -> None:
    made = document(record(b"0xBC,22.90,36.9,low\0", topic))
    assert made is not None
    key, text = made
    assert key == device
    assert text.startswith(b'{"humtemp":{"temp":22.9,"hum":36.9}')
    assert json.loads(text) == {"humtemp": {"temp": 22.9, "hum": 36.9}, "device": device, "edge": "edge-1"}


@pytest.mark.parametrize("kind", ["alert", "button", "lamp", "actors/servo2", "actors/hall/servo2", "actors/sensor"])
def test_other_messages_make_no_document(kind: str) -> None:
    assert document(record(b"x", f"iotkit/{kind}")) is None


@pytest.mark.parametrize(("kind", "value"), [("rfid", b"04:A1"), ("encoder", b"7")])
def test_tags_and_encoders_make_no_document_and_are_refused_if_malformed(kind: str, value: bytes) -> None:
    assert document(record(value, f"iotkit/{kind}")) is None
    with pytest.raises(PayloadError):
        document(record(b"x", f"iotkit/{kind}"))


@given(st.binary(max_size=60))
@example(b"alert")
def test_any_bytes_are_a_valid_document_an_alert_or_refused(value: bytes) -> None:
    try:
        made = document(record(value))
    except PayloadError:
        return
    if made is None:
        assert kind_of(record(value)) == "alert"
        return
    assert set(json.loads(made[1])) == {"humtemp", "device", "edge"}
