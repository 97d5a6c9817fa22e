"""What is in flight between MQTT and Kafka, in the order received. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from bridge.routes import Way


class Batch:
    """What messages that were read at once have in common: the connection, where alone they may be acknowledged, and the time."""

    __slots__ = ("arrival", "arrival_s", "connection", "session")

    def __init__(self, session: Any, connection: int, arrival_ms: int, arrival_s: float) -> None:
        """`arrival_s` is monotonic; `connection` is the number of the session's connection."""
        self.session = session
        self.connection = connection
        self.arrival = b"%d" % arrival_ms  # as the header has it
        self.arrival_s = arrival_s


class Message:
    """One MQTT message on its way; `mid` is 0 for QoS 0. By hand, as a dataclass's twelve fields cost 0.5 us a message."""

    __slots__ = ("alone", "batch", "cut", "mid", "payload", "reason", "saved", "size", "way")

    def __init__(self, batch: Batch, mid: int, way: Way, payload: bytes) -> None:
        """It was received."""
        self.batch = batch
        self.mid = mid
        self.way = way
        self.payload = payload
        self.size = len(payload) + way.size
        self.reason: str | None = None  # why it goes to the dead-letter topic
        self.alone = False  # a batch with it was refused by Kafka, so it goes in a batch of its own
        self.cut = False  # its dead letter holds the payload's beginning only
        self.saved = False  # Kafka has it


class Window:
    """Messages in flight. It is full at `limit` messages or `limit_bytes` bytes; then nothing more is read."""

    def __init__(self, limit: int, limit_bytes: int) -> None:
        """The limit of bytes is soft by what is read at once."""
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._messages: deque[Message] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        """Messages in flight."""
        return len(self._messages)

    @property
    def room(self) -> int:
        """How many messages more may be read; 0 when reading has to wait."""
        return max(0, self._limit - len(self._messages)) if self._bytes < self._limit_bytes else 0

    def add(self, messages: Sequence[Message]) -> None:
        """Messages have come."""
        self._messages.extend(messages)
        self._bytes += sum(message.size for message in messages)

    def take_saved(self) -> list[Message]:
        """Take the saved messages from the front, up to the first that is not: MQTT wants acknowledgements in order."""
        taken: list[Message] = []
        messages = self._messages
        while messages and messages[0].saved:
            message = messages.popleft()
            self._bytes -= message.size
            taken.append(message)
        return taken

    def unsaved(self) -> list[Message]:
        """What Kafka has not confirmed, in the order received."""
        return [message for message in self._messages if not message.saved]
