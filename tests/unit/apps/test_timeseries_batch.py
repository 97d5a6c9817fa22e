from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from telemetry.car import decode_csv, encode_json
from telemetry.errors import PayloadError
from telemetry.record import Record, arrival_headers, next_offsets
from timeseries.batch import Line, write_or_isolate
from timeseries.points import Series, line

from tests.unit.apps.test_car_codec import ROW

CARS = Series(topic="sensor-data", codec="car", database="cars", measurement="car")
BOARDS = Series(topic="broker_message", codec="iotkit", database="iotkit", measurement="iotkit")


def record(value: bytes, offset: int = 0, topic: str = "iotkit/sensor", partition: int = 0) -> Record:
    headers = arrival_headers(topic, "edge-1", "edge-1", 1_600_000_000_500)
    return Record("sensor-data", partition, offset, "electric-vehicle-00001", value, headers, 1_600_000_000_999)


def test_a_reading_is_a_point_keyed_by_car_and_event_time() -> None:
    point = text(CARS, record(encode_json(decode_csv(ROW.encode()))))
    assert point.startswith("car,car=car1 coolant_temp=39.395103,intake_air_temp=34.53991,")
    assert point.endswith(",control_unit_firmware=2000i 1567606196000000000")


def test_an_old_device_s_point_has_the_key_s_car_and_the_arrival_s_time() -> None:
    old = encode_json(decode_csv(ROW.encode())).replace(b'"time":1567606196.0,"car":"car1",', b"")
    point = text(CARS, record(old))
    assert point.startswith("car,car=electric-vehicle-00001 ")
    assert point.endswith(" 1600000000500000000")


@pytest.mark.parametrize(("ahead_s", "flagged"), [(-86_400, False), (299, False), (301, True), (86_400, True)])
def test_a_point_whose_time_is_far_ahead_of_its_arrival_is_flagged(ahead_s: float, *, flagged: bool) -> None:
    reading = msgspec.structs.replace(decode_csv(ROW.encode()), time=1_600_000_000.5 + ahead_s)
    assert (",clock_ahead=true" in text(CARS, record(encode_json(reading)))) is flagged


def text(series: Series, given: Record) -> str:
    written = line(series, given)
    assert written is not None
    return written.decode()


@pytest.mark.parametrize(("topic", "device"), [("iotkit/sensor", "edge-1"), ("iotkit/hall-3/sensor", "hall-3")])
def test_a_board_s_reading_is_a_point_of_its_device(topic: str, device: str) -> None:
    fields = 'temperature=21.0,humidity=51.4,condition="low" 1600000000500000000'
    assert text(BOARDS, record(b"0xBC,21.00,51.4,low\0", topic=topic)) == f"iotkit,device={device},sensor=0xBC {fields}"


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        *[("alert", b"alert: hall"), ("alert", b""), ("a/b/alert", b"alert: hall"), ("button", b"ON"), ("encoder", b"7")],
        *[("rfid", b"04:A1:3F"), ("hall-3/lamp", b"\xff")],
        *[("actors/servo2", b"0.5"), ("actors/hall/servo2", b"0.5"), ("actors/sensor", b""), ("actors", b"\xff")],
    ],
)
def test_other_messages_of_a_board_have_no_series_and_are_no_dead_letters(kind: str, payload: bytes) -> None:
    assert line(BOARDS, record(payload, topic=f"iotkit/{kind}")) is None


@pytest.mark.parametrize("kind", ["button", "rfid", "hall-3/encoder"])
def test_a_malformed_message_of_a_kind_without_a_series_is_a_dead_letter(kind: str) -> None:
    with pytest.raises(PayloadError):
        line(BOARDS, record(b"\xff", topic=f"iotkit/{kind}"))


@pytest.mark.parametrize("digits", [16, 400, 4301])
@pytest.mark.parametrize("series", [CARS, BOARDS])
def test_an_arrival_that_is_no_time_is_a_dead_letter_and_no_crash(series: Series, digits: int) -> None:
    whole = record(b"0xBC,21.00,51.4,low" if series is BOARDS else encode_json(decode_csv(ROW.encode())))
    poison = replace(whole, headers=[*whole.headers, ("arrival", b"9" * digits)])
    with pytest.raises(PayloadError, match=f"the header arrival has {digits} digits"):
        line(series, poison)


@given(st.binary(max_size=500), st.sampled_from([CARS, BOARDS]))
def test_any_record_is_one_line_or_a_payload_error(value: bytes, series: Series) -> None:
    try:
        written = line(series, record(value))
    except PayloadError:
        return
    assert b"\n" not in (written or b"")


@given(st.lists(st.booleans(), max_size=200))
def test_every_good_line_is_written_and_every_bad_one_found(badness: list[bool]) -> None:
    lines = [Line(record(b"", offset), b"bad" if bad else b"good") for offset, bad in enumerate(badness)]
    written: set[int] = set()

    def write(part: Sequence[Line]) -> str | None:
        if any(each.text == b"bad" for each in part):
            return "refused"
        written.update(each.record.offset for each in part)
        return None

    found = write_or_isolate(lines, write)
    assert [bad.record.offset for bad in found] == [offset for offset, bad in enumerate(badness) if bad]
    assert written == {offset for offset, bad in enumerate(badness) if not bad}


def test_one_bad_line_of_five_thousand_costs_less_than_thirty_writes() -> None:
    writes = 0

    def write(part: Sequence[Line]) -> str | None:
        nonlocal writes
        writes += 1
        return "refused" if any(each.record.offset == 1234 for each in part) else None

    assert len(write_or_isolate([Line(record(b"", offset), b"") for offset in range(5000)], write)) == 1
    assert writes < 30


def test_the_committed_offset_lies_behind_the_last_record_of_each_partition() -> None:
    records = [record(b"", offset, partition=partition) for offset, partition in ((7, 0), (3, 1), (8, 0))]
    assert next_offsets(records) == {("sensor-data", 0): 9, ("sensor-data", 1): 4}
