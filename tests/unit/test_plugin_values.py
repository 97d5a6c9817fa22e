"""Property values: what both plugins say and hear on the wire."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import struct_pb2
from hypothesis import given, settings
from hypothesis import strategies as some

from infra.lab.plugins.values import (
    HIDDEN,
    OUTPUT,
    SIGNATURE,
    UNKNOWN,
    UNKNOWN_TEXT,
    Secret,
    from_struct,
    from_value,
    has_secret,
    has_unknown,
    mark_secrets,
    plain,
    secret,
    to_struct,
    to_value,
)

BRIEFLY = settings(max_examples=50, deadline=None)  # no deadline: the machine may be busy
EXACT = 2**53
TEXT = some.text(max_size=8)
LEAVES = (
    some.none()
    | some.booleans()
    | some.integers(-EXACT, EXACT)
    | some.floats(allow_nan=False, allow_infinity=False, width=32)
    | TEXT
    | some.just(UNKNOWN)
)


def nested(leaves: some.SearchStrategy[Any]) -> some.SearchStrategy[Any]:
    return some.recursive(
        leaves, lambda inner: some.lists(inner, max_size=3) | some.dictionaries(TEXT, inner, max_size=3), max_leaves=12
    )


VALUES = some.recursive(
    nested(LEAVES) | nested(LEAVES).map(secret),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)
PROPERTIES = some.dictionaries(TEXT, VALUES, max_size=4)


@BRIEFLY
@given(PROPERTIES)
def test_properties_survive_the_way_to_the_wire_and_back(properties: dict[str, Any]) -> None:
    there = to_struct(properties)
    assert from_struct(struct_pb2.Struct.FromString(there.SerializeToString())) == properties


@BRIEFLY
@given(PROPERTIES)
def test_opening_secrets_leaves_none_and_changes_nothing_else(properties: dict[str, Any]) -> None:
    opened = plain(properties)
    assert not has_secret(opened)
    assert has_unknown(opened) == has_unknown(properties)
    assert plain(opened) == opened
    assert plain(from_struct(to_struct(opened))) == opened


@BRIEFLY
@given(PROPERTIES)
def test_secrets_can_be_marked_again_after_they_were_opened(properties: dict[str, Any]) -> None:
    assert mark_secrets(plain(properties), properties) == properties


@BRIEFLY
@given(VALUES, VALUES)
def test_what_is_beside_a_secret_in_a_list_of_another_length_becomes_secret_too(one: Any, two: Any) -> None:
    marked = mark_secrets([plain(one), plain(two)], [secret("hidden")])
    assert isinstance(marked, Secret)


def test_a_secret_is_one_secret_however_deep_it_was_and_never_shows_itself() -> None:
    assert secret({"a": Secret("b")}) == Secret({"a": "b"})
    assert "hunter2" not in repr([Secret("hunter2")])
    assert repr(UNKNOWN) == "UNKNOWN"


def test_an_output_without_a_value_is_unknown_and_a_secret_one_stays_secret() -> None:
    assert from_value(to_value({SIGNATURE: OUTPUT, "dependencies": []})) is UNKNOWN
    known = {SIGNATURE: OUTPUT, "value": "a", "secret": True, "dependencies": []}
    assert from_value(to_value(known)) == Secret("a")
    assert from_value(to_value({SIGNATURE: HIDDEN, "value": UNKNOWN_TEXT})) == Secret(UNKNOWN)


def test_whole_numbers_stay_whole_and_a_type_that_pulumi_does_not_know_is_refused() -> None:
    assert [type(from_value(to_value(number))) for number in (1, 1.5, True)] == [int, float, bool]
    with pytest.raises(TypeError, match="a property cannot be a set"):
        to_value({1})
