"""A machine's stages as seen from outside: how far it is, and waiting for the end over lost connections and reboots."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn, TypeVar

from infra.cloud.gate_errors import (
    CommandError,
    DiskFullError,
    LateError,
    LostError,
    RefusedError,
    StageFailedError,
    UnreachableError,
    last_lines,
)
from infra.cloud.gate_ssh import BRIEF_S, PATIENCE_S, Door, Session, session, well

T = TypeVar("T")
Report = Callable[[str], None]  # a line of progress; what it raises ends the wait

MOST_LOST = 30  # connections in one wait: beyond that the machine dies of what is asked, or boots in a circle
GRACE_S = 30.0  # after the first answer: sshd may be there before its keys are
SHORTEST_S, LONGEST_S, MORE = 0.1, 3.0, 1.3  # between two looks
RESTARTS = 3  # of stages that nothing runs any more, without one of them getting done
BEGINS_WITHIN_S = 10.0  # a start of the stages; systemd's own check of their hashes comes first
FULL_MB = 100  # a disk with less than this to write is full
IN_MINUTES_S = 120
NO_SPACE = "No space left on device"
UNIT = "iotlab-stages.service"


@dataclass(frozen=True, slots=True)
class StageNow:
    """One stage of a machine as of now."""

    number: int
    name: str
    state: str  # waiting, running, done, failed, interrupted
    since: str
    seconds: float | None
    exit_code: int | None
    log: tuple[str, ...]
    remedy: str


@dataclass(frozen=True, slots=True)
class StagesNow:
    """A machine's stages as of now; none as long as cloud-init has not laid them down."""

    machine: str
    state: str
    done: int
    of: int
    running: bool  # whether a run goes on
    stages: tuple[StageNow, ...]

    @property
    def current(self) -> StageNow | None:
        """The first stage that is not done."""
        return next((stage for stage in self.stages if stage.state != "done"), None)

    @property
    def told(self) -> str:
        """As one line."""
        if self.current:
            return f"stage {self.current.number} of {self.of}, {self.current.name}, {self.current.state}"
        return f"all {self.of} stages done" if self.of else "no stages yet: cloud-init has not laid them down"


@dataclass(frozen=True, slots=True)
class Room:
    """A disk, and what is left of it."""

    size_mb: int
    left_mb: int

    @property
    def full(self) -> bool:
        """Whether stages would fail for it."""
        return self.left_mb < FULL_MB

    @property
    def told(self) -> str:
        """How full it is."""
        return f"{self.left_mb} MB of {self.size_mb / 1024:.0f} GB are left"


def room(session: Session) -> Room:
    """How full the machine's disk is.

    Raises:
        CommandError: it can't say.
    """
    size_mb, left_mb = well(session, "df --output=size,avail -BM / | tail -n 1").out.replace("M", "").split()
    return Room(int(size_mb), int(left_mb))


def stages(session: Session) -> StagesNow:
    """How far the machine is.

    Raises:
        LostError: the connection broke off.
        CommandError: the machine does not answer as ours do.
    """
    said = session.run("sudo -n lab-stage status --json", within_s=BRIEF_S)
    if "not found" in said.err:
        return StagesNow(session.door.address, "waiting", 0, 0, running=False, stages=())
    try:
        told = json.loads(said.out)
        found = tuple(
            StageNow(
                entry["n"],
                entry["name"],
                entry["state"],
                entry["since"] or "",
                entry["seconds"],
                entry["exit_code"],
                tuple(entry["log"]),
                entry["remedy"],
            )
            for entry in told["stages"]
        )
        runs = bool(told.get("running", told["state"] == "running"))
        return StagesNow(told["machine"], told["state"], told["done"], told["of"], runs, found)
    except (ValueError, KeyError, TypeError) as strange:
        lines, where = last_lines([*said.out.splitlines(), *said.err.splitlines()]), session.door.where
        raise CommandError(f"lab-stage at {where} gave no answer, {lines}; log in: sudo lab-stage status.") from strange


def minutes(seconds: float) -> str:
    """A time for people."""
    return f"{seconds / 60:.0f} min" if seconds >= IN_MINUTES_S else f"{seconds:.0f} s"


def _pause(pause_s: float) -> float:
    time.sleep(pause_s)
    return min(pause_s * MORE, LONGEST_S)


def steadily(door: Door, within_s: float, report: Report, act: Callable[[Session], T]) -> T:
    """Do something on the machine, again if the connection breaks off; within the time the machine has to be reached.

    Raises:
        UnreachableError: it did not answer in time.
        WrongHostKeyError: another machine answers.
        RefusedError: it does not take our key, nor a little later.
    """
    began, answered, pause_s, lost = time.monotonic(), 0.0, SHORTEST_S, 0
    while True:
        left_s = began + within_s - time.monotonic()
        try:
            with session(door, patience_s=min(max(left_s, 1), PATIENCE_S)) as here:
                began = time.monotonic()  # reached: a connection that is lost is looked for as long again
                return act(here)
        except RefusedError:
            answered = answered or time.monotonic()
            if left_s < 0 or time.monotonic() > answered + GRACE_S:
                raise
            report(f"{door.where} answers and does not take our key yet")
        except LostError as away:
            lost += 1
            if lost >= MOST_LOST:
                raise LostError(f"{str(away).removesuffix('.')}; {lost} connections were lost one after the other.") from away
            report(f"{door.where} was lost {lost} times")
        except UnreachableError as away:
            if left_s < 0:
                tried = f"tried for {minutes(within_s)} (iotlab:cloud.reachableWithinMin)"
                raise UnreachableError(f"{str(away).removesuffix('.')}; {tried}.") from away
            report(f"{door.where} does not answer, {time.monotonic() - began:.0f} s")
        pause_s = _pause(pause_s)


