"""What the recipes share: the folders, the steps, and a way to clear up."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra.lab.console import Steps
from infra.lab.paths import Paths
from infra.lab.toolchain.store import Source


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where parts are made; `go` says which Go to build with, and fetches one if it must."""

    paths: Paths
    steps: Steps
    go: Callable[[], Path]

    def remove(self, *folders: Path) -> None:
        """Delete what a finished part doesn't need."""
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


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
