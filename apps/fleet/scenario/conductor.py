"""The whole run: starts the counter and the processes of clients, leads them through the stages, and says what became of it."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from fleet.answers import for_good
from fleet.scenario.figures import COUNTER, Figures
from fleet.scenario.plan import Plan
from fleet.scenario.talk import STOP, Words, say
from fleet.scenario.verdict import Books

READY_S: Final = 120.0  # for Python, numpy and the counter's subscriptions, on a busy machine
STILL_S: Final = 30.0  # without anything new in a stage that is late, and it is given up
ENDED_S: Final = 120.0  # for the last acknowledgements and messages
EVERY_S: Final = 1.0


class RunError(Exception):
    """The run cannot go on; the message is one sentence."""


class Player:
    """One process of the run."""

    def __init__(self, name: str, words: list[str], told: queue.SimpleQueue[tuple[str, dict[str, Any]]]) -> None:
        """Start it; what it says comes into `told`, and at its end that it has gone."""
        self.name = name
        self._told = told
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fleet.scenario", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self.pid = self._process.pid
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        if self._process.stdout is None:
            return
        for line in self._process.stdout:
            if line.endswith(b"\n"):  # else it was killed in the middle of the word
                self._told.put((self.name, msgspec.json.decode(line)))
        self._told.put((self.name, {"kind": "gone", "code": self._process.wait()}))

    def tell(self, word: str) -> None:
        """One word; one that has gone is told nothing."""
        try:
            if self._process.stdin is not None:
                self._process.stdin.write(f"{word}\n".encode())
        except BrokenPipeError:
            return

    def close(self) -> None:
        """End it, gently first: the end of its input means stop."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Conductor:
    """One run of a plan in `file`."""

    def __init__(self, plan: Plan, file: Path, words: Words) -> None:
        """Nothing starts before `run`."""
        self._plan, self._file, self._words = plan, file, words
        self._told: queue.SimpleQueue[tuple[str, dict[str, Any]]] = queue.SimpleQueue()
        self._players: dict[str, Player] = {}
        self._figures = Figures(plan)
        self._heard: dict[str, set[str]] = {}  # kinds of news, by who has told them
        self._ended: dict[str, dict[str, Any]] = {}
        self._stage_ended: set[str] = set()
        self._said_s = 0.0
        self._stopped = False

    def run(self) -> dict[str, Any]:
        """Carry it out; what became of it.

        Raises:
            RunError: it could not begin.
        """
        try:
            self._start(COUNTER, COUNTER)
            names = [f"clients {number + 1}" for number in range(self._plan.processes)]
            for number, name in enumerate(names):
                self._start(name, "clients", str(number))
            self._until(self._all_ready, READY_S, lambda: "the run could not begin")
            say("begun", pids={name: player.pid for name, player in self._players.items()})
            why = self._lead(names)
            self._end(names)
            self._end([COUNTER])
            return self._result(names, why)
        finally:
            for player in self._players.values():
                player.close()

    def _start(self, name: str, *words: str) -> None:
        self._players[name] = Player(name, [str(self._file), *words], self._told)
        self._heard[name] = set()

    def _news(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What the processes tell within a moment; the words for this process and the progress are dealt with meanwhile."""
        if self._words.next() == STOP:
            self._stopped = True
        now_s = time.monotonic()
        if self._figures.begun and now_s >= self._said_s + EVERY_S:
            self._said_s = now_s
            say("progress", **self._figures.sample())
        until_s = now_s + 0.1
        while (left_s := until_s - time.monotonic()) > 0.0:
            try:
                name, news = self._told.get(timeout=left_s)
            except queue.Empty:
                return
            yield name, news

    def _listen(self) -> None:
        for name, news in self._news():
            kind = news["kind"]
            self._heard[name].add(kind)
            if kind == "progress":
                self._figures.take(name, news)
            elif kind == "stage":
                self._figures.connected(news["connects_s"])
                self._stage_ended.add(name)
            elif kind == "ended":
                self._ended[name] = news
            elif kind == "failed":
                raise RunError(news["why"])
            elif kind == "gone" and name not in self._ended:
                raise RunError(f"the process of {name} ended with code {news['code']} in the middle of the run")

    def _until(self, true: Callable[[], bool], within_s: float, what: Callable[[], str]) -> None:
        until_s = time.monotonic() + within_s
        while not true():
            self._listen()
            if time.monotonic() > until_s:
                reasons = ", ".join(sorted(self._figures.refused))
                raise RunError(f"{what()} within {within_s:.0f} s{f': {reasons}' if reasons else ''}")

    def _all_ready(self) -> bool:
        if refused := for_good(self._figures.refused):
            raise RunError(refused)
        return self._stopped or all("ready" in heard for heard in self._heard.values())

    def _lead(self, names: list[str]) -> str:
        """Through all stages; why it ended early, or nothing."""
        for number, stage in enumerate(self._plan.stages):
            if self._stopped:
                break
            self._stage_ended = set()
            self._figures.begin(stage)
            for name in names:
                self._players[name].tell(str(number))
            late_s = time.monotonic() + max(cycle.lasts_s for cycle in stage.cycles)
            while len(self._stage_ended) < len(names) and not self._stopped:
                self._listen()
                if self._figures.still_s > STILL_S and time.monotonic() > late_s + STILL_S:
                    return f"the stage '{stage.name}' stands still: {self._figures.state()}"
                if refused := for_good(self._figures.refused):
                    return refused
            self._figures.end()
        return "stopped" if self._stopped else ""

    def _end(self, names: list[str]) -> None:
        for name in names:
            self._players[name].tell(STOP)
        self._until(lambda: not self._left(names), ENDED_S, lambda: f"{', '.join(self._left(names))} did not end")

    def _left(self, names: list[str]) -> list[str]:
        return [name for name in names if name not in self._ended]

    def _result(self, names: list[str], why: str) -> dict[str, Any]:
        books = Books([self._ended[name]["sent"] for name in names], self._ended[COUNTER]["arrivals"])
        heard = sum(self._ended[name]["heard"] for name in names)
        return self._figures.result(books.by_qos(self._plan)) | {"ended_early": why, "heard_by_subscribers": heard}
