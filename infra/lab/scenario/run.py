"""Carries a plan out: starts apps/fleet/scenario on this machine, shows how far it is, and ends it cleanly on Ctrl-C."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from infra.lab.errors import LabError, UserError, last_line
from infra.lab.paths import ROOT
from infra.lab.scenario.parts import Parts

APPS = ROOT / "apps"
News = dict[str, Any]


class Program:
    """A program of apps/ that says one JSON object a line; the end of its input means stop."""

    def __init__(self, module: str, words: list[str], log: Path) -> None:
        """Start it, in a session of its own: Ctrl-C is for this process, which tells it."""
        self._log = log
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=os.environ | {"PYTHONPATH": str(APPS)},
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._said: queue.SimpleQueue[News | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            self._said.put(json.loads(line))
        self._said.put(None)

    def stop(self) -> None:
        """Tell it to end."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()

    def news(self) -> Iterator[News]:
        """What it says until its end.

        Raises:
            LabError: it fails; with its last sentence.
            UserError: what it was given cannot be.
        """
        while (said := self._said.get()) is not None:
            if said["kind"] == "refused":
                raise UserError(f"{said['why'].rstrip('.')}.")
            if said["kind"] == "failed":
                raise LabError(f"{said['why'].rstrip('.')}.")
            yield said
        if self._process.wait():
            raise LabError(f"the run ended: {last_line(self._log.read_text(errors='replace'))} (log: {self._log}).")

    def close(self) -> None:
        """End it, whatever it does."""
        self.stop()
        try:
            self._process.wait(15.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def program(module: str, words: list[str], log: Path, interrupted: Callable[[], None]) -> Iterator[Program]:
    """One that has ended when the body has; the first Ctrl-C tells it to stop, a second one does not wait any longer."""
    started = Program(module, words, log)

    def on_ctrl_c(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        started.stop()
        interrupted()

    before = signal.signal(signal.SIGINT, on_ctrl_c)
    try:
        yield started
    finally:
        signal.signal(signal.SIGINT, before)
        started.close()


def carry_out(plan: News, folder: Path, show: Callable[[News], None], interrupted: Callable[[], None]) -> News:
    """Run it; `show` gets each progress, `folder` the plan and a log. What became of it, with what each part took.

    Raises:
        LabError: it could not begin, or ended without a result.
    """
    file = folder / "plan.json"
    file.write_text(json.dumps(plan, indent=1) + "\n")
    parts = Parts()
    with program("fleet.scenario", [str(file)], folder / "run.log", interrupted) as running:
        for news in running.news():
            match news["kind"]:
                case "begun":
                    parts.watch({"conductor": running.pid} | news["pids"])
                case "progress":
                    parts.sample(news["at_s"])
                    show(news)
                case "result":
                    return {name: value for name, value in news.items() if name != "kind"} | {"parts": parts.as_json()}
    raise LabError(f"the run ended without a result (log: {folder / 'run.log'}).")
