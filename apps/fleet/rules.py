"""What sessions have in common, and whom they know: the way to the broker, and who listens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from runtime.mqtt import Login

from fleet.answers import Publish
from fleet.tally import Tally

if TYPE_CHECKING:
    from fleet.session import Session


class Link(Protocol):
    """The way to the broker."""

    def send(self, packet: bytes, *, always: bool = False) -> bool:
        """Take a packet whole, or not at all while too much waits for the kernel; `always` asks for no room."""


class Listener(Protocol):
    """Who wants to know what happens to sessions, while it happens; raise nothing."""

    def connected(self, session: Session) -> None:
        """The broker has let it in, for the first time or again."""

    def subscribed(self, session: Session) -> None:
        """The broker has taken a subscription of it."""

    def heard(self, session: Session, message: Publish, now_s: float) -> None:
        """A message came; it is acknowledged afterwards."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What sessions have in common; without a listener, what they hear counts as commands."""

    login: Login
    kept_readings: int
    tally: Tally
    command_topic: str | None = None  # a format with {client_id}
    listener: Listener | None = None
