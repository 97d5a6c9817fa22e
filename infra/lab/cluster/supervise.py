"""Keeps the cluster's parts running: starts them when what they need answers, restarts what dies, says so in a file."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.lab.cluster.parts import Part

LOG_LIMIT_BYTES = 10 * 1024 * 1024  # per part, twice: the current file and the one before
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
HEALTHY_S = 60.0  # a part that ran so long starts anew with the shortest pause


@dataclass(slots=True)
class Child:
    """One part and what happened to it so far."""

    part: Part
    pid: int = 0
    restarts: int = 0
    last_exit: str = ""
    since: float = 0.0
    due: float = 0.0
    pause_s: float = FIRST_PAUSE_S

    def record(self) -> dict[str, object]:
        """What the status file says about it."""
        return {
            "name": self.part.name,
            "pid": self.pid or None,
            "restarts": self.restarts,
            "last_exit": self.last_exit,
            "since": self.since,
        }


def ending(status: int) -> str:
    """A wait status in words."""
    if os.WIFSIGNALED(status):
        return f"signal {signal.Signals(os.WTERMSIG(status)).name}"
    return f"code {os.waitstatus_to_exitcode(status)}"


def limit_log(log: Path, limit_bytes: int = LOG_LIMIT_BYTES) -> None:
    """Move a log that has grown too long aside. Writers append, so emptying the file under them is safe."""
    with contextlib.suppress(OSError):  # not there yet, or no space for the old one: the parts matter more
        if log.stat().st_size > limit_bytes:
            log.with_suffix(".log.1").write_bytes(log.read_bytes())
            os.truncate(log, 0)


class Supervisor:
    """The parts of one cluster. Runs as PID 1 of their namespace, so it also reaps what others leave behind."""

    def __init__(
        self,
        parts: tuple[Part, ...],
        logs: Path,
        status: Path,
        env: Mapping[str, str],
        answers: Callable[[str], bool],
    ) -> None:
        """`answers` says whether the thing a part needs (`etcd`, `containerd`, `api`) is there."""
        self.children = [Child(part) for part in parts]
        self._logs = logs
        self._status = status
        self._env = dict(env)
        self._answers = answers
        self._there: set[str] = {""}
        self._stopping = False

    def write_status(self) -> None:
        """Write the status file in one move; a full disk must not end the parts."""
        scratch = self._status.with_suffix(".new")
        with contextlib.suppress(OSError):
            scratch.write_text(json.dumps({"parts": [child.record() for child in self.children]}))
            scratch.replace(self._status)

    def _spawn(self, child: Child) -> None:
        log = str(self._logs / f"{child.part.name}.log")
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        child.pid = os.posix_spawnp(
            child.part.argv[0],
            child.part.argv,
            self._env,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigdef=[signal.SIGPIPE, signal.SIGTERM],
            setsigmask=[],
        )
        child.since = time.time()

    def start_due(self) -> None:
        """Start every part that isn't running, whose pause is over and whose needs answer."""
        now = time.monotonic()
        changed = False
        for child in self.children:
            if child.pid or now < child.due:
                continue
            if child.part.needs not in self._there:
                if not self._answers(child.part.needs):
                    continue
                self._there.add(child.part.needs)
            try:
                self._spawn(child)
            except OSError as refused:
                self._ended(child, str(refused))
            changed = True
        if changed:
            self.write_status()

    def complete(self) -> bool:
        """Whether every part is running."""
        return all(child.pid for child in self.children)

    def reap(self) -> None:
        """Collect everything that has ended; plan the restart of parts among it."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for child in self.children:
                if child.pid == pid:
                    self._ended(child, ending(status))

    def _ended(self, child: Child, how: str) -> None:
        if time.time() - child.since > HEALTHY_S:
            child.pause_s = FIRST_PAUSE_S
        child.pid = 0
        child.last_exit = how
        child.since = time.time()
        child.due = time.monotonic() + child.pause_s
        child.pause_s = min(child.pause_s * 2, LONGEST_PAUSE_S)
        if not self._stopping:
            child.restarts += 1
        self.write_status()

    def limit_logs(self) -> None:
        """Keep every part's log short."""
        for child in self.children:
            limit_log(self._logs / f"{child.part.name}.log")

    def stop(self, name: str) -> None:
        """End one part: politely, then by force."""
        self._stopping = True
        for child in self.children:
            if child.part.name == name and child.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGTERM)
                self._await_end(child, child.part.stop_s)
                if child.pid:
                    os.kill(child.pid, signal.SIGKILL)
                    self._await_end(child, 2.0)

    def _await_end(self, child: Child, limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while child.pid and time.monotonic() < deadline:
            self.reap()
            time.sleep(0.02)
