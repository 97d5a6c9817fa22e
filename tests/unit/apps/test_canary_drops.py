"""A broker's count of what it dropped, as one that outlives its restarts; and the sentence that it makes."""

from __future__ import annotations

import pytest
from canary.drops import WINDOW_S, Tally, sentence
from hypothesis import given
from hypothesis import strategies as st


def test_what_was_dropped_before_anybody_listened_is_not_counted() -> None:
    tally = Tally()
    assert tally.heard(17_705, 0.0) == 0
    assert tally.recent(0.0) == 0


def test_a_count_that_falls_is_a_new_brokers_and_all_of_it_counts() -> None:
    tally = Tally()
    assert [tally.heard(count, 0.0) for count in (5, 9, 0, 3, 3, 1)] == [0, 4, 0, 3, 0, 1]


@given(st.lists(st.lists(st.integers(0, 1000), min_size=1), min_size=1))
def test_nothing_is_counted_twice_and_nothing_missed_while_each_new_broker_is_heard_at_its_start(lives: list[list[int]]) -> None:
    tally = Tally()
    counted = 0
    for life in lives:
        for count in (0, *sorted(life)):
            counted += tally.heard(count, 0.0)
    assert counted == sum(max(life) for life in lives)


@pytest.mark.parametrize(("age_s", "recent"), [(0.0, 7), (WINDOW_S, 7), (WINDOW_S + 1, 0)])
def test_a_drop_is_an_alarm_for_ten_minutes(age_s: float, recent: int) -> None:
    tally = Tally()
    tally.heard(0, 100.0)
    tally.heard(7, 100.0)
    assert tally.recent(100.0 + age_s) == recent


def test_the_sentence_says_how_many_of_which_shard_why_and_what_to_do() -> None:
    told = sentence({0: 1300, 4: 2})
    assert told.startswith("it threw away 1,302 messages in the last 10 minutes (shard 0: 1,300, shard 4: 2): a client was away")
    assert "./lab logs mosquitto" in told
