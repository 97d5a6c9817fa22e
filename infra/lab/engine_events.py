"""What the engine tells while it works, as progress for a person, and what failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pulumi import automation

Report = Callable[[str], None]
Told = Callable[[str, str, str], None]  # type of a resource, its name, and the line that its plugin says of it


ONE_ERROR = "1 error occurred: * "  # the engine's own heading over what a plugin recorded as not ready


def silent(_kind: str, _name: str, _line: str) -> None:
    """Nobody listens."""


class Watcher:
    """Turns the engine's events into one line of progress and keeps what failed."""

    def __init__(self, report: Report, told: Told = silent) -> None:
        """`told` hears of each resource that was made, and what its plugin says meanwhile."""
        self._report = report
        self._told = told
        self._done = 0
        self.planning = False  # a preview says the same, and nothing of it has happened
        self.failed: list[str] = []

    def see(self, event: automation.EngineEvent) -> None:
        """Take one event in."""
        if event.resource_pre_event:
            name = event.resource_pre_event.metadata.urn.rsplit("::", 1)[-1]
            self._report(f"{self._done} done, now {name}")
            self._tell(event.resource_pre_event.metadata, begins=True)
        elif event.res_outputs_event:
            self._done += 1
            self._tell(event.res_outputs_event.metadata, begins=False)
        elif event.diagnostic_event:
            self._hear(event.diagnostic_event)

    def _tell(self, step: automation.StepEventMetadata, *, begins: bool) -> None:
        doing = plain(step.op)
        if not self.planning and doing not in {"same", "refresh", "read"}:
            self._told(step.type, step.urn.rsplit("::", 1)[-1], f"{doing}{'' if begins else ' done'}")

    def _hear(self, said: automation.DiagnosticEvent) -> None:
        kind, _, name = (said.urn or "").rpartition("::")
        text = " ".join(said.message.split()).removeprefix(ONE_ERROR)
        if said.severity == "error":
            self.failed.append(f"{name}: {text}" if name else text)
        elif said.ephemeral and name and not self.planning:
            self._told(kind.rsplit("::", 1)[-1].rsplit("$", 1)[-1], name, text)

    def why(self) -> str:
        """The first thing that went wrong."""
        return self.failed[0] if self.failed else ""


def plain(kind: object) -> str:
    """An operation by its plain name."""
    return str(getattr(kind, "value", kind))


def counts(changes: Mapping[Any, int]) -> dict[str, int]:
    """Operations by their plain names, with how many there were."""
    return {plain(kind): int(count) for kind, count in changes.items()}
