"""The doctor's row: written to the same volume as all rows, but to a file of its own that holds nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from runtime.errors import UnavailableError
from telemetry.record import Record

from csv_sink.rows import kind_of, row


def keep(file: Path, record: Record) -> bool:
    """Write the row of a sensor's line over the last one and read it back; False for what becomes no row.

    Raises:
        PayloadError: neither topic nor shape say what it is.
        UnavailableError: the volume is away, full, or gives something else back.
    """
    if kind_of(record) != "sensor":
        return False
    line = f"{row(record)}\n"
    try:
        with file.open("w") as opened:  # from no length on, so that a full volume has to say so
            opened.write(line)
            opened.flush()
            os.fsync(opened.fileno())
        found = file.read_text()
    except OSError as failed:
        raise UnavailableError(f"{file}: {failed.strerror or failed}") from failed
    if found != line:
        raise UnavailableError(f"{file} holds another row than the one that was written")
    return True
