"""One lab a machine: a lock that is held as long as the cluster runs and that names its owner."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.lab.cluster.layout import LOCK
from infra.lab.paths import ROOT

PATIENCE_S = 5.0  # somebody who only looks who the owner is holds the lock for a moment


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose lab runs on this machine: the user, the checkout it was started from, its state folder, the supervisor."""

    user: str
    checkout: str
    state: str
    pid: int
    since: float

    def __str__(self) -> str:
        """As it stands in messages."""
        return f"{self.user}'s lab from {self.checkout} (process {self.pid})"


def read(lock: Path = LOCK) -> Owner | None:
    """The owner of the running lab, or None when none runs (a file left by a killed one is held by nobody)."""
    try:
        with lock.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Owner(**json.loads(file.read()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return None


class Lock:
    """Holds the machine's one lab. The kernel lets go of it when the process ends, however it ends."""

    def __init__(self, lock: Path = LOCK) -> None:
        """Nothing is held yet."""
        self._path = lock
        self._handle = -1

    def take(self, state: Path) -> bool:
        """Take it for this process and write down the owner; False when another holds it."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                same = os.fstat(handle).st_ino == self._path.stat().st_ino
            except (BlockingIOError, FileNotFoundError):
                same = False
            if same:
                user = os.environ.get("SUDO_USER") or getpass.getuser()
                owner = Owner(user, str(ROOT), str(state), os.getpid(), time.time())
                os.truncate(handle, 0)
                os.write(handle, json.dumps(asdict(owner)).encode())
                self._handle = handle
                return True
            os.close(handle)
            time.sleep(0.05)
        return False

    def release(self) -> None:
        """Let go and leave no file."""
        if self._handle >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = -1
