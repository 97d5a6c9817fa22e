"""What is in flight between MQTT and Kafka, in the order received. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from bridge.routes import Destination


@dataclass(slots=True, eq=False)
class Message:
    """One MQTT message on its way. `session` is the connection it came by: only there may it be acknowledged."""

    mid: int
    qos: int
    session: int
    topic: str
    payload: bytes
    destination: Destination | None
    arrival_ms: int
    arrival_s: float  # monotonic
    reason: str | None = None  # why it goes to the dead-letter topic
    alone: bool = False  # a batch with it was refused, so it goes in a batch of its own
    cut: bool = False  # its dead letter holds the payload's beginning only
    saved: bool = False  # Kafka has it


class Window:
    """Messages in flight. It is full at `limit` messages or `limit_bytes` bytes; then nothing more is read."""

    def __init__(self, limit: int, limit_bytes: int) -> None:
        """The limits are soft by the one message that crosses them."""
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._messages: deque[Message] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        """Messages in flight."""
        return len(self._messages)

    @property
    def full(self) -> bool:
        """Whether reading has to wait."""
        return len(self._messages) >= self._limit or self._bytes >= self._limit_bytes

    def add(self, message: Message) -> None:
        """A message has come."""
        self._messages.append(message)
        self._bytes += len(message.payload)

    def take_saved(self) -> Iterator[Message]:
        """Take the saved messages from the front, up to the first that is not: MQTT wants acknowledgements in order."""
        while self._messages and self._messages[0].saved:
            message = self._messages.popleft()
            self._bytes -= len(message.payload)
            yield message

    def unsaved(self) -> list[Message]:
        """What Kafka has not confirmed, in the order received."""
        return [message for message in self._messages if not message.saved]
