from __future__ import annotations

import math
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from telemetry import car
from telemetry.car import CarReading, decode_csv, decode_json, encode_csv, encode_json
from telemetry.errors import PayloadError

HEADER = (
    "time,car,coolant_temp,intake_air_temp,intake_air_flow_speed,battery_percentage,battery_voltage,current_draw,speed,"
    "engine_vibration_amplitude,throttle_pos,tire_pressure_1_1,tire_pressure_1_2,tire_pressure_2_1,tire_pressure_2_2,"
    "accelerometer_1_1_value,accelerometer_1_2_value,accelerometer_2_1_value,accelerometer_2_2_value,control_unit_firmware"
)
ROW = (
    "1567606196,car1,39.395103,34.53991,123.317406,0.82654595,246.12367,0.6586535,24.934872,2493.487,0.034893095,"
    "32,31,34,34,0.5295712,0.9600553,0.88389874,0.043890715,2000"
)
READING = decode_csv(ROW.encode())

finite = st.floats(allow_nan=False, allow_infinity=False)
readings = st.builds(
    CarReading,
    time=st.floats(car.EARLIEST_S, car.LATEST_S),
    car=st.from_regex(r"[A-Za-z0-9._:\-]{1,64}", fullmatch=True),
    failure_occurred=st.sampled_from(["true", "false", None]),
    **{name: st.integers(-(2**31), 2**31 - 1) if name in car.INTEGERS else finite for name in car.VALUES},
)


def test_the_csv_header_is_the_contract() -> None:
    assert car.CSV_HEADER == HEADER


def test_the_row_of_the_contract_is_read_and_written_unchanged() -> None:
    assert READING.speed == 24.934872
    assert READING.tire_pressure_2_2 == 34
    assert encode_csv(READING) == ROW


def test_each_of_the_18_values_has_a_unit() -> None:
    assert len(car.VALUES) == 18
    assert set(car.VALUES) <= set(car.UNITS)


def test_the_payload_is_about_530_bytes() -> None:
    assert 480 < len(encode_json(READING)) < 600


@given(readings)
def test_json_comes_back_as_it_was(reading: CarReading) -> None:
    assert decode_json(encode_json(reading)) == reading


@given(readings)
def test_csv_comes_back_but_for_the_failure(reading: CarReading) -> None:
    again = decode_csv(encode_csv(reading).encode())
    assert encode_csv(again) == encode_csv(reading)


@given(st.binary(max_size=2000))
def test_any_bytes_are_a_reading_or_a_payload_error(payload: bytes) -> None:
    for decode in (decode_json, decode_csv):
        with suppress(PayloadError):
            decode(payload)


@given(st.recursive(st.none() | st.booleans() | finite | st.text(), lambda inner: st.dictionaries(st.text(), inner, max_size=4)))
def test_any_json_is_a_reading_or_a_payload_error(document: object) -> None:
    with pytest.raises(PayloadError):
        decode_json(msgspec.json.encode(document))


@given(readings, st.data())
def test_a_changed_byte_is_a_reading_or_a_payload_error(reading: CarReading, data: st.DataObject) -> None:
    payload = bytearray(encode_json(reading))
    payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode_json(bytes(payload), car="car1", arrival_s=1.6e9)
    except PayloadError:
        return
    assert all(math.isfinite(getattr(decoded, name)) for name in car.VALUES)


def test_a_trailing_nul_is_stripped() -> None:
    assert decode_json(encode_json(READING) + b"\0") == READING
    assert decode_csv(ROW.encode() + b"\0") == READING


def test_car_and_time_of_an_old_device_come_from_topic_and_arrival() -> None:
    old = encode_json(READING).replace(b'"time":1567606196.0,"car":"car1",', b"")
    found = decode_json(old, car="electric-vehicle-00007", arrival_s=1.6e9)
    assert (found.car, found.time, found.speed) == ("electric-vehicle-00007", 1.6e9, READING.speed)
    with pytest.raises(PayloadError, match="no car"):
        decode_json(old, arrival_s=1.6e9)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"speed":24.934872', '"speed":NaN', "malformed"),
        ('"speed":24.934872', '"speed":1e999', "out of range"),
        ('"speed":24.934872', '"speed":"fast"', "speed"),
        ('"speed":24.934872,', "", "speed"),
        ('"tire_pressure_1_1":32', '"tire_pressure_1_1":32.5', "tire_pressure_1_1"),
        ('"tire_pressure_1_1":32', '"tire_pressure_1_1":99999999999', "tire_pressure_1_1"),
        ('"time":1567606196.0', '"time":1567606196000', "seconds"),
        ('"car":"car1"', '"car":"a b"', "car"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name(old: str, new: str, reason: str) -> None:
    payload = encode_json(READING).decode()
    assert old in payload
    with pytest.raises(PayloadError, match=reason):
        decode_json(payload.replace(old, new).encode())


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("1,2,3", "3 cells"),
        (ROW.replace("39.395103", "nan"), "coolant_temp is not finite"),
        (ROW.replace("39.395103", "warm"), "coolant_temp is no number"),
        (ROW.replace(",32,", ",32.5,"), "tire_pressure_1_1 is no integer"),
        (ROW.replace("car1", ""), "no car"),
        (ROW.replace("1567606196", "12"), "time"),
    ],
)
def test_a_wrong_row_is_refused_with_the_cell(cells: str, reason: str) -> None:
    with pytest.raises(PayloadError, match=reason):
        decode_csv(cells.encode())


def test_deep_json_is_refused() -> None:
    with pytest.raises(PayloadError):
        decode_json(b'{"x":' * 100_000)
