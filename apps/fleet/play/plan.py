"""What is to be played, as `./lab fleet play` writes it: plain JSON."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fleet.scenario.plan import Quality, Told, User


class PlayPlan(Told, frozen=True):
    """A file, how fast, and where to. Client ids and topics are formats, as in a scenario's plan; `taken` names are in use."""

    file: str
    rate_msg_s: Annotated[float, msgspec.Meta(gt=0.0)]
    loop: bool
    qos: Quality
    host: str
    ports: Annotated[list[int], msgspec.Meta(min_length=1)]
    devices: User
    board: str  # client id by {high} and {low} byte of the sensor's id
    fan: str  # client id by {number}
    topics: dict[str, str]  # by kind, with {name} for the client id
    taken: list[str]
