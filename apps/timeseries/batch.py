"""Writing a batch of which some lines may be bad: the good ones are written, the bad ones are found. Pure but for `write`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from telemetry.record import BadRecord, Record


@dataclass(frozen=True, slots=True)
class Line:
    """One point and the record it was made of."""

    record: Record
    text: bytes


Write = Callable[[Sequence[Line]], str | None]  # None if written, else why InfluxDB refuses some of it


def write_or_isolate(lines: Sequence[Line], write: Write) -> list[BadRecord]:
    """Write all lines; halve what is refused until each bad line stands alone.

    A line may be written several times on the way, which changes nothing. `b` bad lines of `n` cost about
    2·b·log2(n/b) + 1 writes.
    """
    bad: list[BadRecord] = []
    waiting = [lines] if lines else []
    while waiting:
        part = waiting.pop()
        reason = write(part)
        if reason is None:
            continue
        if len(part) == 1:
            bad.append(BadRecord(part[0].record, reason))
        else:
            middle = len(part) // 2
            waiting += [part[middle:], part[:middle]]
    return bad
