"""Durations, rates and patterns: what is written is what is read, and what is none is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.lab.scenario.units import MOST_LETTERS, Pattern, Rate, duration_ms, duration_text, filter_fault, topic_fault

BRIEFLY = settings(max_examples=50, deadline=None)  # no deadline: the machine may be busy
MILLISECONDS = st.integers(min_value=0, max_value=10**9 - 1)
LITERAL = st.from_regex(r"[a-zA-Z0-9 /_.:+#$=-]{1,40}", fullmatch=True)


@BRIEFLY
@given(MILLISECONDS)
def test_a_duration_is_read_as_it_is_written(milliseconds: int) -> None:
    assert duration_ms(duration_text(milliseconds)) == milliseconds


@BRIEFLY
@given(st.integers(min_value=1, max_value=10**9 - 1), MILLISECONDS.filter(bool))
def test_a_rate_is_read_as_it_is_written(count: int, per_ms: int) -> None:
    assert Rate.parse(str(Rate(count, per_ms))) == Rate(count, per_ms)


@BRIEFLY
@given(LITERAL, st.integers(min_value=1, max_value=9), LITERAL)
def test_a_pattern_is_read_as_it_is_written(before: str, digits: int, after: str) -> None:
    for pattern in (Pattern(before), Pattern(before, digits, after)):
        assert Pattern.parse(str(pattern)) == pattern


@BRIEFLY
@given(LITERAL, st.integers(min_value=1, max_value=9), st.lists(st.integers(0, 10**10), unique=True))
def test_no_two_clients_of_a_pattern_have_one_name(before: str, digits: int, indices: list[int]) -> None:
    assert len({Pattern(before, digits).name(index) for index in indices}) == len(indices)


@BRIEFLY
@given(st.integers(min_value=1, max_value=10**6), MILLISECONDS.filter(bool), st.integers(0, 10**6))
def test_the_messages_that_fit_into_a_time_are_those_whose_intervals_do(count: int, per_ms: int, milliseconds: int) -> None:
    fit = Rate(count, per_ms).within(milliseconds)
    assert fit * per_ms <= milliseconds * count < (fit + 1) * per_ms


@pytest.mark.parametrize(("text", "milliseconds"), [("500ms", 500), ("20s", 20_000), ("5m", 300_000), ("1h", 3_600_000)])
def test_a_duration_has_four_units(text: str, milliseconds: int) -> None:
    assert duration_ms(text) == milliseconds


@pytest.mark.parametrize("told", ["20", 20, "-1s", "1.5s", "20 s", "s", "", "1d", None, "٣s", "1234567890s"])
def test_what_is_no_duration_is_refused(told: object) -> None:
    with pytest.raises(ValueError, match=r"is no duration; write .* 20s"):
        duration_ms(told)


@pytest.mark.parametrize("told", ["0/1s", "1/0s", "-1/10s", "1/10", "10s", "1/s", 5, None, "1/10s "])
def test_what_is_no_rate_above_zero_is_refused(told: object) -> None:
    with pytest.raises(ValueError, match=r"is no rate above 0; write .* 1/10s"):
        Rate.parse(told)


def test_the_number_of_a_client_has_more_digits_where_it_needs_them() -> None:
    cars = Pattern.parse("electric-vehicle-[0-9]{5}")
    assert [cars.name(index) for index in (0, 99_999, 999_999)] == [
        "electric-vehicle-00001",
        "electric-vehicle-100000",
        "electric-vehicle-1000000",
    ]


@pytest.mark.parametrize("told", ["car-[0-9]+", "car-[0-9]", "car-[a-z]{3}", "car-.*", "(a|b)", "car-[0-9]{10}", "car-[0-9]{0}"])
def test_other_expressions_are_refused(told: str) -> None:
    with pytest.raises(ValueError, match=re.escape("literal text with one range of digits, [0-9]{n}")):
        Pattern.parse(told)


@pytest.mark.parametrize("told", ["", "a\nb", "a" * (MOST_LETTERS + 1), 7, None])
def test_what_is_no_printable_text_is_no_pattern(told: object) -> None:
    with pytest.raises(ValueError, match="printable text of 1 to 256 letters"):
        Pattern.parse(told)


def test_two_ranges_are_refused_because_a_client_has_one_number() -> None:
    with pytest.raises(ValueError, match="has two ranges"):
        Pattern.parse("[0-9]{2}/[0-9]{2}")


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [("a/b-[0-9]{2}/c", "a/+/c"), ("a/b-[0-9]{2}", "a/+"), ("b-[0-9]{2}x/c/d", "+/c/d"), ("[0-9]{2}", "+"), ("a/b", "a/b")],
)
def test_the_filter_of_all_names_has_a_wildcard_for_their_level(pattern: str, wanted: str) -> None:
    assert Pattern.parse(pattern).any_level() == wanted


@pytest.mark.parametrize("told", ["a/+/b", "#", "+", "a/#", "$share/group/a/#", "$SYS/#"])
def test_filters_of_mqtt_are_taken(told: str) -> None:
    assert filter_fault(told) == ""


@pytest.mark.parametrize("told", ["a/b+", "a#", "a/#/b", "$share/group", "$share//a", "$share/g+/a", "$share/group/a#"])
def test_what_mqtt_does_not_take_as_a_filter_is_refused(told: str) -> None:
    assert filter_fault(told)


@pytest.mark.parametrize(("told", "sound"), [("a/b", True), ("a/+", False), ("a/#", False), ("$SYS/a", False)])
def test_nobody_publishes_to_a_filter(told: str, sound: bool) -> None:
    assert (topic_fault(told) == "") is sound
