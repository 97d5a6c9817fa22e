"""What a person sees of long work: one line a step, what it does, how long, and how long the last time took."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from rich.console import Console
from rich.markup import escape

from infra.lab.errors import LabError, last_line
from infra.lab.paths import Paths

console = Console(stderr=True, highlight=False, emoji=False)  # iotlab:cloud is a key, no picture
WORTH_TELLING_S = 2.0


class Steps:
    """Runs named steps, shows them, and remembers in the state folder how long each took.

    Steps may run in several threads at once: a terminal has one line that names them all.
    """

    def __init__(self, paths: Paths) -> None:
        """`paths` says where the logs and the remembered durations live."""
        self.paths = paths
        self._durations_file = paths.state / "durations.json"
        self._changing = Lock()
        self._running: dict[str, str] = {}
        self._line = console.status("")

    def _durations(self) -> dict[str, float]:
        try:
            loaded = json.loads(self._durations_file.read_text())
        except (OSError, ValueError):
            return {}
        return {str(name): float(seconds) for name, seconds in loaded.items()}

    def _remember(self, name: str, seconds: float) -> None:
        durations = self._durations() | {name: round(seconds, 1)}
        self._durations_file.parent.mkdir(parents=True, exist_ok=True)
        scratch = self._durations_file.with_suffix(f".{os.getpid()}")
        scratch.write_text(json.dumps(durations, indent=1, sort_keys=True))
        scratch.replace(self._durations_file)

    def _show(self, name: str, text: str | None) -> None:
        """Put `name` on the terminal's line with `text`, or take it off."""
        with self._changing:
            if text is None:
                self._running.pop(name, None)
            else:
                self._running[name] = text
            if not console.is_terminal:
                return
            self._line.update("   ".join(self._running.values()))
            if self._running:
                self._line.start()
            else:
                self._line.stop()

    def _hint(self, name: str) -> str:
        last = self._durations().get(name, 0.0)
        return f" [dim](last time {last:.0f} s)[/]" if last >= WORTH_TELLING_S else ""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show `name` while the body runs, then how long it took, or that it failed."""
        text = f"{escape(name)}{self._hint(name)}"
        if not console.is_terminal:
            console.print(f"… {text}")
        started = time.monotonic()
        self._show(name, text)
        try:
            yield
        except BaseException:
            self._show(name, None)
            console.print(f"[red]✗[/] {escape(name)} [dim]{time.monotonic() - started:.1f} s[/]")
            raise
        self._show(name, None)
        seconds = time.monotonic() - started
        console.print(f"[green]✓[/] {escape(name)} [dim]{seconds:.1f} s[/]")
        with self._changing:
            self._remember(name, seconds)

    def say(self, name: str, detail: str) -> None:
        """Show what the running step `name` is at, on a terminal; a log gets the steps only."""
        if name in self._running:
            self._show(name, f"{escape(name)}{self._hint(name)} [dim]{escape(detail)}[/]")

    def log_file(self, name: str) -> Path:
        """Where `run` writes what the command of the step `name` says."""
        return self.paths.logs / f"{'-'.join(name.lower().split())}.log"

    def run(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Path:
        """Run `command` with its output in a log file of its own and return that file.

        Raises:
            LabError: the command failed; the message names the step, the command, the log and its last line.
        """
        self.paths.logs.mkdir(parents=True, exist_ok=True)
        log = self.log_file(name)
        words = [str(word) for word in command]
        with log.open("w") as output:
            try:
                done = subprocess.run(
                    words,
                    cwd=cwd,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=timeout_s,
                    check=False,
                )
            except OSError as failed:
                raise LabError(f"{name}: the program {words[0]} {_why_not(words[0], env or os.environ, failed)}.") from failed
            except subprocess.TimeoutExpired as late:
                raise LabError(f"{name}: no end after {timeout_s:.0f} s: {' '.join(words)} (log: {log}).") from late
        if done.returncode:
            last = last_line(log.read_text(errors="replace"), "no output")
            raise LabError(f"{name} failed with code {done.returncode}: {last}\n  command: {' '.join(words)}\n  log: {log}")
        return log


def _why_not(program: str, env: Mapping[str, str], failed: OSError) -> str:
    """Why the system did not run `program`; with a closed folder on PATH it says «Permission denied» of one that is nowhere."""
    return "is missing" if shutil.which(program, path=env.get("PATH")) is None else f"cannot be run: {failed.strerror}"
