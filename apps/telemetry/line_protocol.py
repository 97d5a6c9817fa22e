"""InfluxDB's line protocol, the part we write: tags, float, integer, string fields, nanoseconds."""

from __future__ import annotations

from collections.abc import Mapping

_TAG = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\n": " ", "\r": " ", "\\": "/"})
_STRING = str.maketrans({'"': r"\"", "\\": r"\\", "\n": " ", "\r": " "})


def _field(value: float | str) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return f"{value}i"
        case float():
            return repr(value)
        case _:
            return f'"{value.translate(_STRING)}"'


def encode(measurement: str, tags: Mapping[str, str], fields: Mapping[str, float | str], time_ns: int) -> bytes:
    """One line without line end; tags that are empty are left out, as the protocol wants."""
    head = measurement.translate(_TAG)
    keys = "".join(f",{name.translate(_TAG)}={tags[name].translate(_TAG)}" for name in sorted(tags) if tags[name])
    values = ",".join(f"{name.translate(_TAG)}={_field(value)}" for name, value in fields.items())
    return f"{head}{keys} {values} {time_ns}".encode()
