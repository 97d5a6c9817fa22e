"""The contract's CSVs are read row by row; what is broken is named with its file and line."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest
from fleet.play import player
from fleet.play.plan import PlayPlan
from fleet.play.rows import FileError, rows
from fleet.scenario.talk import STOP, Words
from fleet.tally import Tally
from telemetry import car, fan, iotkit

CAR_VALUES = "39.395103,34.53991,123.3,0.826,246.12367,0.6586,24.93,2493.487,0.0348,32,31,34,34,0.53,0.96,0.88,0.04,2000"
CARS = f"{car.CSV_HEADER}\n1567606196,car1,{CAR_VALUES}\n1567606197,car2,{CAR_VALUES}\n"
FANS = "DeviceID,Time,Rotation,Temperature,Vibration,Sound,Faulty\n1,2021-04-29 10:11:12,528.5,35.9,191.7,46.8,0\n"
BOARDS = "0xBC,21.00,51.4,low\n0xC2,33.10,80.0,high\n"
NOW_S = 1_700_000_000.25


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "readings.csv"


def _refusal(file: Path, text: str) -> str:
    file.write_text(text)
    with pytest.raises(FileError) as refused:
        list(rows(file))
    return str(refused.value).replace(str(file), "FILE")


def test_a_car_sends_its_values_with_the_time_of_sending(file: Path) -> None:
    file.write_text(CARS)
    first, second = rows(file)
    assert (first.kind, first.device, second.device) == ("car", "car1", "car2")
    reading = car.decode_json(first.payload(NOW_S))
    assert (reading.car, reading.time, reading.coolant_temp, reading.control_unit_firmware) == ("car1", NOW_S, 39.395103, 2000)


def test_blank_lines_stand_for_nothing(file: Path) -> None:
    file.write_text("\n\n" + FANS.replace("\n", "\n\n"))
    assert [row.device for row in rows(file)] == ["1"]


def test_columns_may_stand_in_another_order_and_a_simulators_failure_goes_along(file: Path) -> None:
    header, *lines = CARS.splitlines()
    swapped = [",".join([*reversed(line.split(",")), word]) for line, word in zip(lines, ("true", "false"), strict=True)]
    file.write_text("\n".join([",".join([*reversed(header.split(",")), "failure_occurred"]), *swapped]))
    readings = [car.decode_json(row.payload(NOW_S)) for row in rows(file)]
    assert [reading.failure_occurred for reading in readings] == ["true", "false"]
    assert readings[0].coolant_temp == 39.395103


def test_a_fan_sends_its_four_values_and_not_its_label(file: Path) -> None:
    file.write_text(FANS)
    (row,) = rows(file)
    reading = fan.decode_reading(row.payload(NOW_S))
    assert (row.kind, row.device, reading.device_id, reading.time_stamp) == ("fan", "1", "1", "2023-11-14 22:13:20")
    assert (reading.rotation, reading.temperature, reading.vibration, reading.sound) == (528.5, 35.9, 191.7, 46.8)
    assert b"aulty" not in row.payload(NOW_S)


@pytest.mark.parametrize("header", ["", "sensor,temp,hum,class\n", "\ufeffsensor,temp,hum,class\r\n"])
def test_a_board_sends_its_line_with_or_without_a_header(file: Path, header: str) -> None:
    file.write_text(header + BOARDS)
    first, second = rows(file)
    assert first.payload(NOW_S) == b"0xBC,21.00,51.4,low"
    assert iotkit.sensor(second.payload(NOW_S)).condition == "high"
    assert (first.kind, first.device, second.device) == ("iotkit", "188", "194")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "FILE is empty"),
        (CARS.replace("39.395103", "hot", 1), "FILE:2: coolant_temp is no number: 'hot'"),
        (CARS.rpartition(",")[0] + "\n", "FILE:3: 19 cells instead of 20"),
        (FANS.replace("191.7", "nan"), "FILE:2: Vibration is not finite: 'nan'"),
        (FANS.replace("\n1,", "\na/b,"), "FILE:2: DeviceID is 'a/b', no name of 1 to 64 letters, digits, dots, colons, - and _"),
        (FANS.replace("\n1,", f"\n{'9' * 65},"), f"FILE:2: DeviceID is '{'9' * 40}', no name of 1 to 64 letters"),
        (CARS.replace("car1", "a/+"), "FILE:2: car is 'a/+', no name of 1 to 64 letters"),
        (BOARDS.replace("0xC2", "0x1FFFF"), "FILE:2: the sensor id 0x1FFFF is above 0xffff, and a board's address has two bytes"),
        ("\n\n" + FANS.replace("Sound", "Noise"), "FILE:3: unknown columns 'Noise'"),
        (FANS.replace("Sound", "Noise"), "FILE:1: unknown columns 'Noise'; those of the kind fan are DeviceID,Time,Rotation,"),
        (FANS.replace(",Sound", "").replace(",46.8", ""), "FILE:1: the column Sound is missing"),
        (FANS.replace("Sound", "Rotation"), "FILE:1: the column Rotation stands there twice"),
        (BOARDS + "0xBC,21.00,51.4\n", "FILE:3: 3 cells instead of 4"),
        (BOARDS + "0xBC,21.00,51.4,warm\n", "FILE:3: class is none of low, middle, high: 'warm'"),
        ("a,b,c\n1,2,3\n", "FILE:1: neither a header nor a board's reading; known columns are car: time,car,"),
    ],
)
def test_what_cannot_be_played_is_named_with_its_line(file: Path, text: str, said: str) -> None:
    assert _refusal(file, text).startswith(said)


def test_what_is_no_text_is_named(file: Path) -> None:
    file.write_bytes(b"DeviceID,\xff\n")
    with pytest.raises(FileError, match="cannot be read"):
        list(rows(file))


class _Asked:
    """Stands for the words of whoever started it: stop, at the fifth time that they are asked for."""

    def __init__(self) -> None:
        self.times = 0

    def next(self) -> str | None:
        self.times += 1
        return STOP if self.times >= 5 else None


def _player(file: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally) -> player.Player:
    """Of boards at the highest rate, by a network that carries nothing."""
    file.write_text(BOARDS)
    does_nothing = SimpleNamespace(**dict.fromkeys(("join", "advance", "serve", "say_goodbye"), lambda *_: None))
    monkeypatch.setattr(player, "Network", lambda *_: does_nothing)
    monkeypatch.setattr(player, "Tally", lambda: tally)
    names = {"board": "b-{high}-{low}", "fan": "f-{number}", "topics": {"iotkit": "iotkit/{name}/sensor"}}
    told = {
        "file": str(file),
        "rate_msg_s": 20_000,
        "loop": True,
        "qos": 1,
        "host": "h",
        "ports": [1],
        "devices": {},
        "taken": [],
    }
    return player.Player(msgspec.convert(told | names, PlayPlan))


def test_brokers_and_words_are_heard_where_rows_are_always_late(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, tally = 0.0, Tally()

    def slowly() -> float:
        nonlocal now_s
        now_s += 0.001
        return now_s

    tally.connected = 2
    monkeypatch.setattr(player, "time", SimpleNamespace(monotonic=slowly, time=slowly))
    found = _player(file, monkeypatch, tally).run(cast("Words", _Asked()))
    assert 4 < found["sent"] < 100
    assert found["connected"] == 2


def test_a_login_that_no_broker_takes_ends_a_play_at_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tally = Tally()
    tally.refused["not authorized"] += 1
    with pytest.raises(player.PlayError, match="the broker refuses connections: not authorized"):
        _player(file, monkeypatch, tally).run(cast("Words", _Asked()))


def test_who_stops_a_play_before_all_have_connected_sends_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _player(file, monkeypatch, Tally()).run(cast("Words", _Asked()))
    assert (found["sent"], found["connected"]) == (0, 0)
