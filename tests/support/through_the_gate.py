"""testinfra's questions, asked of a machine through the gate: its pinned connection, its user, sudo."""

from __future__ import annotations

from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from infra.cloud.gate import Session

ANSWER_WITHIN_S = 120.0  # an emulated machine takes seconds to start a process


class ThroughTheGate(BaseBackend):
    """A backend over a session of the gate. Root answers: what a test asks of a machine, its user may not see."""

    NAME = "gate"

    def __init__(self, session: Session) -> None:
        super().__init__(session.door.where, sudo=True)
        self._session = session

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        words = self.get_command(command, *args)
        said = self._session.run(words, within_s=ANSWER_WITHIN_S)
        return self.result(said.code, words.encode(), said.out.encode(), said.err.encode())


def host(session: Session) -> Host:
    """The machine, as testinfra asks it."""
    return Host(ThroughTheGate(session))
