"""What the recipes share: the folders, the steps, and a way to clear up."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Protocol

from infra.lab.console import Steps
from infra.lab.paths import Paths
from infra.lab.toolchain.store import Source

FOLLOW_S = 1.0
TAIL_BYTES = 2048
LINE_LIMIT = 60


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where the parts of one step are made; `go` says which Go to build with, and fetches one if it must."""

    paths: Paths
    steps: Steps
    step: str
    go: Callable[[], Path]

    def remove(self, *folders: Path) -> None:
        """Delete what a finished part doesn't need."""
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def following(self, log: Path) -> Iterator[None]:
        """While the body runs, show beside the step what the log came to."""
        done = Event()

        def show() -> None:
            while not done.wait(FOLLOW_S):
                if line := last_line(log):
                    self.steps.say(self.step, line)

        follower = Thread(target=show, daemon=True)
        follower.start()
        try:
            yield
        finally:
            done.set()
            follower.join()


def last_line(log: Path) -> str:
    """The last whole line of a file that grows, cut to fit beside a step."""
    try:
        with log.open("rb") as data:
            data.seek(max(0, log.stat().st_size - TAIL_BYTES))
            lines = data.read().decode(errors="replace").splitlines(keepends=True)
    except OSError:
        return ""
    whole = [line.strip() for line in lines if line.endswith("\n") and line.strip()]
    return whole[-1][:LINE_LIMIT] if whole else ""


class Recipe(Protocol):
    """One way to make a part or a piece of it."""

    def fingerprint(self) -> str:
        """Everything that the result depends on; a change makes the part anew."""
        ...

    def make(self, into: Path, work: Workshop) -> tuple[Source, ...]:
        """Put programs into `into/bin`; return the archives they come from.

        Raises:
            LabError: it could not be made; names the step, the command and the log.
        """
        ...
