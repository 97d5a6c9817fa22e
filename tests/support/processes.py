"""Real processes for tests: started, killed and restarted by pid, with their output in a file of their own."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

FIRST_PORT = 15_000  # of 14,000, all below the ports that clients get


def free_port() -> int:
    """A port of loopback that nobody listens on.

    Not one that the system would choose: while a server is down, a client that tries to reconnect could get its port.
    """
    while True:
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", FIRST_PORT + secrets.randbelow(14_000)))
            return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether something listens on `port`."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False


def wait_until(what: str, true: Callable[[], bool], timeout_s: float = 30.0, pause_s: float = 0.05) -> None:
    """Wait, looking every `pause_s`; fail with `what` if it does not come true in time."""
    until_s = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > until_s:
            pytest.fail(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(pause_s)


def end_all(processes: Sequence[psutil.Process]) -> None:
    """End processes that a test's program left and that nobody else would end."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(list(processes), timeout=10)


class Process:
    """One program. It starts anew with the same arguments after it was ended."""

    def __init__(self, name: str, words: Sequence[str | Path], folder: Path, env: Mapping[str, str] | None = None) -> None:
        """`folder` is its working folder and gets its log."""
        self.name = name
        self.log = folder / f"{name}.log"
        self._words = [str(word) for word in words]
        self._folder = folder
        self._env = {**os.environ, **(env or {})}
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as output:
            self._running = subprocess.Popen(
                self._words, cwd=self._folder, env=self._env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._running is not None and self._running.poll() is None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._running is not None, f"{self.name} was not started"
        return self._running.pid

    def memory_mb(self) -> int:
        """Its memory at its highest, MB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM"))

    def _end(self, number: signal.Signals, timeout_s: float) -> int:
        assert self._running is not None, f"{self.name} was not started"
        self._running.send_signal(number)
        return self._running.wait(timeout_s)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """SIGSTOP while the body runs: its connections stay, and it says nothing."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill -9."""
        self._end(signal.SIGKILL, 60.0)  # a process that a busy machine lets starve takes its time to end

    def terminate(self, timeout_s: float = 30.0) -> int:
        """SIGTERM; its exit code."""
        return self._end(signal.SIGTERM, timeout_s)

    def close(self) -> None:
        """End it if it runs, gently first."""
        if not self.alive:
            return
        try:
            self.terminate(10.0)
        except subprocess.TimeoutExpired:
            self.kill()

    def wait_for_port(self, port: int, timeout_s: float = 30.0) -> None:
        """Wait until it listens on `port`; fail with the end of its log if it ended instead."""
        wait_until(f"{self.name} listens on {port}", lambda: not self.alive or answers(port), timeout_s)
        if not self.alive:
            pytest.fail(f"{self.name} ended at once: {self.log.read_text(errors='replace')[-2000:]}")
