"""How the processes of a run talk: words on standard input, whose end means stop; one JSON object a line on standard output."""

from __future__ import annotations

import os
import queue
import sys
import threading
from typing import Any, Final

import msgspec

STOP: Final = "stop"


def say(kind: str, **what: Any) -> None:
    """Tell whoever started this process."""
    sys.stdout.buffer.write(msgspec.json.encode({"kind": kind} | what) + b"\n")
    sys.stdout.buffer.flush()


class Words:
    """What this process is told to do, read by a thread so that nobody waits for it."""

    def __init__(self) -> None:
        """Begin to listen."""
        self._told: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._stopped = False
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        rest = b""
        while data := os.read(sys.stdin.fileno(), 4096):  # not by sys.stdin, whose lock a thread may hold when Python ends
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._told.put(line.decode())
        self._told.put(STOP)

    def next(self) -> str | None:
        """The next word, None if there is none yet; once it was told to stop, nothing else."""
        if self._stopped:
            return STOP
        try:
            word = self._told.get_nowait()
        except queue.Empty:
            return None
        self._stopped = word == STOP
        return word
