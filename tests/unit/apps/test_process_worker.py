from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from process_worker.tasks import Task, TaskError, booking_number, verdict

NOW = datetime(2026, 11, 26, 5, 0, 7, tzinfo=UTC)


def task(business_key: str = "hall-3/hall/2026", **variables: Any) -> Task:
    told = {name: {"value": value, "type": "String"} for name, value in variables.items()}
    return Task.of({"id": "1", "topicName": "t", "businessKey": business_key, "variables": told, "retries": None})


def test_the_same_invoice_has_the_same_booking_number_and_another_one_another() -> None:
    first = booking_number(task(rnr=123, rdatum="2026-11-26", rbetrag="200.00"))
    assert first == booking_number(task("another", rnr="123", rdatum="2026-11-26", rbetrag="200.00"))
    assert len({first, booking_number(task(rnr=124)), booking_number(task(rnr=123, rbetrag="200.01"))}) == 3
    assert first.startswith("B-")
    assert len(first) == 12


def test_an_invoice_without_a_number_is_not_booked() -> None:
    with pytest.raises(TaskError, match="rnr"):
        booking_number(task(rbetrag="1"))


def test_a_verdict_is_a_document_keyed_by_its_incident() -> None:
    key, text = verdict(task(device="hall-3", edge="e", severity="critical", verdict="false alarm", cause="Tür offen"), NOW)
    assert key == "hall-3/hall/2026"
    assert json.loads(text) == {
        "incident": "hall-3/hall/2026",
        "device": "hall-3",
        "edge": "e",
        "severity": "critical",
        "verdict": "false alarm",
        "cause": "Tür offen",
        "time": "2026-11-26T05:00:07Z",
    }


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (task(verdict="maybe"), "none of confirmed, false alarm: 'maybe'"),
        (task(), "none of"),
        (task("", verdict="confirmed"), "business key"),
    ],
)
def test_what_is_no_verdict_is_refused_with_the_reason(given: Task, reason: str) -> None:
    with pytest.raises(TaskError, match=reason):
        verdict(given, NOW)
