"""How large the faults are: small in `./lab test`; with IOTLAB_FAULTS=full as the issue asks for, with its limits in time."""

from __future__ import annotations

import os
from dataclasses import dataclass

VARIABLE = "IOTLAB_FAULTS"


@dataclass(frozen=True, slots=True)
class Size:
    """Load and lengths of one run of the tier; `timed` says whether limits in time are asserted: that needs a machine at rest."""

    rate: float  # messages a second
    cars: int
    kills: int
    between_kills_s: float
    kafka_away_s: float
    kafka_stopped_s: float
    cut_s: float
    queued: int  # messages that wait for an absent bridge
    half_open: int  # cars that fall silent
    returning: int  # cars that come back at once
    poison: int  # made-up payloads
    timed: bool


SMALL = Size(500.0, 10, 3, 1.0, 4.0, 4.0, 12.0, 20_000, 200, 2_000, 10_000, timed=False)
FULL = Size(2_000.0, 10, 10, 3.0, 20.0, 30.0, 60.0, 1_000_000, 1_000, 17_000, 10_000, timed=True)
KNOWN = {"": SMALL, "full": FULL}


def chosen() -> Size:
    """The size that the environment asks for."""
    told = os.environ.get(VARIABLE, "")
    if told not in KNOWN:
        raise ValueError(f"{VARIABLE} is {told!r}; say full, or leave it out.")
    return KNOWN[told]


SIZE = chosen()