def start_stages(session: Session) -> None:
    """Let the machine run what is not done; a run that goes on is left alone.

    Raises:
        CommandError: systemd refused.
    """
    well(session, f"sudo -n systemctl start --no-block {UNIT}")


@dataclass(slots=True)
class _Watch:
    """What a wait knows beyond one connection."""

    door: Door
    within_s: float
    report: Report
    began: float = field(default_factory=time.monotonic)
    now: StagesNow | None = None
    before: tuple[str, str] | None = None  # the stage that had failed before we came, and when it began
    started_at: float = 0.0
    starts: int = 0

    def late(self) -> bool:
        return time.monotonic() > self.began + self.within_s

    def look(self, here: Session) -> bool:
        """Look once, and start what stands still; whether every stage is done.

        Raises:
            StageFailedError: one failed, by a run of our time.
            DiskFullError: the machine has no room to go on.
            LateError: the time is over.
        """
        first, done_before = self.now is None, self.now.done if self.now else 0
        self.now = now = stages(here)
        self.report(f"{now.told}, {time.monotonic() - self.began:.0f} s")
        if now.state == "done":
            return True
        if now.done > done_before:
            self.starts = 0
        if not now.running and now.of:
            self._stands_still(here, now, first=first)
        if self.late():
            self.too_late(here)
        return False

    def _stands_still(self, here: Session, now: StagesNow, *, first: bool) -> None:
        current = now.current
        if current and current.state == "failed":
            if first:
                self.before = (current.name, current.since)
            if self.before != (current.name, current.since):
                self._fail(here, now)
        if time.monotonic() < self.started_at + BEGINS_WITHIN_S and self.starts:
            return
        if current and current.state in {"failed", "interrupted"}:
            self._full(here, f"the stage {current.name}", sure=False)
        if self.starts >= RESTARTS:
            self._fail(here, now)
        start_stages(here)
        self.started_at, self.starts = time.monotonic(), self.starts + 1

    def _full(self, here: Session, doing: str, *, sure: bool) -> None:
        left = room(here)
        if sure or left.full:
            raise DiskFullError(self._name, doing, left.told)

    @property
    def _name(self) -> str:
        return f"{self.now.machine} ({self.door.address})" if self.now else self.door.address

    def _fail(self, here: Session, now: StagesNow) -> NoReturn:
        current = now.current
        if current and current.state == "failed":
            self._full(here, f"the stage {current.name}", sure=any(NO_SPACE in line for line in current.log))
            raise StageFailedError(self._name, current.name, current.log, current.remedy)
        said = here.run(f"sudo -n journalctl --unit {UNIT} --lines 5 --output cat --no-pager", within_s=BRIEF_S)
        raise CommandError(
            f"{UNIT} of the machine {self._name} does not run, {last_lines(said.out.splitlines())}; log in: "
            "sudo systemctl status iotlab-stages says why, sudo lab-stage run goes on."
        )

    def too_late(self, here: Session | None = None, lost: str = "") -> NoReturn:
        """The time is over."""
        current = self.now.current if self.now else None
        if here and current:
            self._full(here, f"the stage {current.name}", sure=False)
        stood = f"{self.now.told}, {last_lines(current.log if current else ())}" if self.now else "it never said how far it was"
        raise LateError(
            f"the machine {self._name} is not ready within {minutes(self.within_s)}: {stood}{lost}; it goes on by itself: "
            "./lab up waits again, iotlab:cloud.readyWithinMin says for how long."
        )


def wait_for_stages(door: Door, within_s: float, report: Report) -> StagesNow:
    """Wait until every stage is done, over lost connections and reboots; what stands still is started again.

    A stage that had failed before is given one more try.

    Raises:
        StageFailedError: a stage failed.
        DiskFullError: the machine has no room to go on.
        LateError: the time is over.
        WrongHostKeyError, RefusedError: it is not the machine that it was.
    """
    watch, pause_s = _Watch(door, within_s, report), SHORTEST_S
    while True:
        try:
            with session(door) as here:
                while not watch.look(here):
                    pause_s = _pause(pause_s)
                return stages(here) if watch.now is None else watch.now
        except UnreachableError as away:
            if watch.late():
                watch.too_late(lost=f"; just now {away}".removesuffix("."))
            report(f"no connection ({away}): again")
            pause_s = _pause(pause_s)
