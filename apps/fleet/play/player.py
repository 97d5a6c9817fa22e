"""Plays a file: a session for each device that it has, rows in their order and at an even rate.

QoS 1 by default; nothing is thrown away while a broker is away: the next row waits until its device has room again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from runtime.mqtt import MQTT_5

from fleet.answers import for_good
from fleet.herd import Publication
from fleet.limits import raise_files
from fleet.network import Network
from fleet.play.plan import PlayPlan
from fleet.play.rows import FileError, Row, rows
from fleet.rules import Rules
from fleet.scenario.talk import STOP, Words, say
from fleet.session import Session
from fleet.shards import Host, shard_of
from fleet.tally import Tally
from fleet.wire import Route

TICK_S: Final = 0.01
MOST_DEVICES: Final = 15_000  # files of this process
KEPT: Final = 1000  # messages of a device that are not acknowledged
KEEPALIVE_S: Final = 60
CONNECT_S: Final = 60.0
LAST_S: Final = 30.0  # for the last acknowledgements
PROGRESS_S: Final = 1.0


class PlayError(Exception):
    """The file is right and cannot be played to those brokers; the message is one sentence."""


class Player:
    """One file."""

    def __init__(self, plan: PlayPlan) -> None:
        """Read the file once, whole.

        Raises:
            FileError: it cannot be played; nothing was sent.
            ConfigurationError: no password, or too few files.
        """
        self._plan, self._file = plan, Path(plan.file)
        self._tally = Tally()
        self._network = Network(Route(Host(plan.host), tuple(plan.ports)), self._tally, 2000.0, 1)
        rules = Rules(plan.devices.login(MQTT_5, KEEPALIVE_S), KEPT, self._tally)
        names = dict.fromkeys(self._name(row) for row in rows(self._file))
        if not names:
            raise FileError(f"{self._file} has no rows")
        if len(names) > MOST_DEVICES:
            raise FileError(f"{self._file} has {len(names)} devices, and {MOST_DEVICES} can be played at once; split it")
        if taken := sorted(names.keys() & set(plan.taken)):
            raise FileError(
                f"{self._file} has readings of {taken[0]}, which is one of the lab's own simulated devices; "
                "take those out (./lab fleet remove), or give it another name"
            )
        raise_files(len(names))
        self._sessions = {name: Session(name, shard_of(name, len(plan.ports)), rules) for name in names}
        self._rounds, self._begun_s = 0, 0.0

    def _name(self, row: Row) -> str:
        match row.kind:
            case "car":
                return row.device
            case "fan":
                return self._plan.fan.format(number=row.device)
            case "iotkit":
                sensor = int(row.device)
                return self._plan.board.format(high=sensor >> 8 & 255, low=sensor & 255)

    def run(self, words: Words) -> dict[str, Any]:
        """Play until the end of the file, or of the words if it is a loop; what was sent.

        Raises:
            PlayError: not all of its devices could connect; nothing was sent.
        """
        stopped = self._connect(words)
        self._begun_s = time.monotonic()
        stopped = stopped or self._play(words)
        until_s = time.monotonic() + LAST_S
        while not stopped and time.monotonic() < until_s and any(session.kept for session in self._sessions.values()):
            stopped = self._go_on(words)
        took_s, connected = time.monotonic() - self._begun_s, self._tally.connected
        self._network.say_goodbye(list(self._sessions.values()))
        rate_msg_s = round(self._tally.sent / max(took_s, 1e-3), 1)
        return self._figures() | {"connected": connected, "rounds": self._rounds, "rate_msg_s": rate_msg_s}

    def _connect(self, words: Words) -> bool:
        """All devices; whether the words said to stop."""
        for session in self._sessions.values():
            self._network.join(session)
        until_s = time.monotonic() + CONNECT_S
        while self._tally.connected < len(self._sessions):
            if self._go_on(words):
                return True
            if refused := for_good(self._tally.refused):
                raise PlayError(refused)
            if time.monotonic() > until_s:
                reasons = ", ".join(sorted(self._tally.refused)) or "no answer"
                raise PlayError(
                    f"within {CONNECT_S:.0f} s {self._tally.connected} of {len(self._sessions)} devices could connect: {reasons}"
                )
        return False

    def _play(self, words: Words) -> bool:
        """Send; whether the words said to stop. Brokers and words are heard every `TICK_S`, also where rows are late."""
        due_s, said_s, heard_s = time.monotonic(), 0.0, 0.0
        for row in self._rows():
            session = self._sessions[self._name(row)]
            while (now_s := time.monotonic()) < due_s or session.kept >= KEPT or now_s > heard_s + TICK_S:
                if self._go_on(words):
                    return True
                heard_s = time.monotonic()
                if now_s >= said_s + PROGRESS_S:
                    said_s = now_s
                    say("progress", **self._figures())
            topic = self._plan.topics[row.kind].format(name=session.client_id)
            session.publish(Publication(topic, row.payload(time.time()), self._plan.qos), now_s)
            due_s = max(due_s + 1.0 / self._plan.rate_msg_s, now_s - PROGRESS_S)  # what is late by more is not caught up on
        return False

    def _rows(self) -> Iterator[Row]:
        while True:
            yield from rows(self._file)
            self._rounds += 1
            if not self._plan.loop:
                return

    def _go_on(self, words: Words) -> bool:
        self._network.advance(time.monotonic())
        self._network.serve(min(TICK_S, 0.5 / self._plan.rate_msg_s))
        return words.next() == STOP

    def _figures(self) -> dict[str, Any]:
        tally = self._tally
        counts = {name: getattr(tally, name) for name in ("sent", "acked", "dropped", "rejected", "resent", "connected")}
        return {"devices": len(self._sessions), "at_s": round(time.monotonic() - self._begun_s, 1)} | counts
