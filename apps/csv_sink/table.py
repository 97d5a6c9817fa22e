"""A CSV file that is only appended to, and a journal that makes each batch of rows be in it exactly once.

Before rows are appended the journal says which, where the file ended, and which offsets they stand for; afterwards that they
are there. Whatever is killed in between, the next start finds how much of the batch is in the file and appends the rest.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runtime.errors import UnavailableError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pending:
    """A batch that is being appended: where the file ended, what is appended, which offsets are then in the file."""

    size: int
    rows: str
    offsets: dict[str, int]


def begun(rows: bytes, size: int, file: Path) -> int | None:
    """How many bytes of `rows` lie in `file` from `size` on; None if somebody changed the file since."""
    try:
        with file.open("rb") as opened:
            if opened.seek(0, os.SEEK_END) < size:
                return None
            opened.seek(size)
            found = opened.read(len(rows))
    except FileNotFoundError:
        return None if size else 0
    return len(found) if rows.startswith(found) else None


class Table:
    """The file, its journal and a lock that keeps a second writer out."""

    def __init__(self, file: Path) -> None:
        """Nothing is touched before `open`."""
        self._file = file
        self._journal = file.with_name(f"{file.name}.journal")
        self._offsets: dict[str, int] = {}
        self._pending: Pending | None = None
        self._lock: int | None = None

    def open(self) -> None:
        """Take the lock, read the journal, finish what a killed writer began.

        Raises:
            UnavailableError: another one writes, or the volume is away or full.
        """
        try:
            self._take_lock()
            self._read()
            if self._pending is not None:
                log.info("the last batch was not finished; finishing it")
                self._finish()
        except OSError as failed:
            raise UnavailableError(f"{self._file}: {failed.strerror or failed}") from failed

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        lock = os.open(self._file.with_name(f"{self._file.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o664)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            os.close(lock)
            raise UnavailableError(f"another one appends to {self._file}; one writer is all it takes") from taken
        self._lock = lock

    def _read(self) -> None:
        try:
            told: dict[str, Any] = json.loads(self._journal.read_text())
            self._offsets = {str(place): int(offset) for place, offset in told["offsets"].items()}
            self._pending = Pending(**told["pending"]) if told["pending"] else None
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError, AttributeError) as broken:
            log.warning("the journal cannot be read (%s): going on from the group's offsets", broken)
            self._offsets, self._pending = {}, None

    def _write(self) -> None:
        told = {"offsets": self._offsets, "pending": asdict(self._pending) if self._pending else None}
        scratch = self._journal.with_name(f"{self._journal.name}.new")
        with scratch.open("w") as file:
            json.dump(told, file)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(self._journal)
        folder = os.open(self._journal.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Let another one write."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def next_of(self, place: str) -> int | None:
        """The offset behind the last record of `place` that is in the file; None if the journal knows nothing of it."""
        return self._offsets.get(place)

    @property
    def topics(self) -> set[str]:
        """The ids of the topics of which the journal knows any place."""
        return {place.rpartition("/")[0] for place in self._offsets}

    def append(self, rows: Sequence[str], offsets: Mapping[str, int]) -> None:
        """Append `rows`, or none; `offsets` are then in the file. After an error the same call is repeated and doubles nothing.

        Raises:
            UnavailableError: the volume is away or full.
        """
        try:
            if self._pending is None and not rows:
                self._offsets |= offsets
                self._write()
                return
            if self._pending is None:
                self._begin("".join(f"{row}\n" for row in rows), dict(offsets))
            self._finish()
        except OSError as failed:
            raise UnavailableError(f"{self._file}: {failed.strerror or failed}") from failed

    def _begin(self, rows: str, offsets: dict[str, int]) -> None:
        content_ends, size = self._end()
        pending = Pending(size, rows if content_ends else f"\n{rows}", offsets)  # somebody's last line may lack its end
        self._pending = pending
        try:
            self._write()
        except OSError:
            self._pending = None
            raise

    def _end(self) -> tuple[bool, int]:
        """Whether the file ends with a whole line, and its size."""
        with suppress(FileNotFoundError), self._file.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(-1, os.SEEK_END)
                return file.read(1) == b"\n", size
        return True, 0

    def _holds(self, rows: bytes) -> bool:
        """Whether the rows stand anywhere in the file; asked only after somebody changed it at the moment of a crash."""
        return self._file.exists() and rows in self._file.read_bytes()

    def _finish(self) -> None:
        pending = self._pending
        if pending is None:
            return
        done = begun(pending.rows.encode(), pending.size, self._file)
        if done is None and self._holds(pending.rows.lstrip("\n").encode()):
            log.info("somebody changed %s while the last rows were written; they are in it", self._file)
        elif done is None:
            log.info("somebody changed %s while the last rows were written; they follow at its end", self._file)
            self._pending = None
            self._begin(pending.rows.lstrip("\n"), pending.offsets)
            self._finish()
            return
        elif rest := pending.rows.encode()[done:]:
            with self._file.open("ab") as file:
                file.write(rest)
                file.flush()
                os.fsync(file.fileno())
        self._offsets |= pending.offsets
        self._pending = None
        self._write()
