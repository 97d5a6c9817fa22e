"""What an engine sees of simulated devices: herds of one kind, each asked for what some of its devices publish now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Publication:
    """One message; `properties` go along by MQTT 5 alone."""

    topic: str
    payload: bytes
    qos: int
    properties: bytes = b""


class Herd(Protocol):
    """Devices of one kind; each publishes every `interval_s`."""

    @property
    def name(self) -> str:
        """The kind: car, iotkit or fan."""

    @property
    def names(self) -> Sequence[str]:
        """MQTT client ids, by index."""

    @property
    def interval_s(self) -> float:
        """Time between two calls for the same device."""

    def publications(self, indices: Sequence[int], time_s: float) -> Iterator[tuple[int, Publication]]:
        """What these devices publish at `time_s` (Unix time of the event), each with its index, in the order of `indices`.

        They live on by one interval; a device may publish several messages. `indices` names no device twice. Use up the
        iterator: only then have all of them moved on.
        """
