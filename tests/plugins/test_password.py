"""The lab's own plugin under the real engine."""

from __future__ import annotations

import json

from tests.support.engine import Stack

PROGRAM = """
from infra.services._password import Password
pulumi.export("value", Password("login", length={length}, rotation={rotation}).value)
"""


def value(stack: Stack) -> str:
    return str(json.loads(stack.ok("stack", "output", "--show-secrets", "--json"))["value"])


def test_a_password_stays_until_its_rotation_or_length_changes_and_is_never_in_clear(stack: Stack) -> None:
    stack.program(PROGRAM.format(length=24, rotation=0))
    assert stack.planned()["login"] == "create"
    said = stack.up()
    first = value(stack)
    assert len(first) == 24
    assert first not in said
    assert first not in stack.ok("stack", "export")
    assert stack.planned() == {}
    stack.ok("refresh", "--yes", "--skip-preview")
    stack.up()
    assert value(stack) == first

    stack.program(PROGRAM.format(length=24, rotation=1))
    assert stack.planned() == {"login": "update"}
    stack.up()
    second = value(stack)
    assert second != first

    stack.program(PROGRAM.format(length=40, rotation=1))
    stack.up()
    assert len(value(stack)) == 40


def test_a_length_out_of_range_is_refused_in_the_preview(stack: Stack) -> None:
    stack.program(PROGRAM.format(length=4, rotation=0))
    assert "length must be a whole number from 16 to 128, not 4." in stack.fails("preview")
