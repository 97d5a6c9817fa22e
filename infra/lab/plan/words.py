"""What resources of our own are, in plain words: their types' names say little to who sees them in a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WORDS = {
    "iotlab:index:SshKey": "the stack's own key, beside people's among the keys of each machine; secret in the stack's state",
    "iotlab:index:HostKey": "the key that the machine is known by, read from its console, or the one of hostKeys",
    "iotlab:index:Lab": (
        "enters the machine by SSH ({reachableMin:g} min at most), brings what has changed, waits for its stages"
        " ({stagesMin:g} min at most) and its doctor"
    ),
}


def about(kind: str, inputs: Mapping[str, Any]) -> str:
    """What such a resource is or does; empty for what is the cloud's or the cluster's."""
    return WORDS.get(kind, "").format_map(inputs)
