"""Text payloads as devices send them: ASCII or UTF-8, some with a NUL at the end."""

from __future__ import annotations

import math

from telemetry.errors import PayloadError


def strip_nul(payload: bytes) -> bytes:
    r"""Without the trailing NUL and white space: old boards sent `low\0`."""
    return payload.rstrip(b"\0 \r\n\t")


def text(payload: bytes) -> str:
    """`payload` as text without its trailing NUL.

    Raises:
        PayloadError: it is empty or no UTF-8.
    """
    stripped = strip_nul(payload)
    if not stripped:
        raise PayloadError("empty payload")
    try:
        return stripped.decode()
    except UnicodeDecodeError as broken:
        raise PayloadError(f"no UTF-8 at byte {broken.start}") from broken


def _plain(cell: str) -> str:
    """Python would also read `2_1` and digits of other scripts, which no other reader of our files takes for numbers."""
    if "_" in cell or not cell.isascii():
        raise ValueError(cell)
    return cell


def number(cell: str, name: str) -> float:
    """A finite number.

    Raises:
        PayloadError: `cell` is no number, or it is infinite or NaN.
    """
    try:
        value = float(_plain(cell))
    except ValueError as broken:
        raise PayloadError(f"{name} is no number: {cell[:40]!r}") from broken
    if not math.isfinite(value):
        raise PayloadError(f"{name} is not finite: {cell[:40]!r}")
    return value


def integer(cell: str, name: str) -> int:
    """A 32-bit integer.

    Raises:
        PayloadError: `cell` is no integer or too large.
    """
    try:
        value = int(_plain(cell))
    except ValueError as broken:
        raise PayloadError(f"{name} is no integer: {cell[:40]!r}") from broken
    if not -(2**31) <= value < 2**31:
        raise PayloadError(f"{name} does not fit 32 bits")
    return value
