"""The tasks and what is made of them. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

VERDICTS = ("confirmed", "false alarm")


class TaskError(Exception):
    """The task cannot be done with these variables; the message says why."""


@dataclass(frozen=True, slots=True)
class Task:
    """An external task as Camunda hands it out."""

    id: str
    topic: str
    business_key: str
    variables: dict[str, Any]
    retries: int | None  # None: it never failed

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Task:
        """Read one element of the answer to fetchAndLock."""
        variables = {name: each.get("value") for name, each in (told.get("variables") or {}).items()}
        return cls(told["id"], told["topicName"], told.get("businessKey") or "", variables, told.get("retries"))


def _text(task: Task, name: str) -> str:
    """A variable as text, empty if it is not there."""
    value = task.variables.get(name)
    return "" if value is None else str(value)


def booking_number(task: Task) -> str:
    """`B-` and ten digits, made from the invoice: the same invoice has the same number, however often it is booked.

    Raises:
        TaskError: it has no number of its own.
    """
    if not _text(task, "rnr"):
        raise TaskError("the invoice has no number: the variable rnr is empty")
    invoice = json.dumps([_text(task, name) for name in ("rnr", "rdatum", "rbetrag")])
    digest = hashlib.sha256(invoice.encode()).digest()
    return f"B-{int.from_bytes(digest[:8]) % 10**10:010d}"


def verdict(task: Task, now: datetime) -> tuple[str, bytes]:
    """Key (the incident) and JSON document of what a technician found.

    Raises:
        TaskError: the process names no incident, or the verdict is none.
    """
    if not task.business_key:
        raise TaskError("the process has no business key, so nobody would know which incident this is")
    said = _text(task, "verdict")
    if said not in VERDICTS:
        raise TaskError(f"the verdict is none of {', '.join(VERDICTS)}: {said[:40]!r}")
    told = {"incident": task.business_key}
    told |= {name: _text(task, name) for name in ("device", "edge", "severity", "verdict", "cause")}
    told["time"] = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return task.business_key, json.dumps(told, ensure_ascii=False).encode()
