"""The contract's CSVs, row by row: whose reading it is, and the payload that its device would send now.

Times of the file are not sent: a series of 2019 would be older than what the lab keeps.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, TextIO, cast

import msgspec
from telemetry import car, fan, iotkit
from telemetry.errors import PayloadError
from telemetry.text import number

Kind = Literal["car", "fan", "iotkit"]
Cells = Mapping[str, str]
FAILED: Final = "failure_occurred"  # a simulator's CSV of cars may have it
COLUMNS: Final[dict[Kind, tuple[str, ...]]] = {
    "car": (*car.CSV_HEADER.split(","), FAILED),
    "fan": ("DeviceID", "Time", "Rotation", "Temperature", "Vibration", "Sound", "Faulty"),
    "iotkit": ("sensor", "temp", "hum", "class"),
}
NAME: Final = re.compile(r"[A-Za-z0-9._:\-]{1,64}")  # it becomes a client id, and a car's a level of its topic
HIGHEST_SENSOR: Final = 0xFFFF
OPTIONAL: Final = frozenset({FAILED, "Time", "Faulty"})


class FileError(Exception):
    """A file that cannot be played; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One reading: who measured it, and what is sent for it at a time (Unix time)."""

    kind: Kind
    device: str  # a car's name, a fan's id, a board's sensor in decimal digits
    payload: Callable[[float], bytes]


def rows(file: Path) -> Iterator[Row]:
    """All of them.

    Raises:
        FileError: it has unknown columns, lacks one, or a line is broken; with the file and the line.
    """
    with _opened(file) as text:
        reader = csv.reader(text)
        first = next(filter(None, reader), None)
        if not first:
            raise FileError(f"{file} is empty")
        kind, names, with_header = _told(file, reader.line_num, [cell.strip() for cell in first])
        if not with_header:
            yield _row(file, reader.line_num, kind, names, first)
        for cells in reader:
            if cells:
                yield _row(file, reader.line_num, kind, names, cells)


@contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            yield text
    except (OSError, UnicodeDecodeError, csv.Error) as broken:
        raise FileError(f"{file} cannot be read: {broken}") from broken


def _told(file: Path, line: int, first: Sequence[str]) -> tuple[Kind, Sequence[str], bool]:
    """Kind and columns by the first line, and whether that is a header; the boards' CSV has none."""
    kind = max(COLUMNS, key=lambda each: len(set(COLUMNS[each]) & set(first)))
    known = COLUMNS[kind]
    if not set(known) & set(first):
        if _is_boards(first):
            return "iotkit", COLUMNS["iotkit"], False
        every = "; ".join(f"{each}: {','.join(columns)}" for each, columns in COLUMNS.items())
        raise FileError(f"{file}:{line}: neither a header nor a board's reading; known columns are {every}")
    if unknown := [name for name in first if name not in known]:
        raise FileError(
            f"{file}:{line}: unknown columns {', '.join(map(repr, unknown))}; those of the kind {kind} are {','.join(known)}"
        )
    if twice := sorted({name for name in first if first.count(name) > 1}):
        raise FileError(f"{file}:{line}: the column {twice[0]} stands there twice")
    if missing := [name for name in known if name not in first and name not in OPTIONAL]:
        raise FileError(f"{file}:{line}: the column {missing[0]} is missing; those of the kind {kind} are {','.join(known)}")
    return kind, first, True


def _is_boards(cells: Sequence[str]) -> bool:
    try:
        iotkit.sensor(",".join(cells).encode())
    except PayloadError:
        return False
    return True


def _row(file: Path, line: int, kind: Kind, names: Sequence[str], cells: Sequence[str]) -> Row:
    if len(cells) != len(names):
        raise FileError(f"{file}:{line}: {len(cells)} cells instead of {len(names)}")
    told = dict(zip(names, (cell.strip() for cell in cells), strict=True))
    try:
        return _MAKERS[kind](told)
    except (PayloadError, msgspec.MsgspecError) as wrong:
        raise FileError(f"{file}:{line}: {wrong}") from wrong


def _check_name(told: Cells, column: str) -> None:
    if not NAME.fullmatch(told[column]):
        raise PayloadError(f"{column} is {told[column][:40]!r}, no name of 1 to 64 letters, digits, dots, colons, - and _")


def _car(told: Cells) -> Row:
    _check_name(told, "car")
    reading = car.decode_csv(",".join(told[name] for name in COLUMNS["car"] if name != FAILED).encode())
    failed = told.get(FAILED)
    if failed not in {None, "true", "false"}:
        raise PayloadError(f"{FAILED} is {failed!r}, neither true nor false")
    marked = msgspec.structs.replace(reading, failure_occurred=cast("Literal['true', 'false'] | None", failed))
    return Row("car", reading.car, lambda now_s: car.encode_json(msgspec.structs.replace(marked, time=round(now_s, 3))))


def _fan(told: Cells) -> Row:
    _check_name(told, "DeviceID")
    rotation, temperature, vibration, sound = (number(told[name], name) for name in COLUMNS["fan"][2:6])

    def payload(now_s: float) -> bytes:
        stamp = datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
        device = told["DeviceID"]
        reading = fan.FanReading(
            device_id=device, time_stamp=stamp, rotation=rotation, temperature=temperature, vibration=vibration, sound=sound
        )
        return fan.encode(reading)

    return Row("fan", told["DeviceID"], payload)


def _board(told: Cells) -> Row:
    reading = iotkit.sensor(",".join(told[name] for name in COLUMNS["iotkit"]).encode())
    if reading.sensor > HIGHEST_SENSOR:
        raise PayloadError(
            f"the sensor id {told['sensor']} is above {HIGHEST_SENSOR:#x}, and a board's address has two bytes for it"
        )
    encoded = iotkit.encode(reading)
    return Row("iotkit", str(reading.sensor), lambda _now_s: encoded)


_MAKERS: Final[dict[Kind, Callable[[Cells], Row]]] = {"car": _car, "fan": _fan, "iotkit": _board}
