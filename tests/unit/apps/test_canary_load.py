"""The bench's load: what is sent when, and how a lane's messages are counted."""

from __future__ import annotations

from itertools import pairwise

import pytest
from canary.load import Lane, Rates, Tally, lanes, quantile, schedule

from infra import wiring
from tests.unit.apps.test_canary_chain import settings

ALERT = "lab-canary-iotkit/lab-canary/alert"


def number(value: int) -> bytes:
    return str(value).encode()


def lane(**more: str) -> Lane:
    return Lane("alert", 10.0, ALERT, number, **({"answers": "alert_process", "passes": ALERT} | more))


@pytest.fixture
def tally() -> Tally:
    counted = Tally(lane())
    counted.begun_s |= {number(each): 100.0 for each in range(4)}
    return counted


def test_each_lane_keeps_its_own_rate_in_order_of_time() -> None:
    due = list(schedule([lane(), Lane("bridge", 100.0, "topic", number, "key")], 2.0))
    assert [sum(place == each for _at, place, _number in due) for each in (0, 1)] == [20, 200]
    assert all(before[0] <= after[0] for before, after in pairwise(due))
    assert due[-1][0] < 2.0


def test_an_alerts_clock_starts_in_kafka_and_ends_with_its_answer(tally: Tally) -> None:
    tally.arrived((ALERT, b"1"), 100.5)
    tally.arrived(("alert_process", b"1"), 100.75)
    told = tally.as_json()
    assert (told["sent"], told["lost"], told["p99_ms"]) == (4, 3, 250.0)


def test_a_second_arrival_is_counted_as_twice_and_changes_no_time(tally: Tally) -> None:
    for at_s in (100.1, 109.0):
        tally.arrived(("alert_process", b"2"), at_s)
    assert (tally.as_json()["twice"], tally.as_json()["max_ms"]) == (1, 100.0)


def test_what_was_acknowledged_and_is_missing_is_counted_apart_from_what_was_only_sent(tally: Tally) -> None:
    tally.acked = {number(each) for each in (0, 1, 2)}
    tally.arrived(("alert_process", b"1"), 100.1)
    told = tally.as_json()
    assert (told["sent"], told["acked"], told["lost"], told["acked_lost"]) == (4, 3, 3, 2)


def test_a_message_that_comes_first_behind_a_later_one_is_out_of_order_and_a_copy_is_not() -> None:
    tally = Tally(lane(passes=""))
    tally.begun_s |= {number(each): 100.0 + each for each in range(4)}
    for each in (0, 2, 0, 1, 3, 2):
        tally.arrived(("alert_process", number(each)), 200.0)
    assert (tally.as_json()["disordered"], tally.as_json()["twice"]) == (1, 2)


def test_one_lane_alone_can_be_asked_for() -> None:
    rates = Rates(100.0, 5.0, 5.0, only="bridge")
    assert [each.name for each in lanes(settings(), "lab-canary-01", 1_700_000_000.0, rates)] == ["bridge"]


def test_messages_of_others_are_not_counted(tally: Tally) -> None:
    tally.arrived(("alert_process", b"99"), 100.1)
    tally.arrived(("csv_sink", b"1"), 100.1)
    assert tally.as_json() | {"sent": 4, "lost": 4, "p50_ms": None, "p99_ms": None} == tally.as_json()


def test_quantiles_are_of_values_that_were_measured() -> None:
    took = [float(each) for each in range(1, 101)]
    assert [quantile(took, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert quantile([7.0], 0.99) == 7.0


def test_bridge_and_node_red_carry_the_same_payloads_and_no_two_are_alike() -> None:
    known = {each.name: each for each in lanes(settings(), "lab-canary-01", 1_700_000_000.0, Rates(100.0, 5.0, 5.0))}
    assert list(known) == ["bridge", "node-red", "alert"]
    sent = [known["bridge"].payload(each) for each in range(500)]
    assert sent == [known["node-red"].payload(each) for each in range(500)]
    assert len(set(sent)) == len(sent)
    assert all(wiring.RESERVED_DEVICE in each.mqtt_topic for each in known.values())
