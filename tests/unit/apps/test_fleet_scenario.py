"""A scenario's messages are known one by one: what is lost, what came twice, and what is none of this run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from fleet.answers import Publish
from fleet.herd import Publication
from fleet.rules import Rules
from fleet.scenario.counter import Arrivals, filters_by_shard
from fleet.scenario.figures import Figures, height
from fleet.scenario.mark import Mark, mark_in, topic_of
from fleet.scenario.payloads import payloads
from fleet.scenario.plan import Plan, share
from fleet.scenario.sent import Sent
from fleet.scenario.verdict import Books, Counts
from fleet.session import Session
from hypothesis import given
from hypothesis import strategies as st
from runtime import mqtt
from telemetry import car, fan, iotkit

from tests.support.plans import RUN, cars, plan, scenario
from tests.support.plans import car as topic_of_car


def _message(flow: int, number: int, run: str = RUN) -> Publish:
    return Publish("t", b"p", 0, dup=False, properties=Mark(run, flow, number, 1_000).as_property())


def _arrived(messages: Iterable[tuple[int, int]], flows: int = 4) -> Arrivals:
    arrivals = Arrivals(RUN, flows)
    for flow, number in messages:
        arrivals.take(_message(flow, number), 2_000, 1.0)
    return arrivals


def _books(told: Plan, sent: Sent, arrivals: Arrivals) -> dict[int, Counts]:
    through_json: dict[str, Any] = msgspec.json.decode(msgspec.json.encode({"s": sent.as_json(), "a": arrivals.as_json()}))
    return Books([through_json["s"]], through_json["a"]).by_qos(told)


@given(st.integers(0, 10**7), st.integers(0, 10**9), st.integers(0, 2**63), st.binary(max_size=40))
def test_a_mark_is_found_in_a_packet_whatever_the_message(flow: int, number: int, sent_ns: int, payload: bytes) -> None:
    mark = Mark(RUN, flow, number, sent_ns)
    packet = mqtt.publish(5, "a/b", payload, 7, mark.as_property())
    assert mark_in(packet) == mark
    assert topic_of(packet) == "a/b"


@pytest.mark.parametrize(
    "data", [b"", b"x", b"\x26\x00\x06iotlab", b"\x26\x00\x06iotlab\x00\x03a.b", b"\x26\x00\x06iotlab\x00\x07a.x.y.z"]
)
def test_what_is_no_mark_is_none(data: bytes) -> None:
    assert mark_in(data) is None


def test_what_comes_in_order_is_received_once() -> None:
    arrivals = _arrived((0, number) for number in range(5))
    assert (arrivals.received, arrivals.duplicated, arrivals.missing) == (5, 0, 0)


def test_what_comes_again_is_a_duplicate_and_what_comes_late_is_not_missing_any_more() -> None:
    arrivals = _arrived([(0, 0), (0, 3), (0, 1), (0, 1), (0, 3), (1, 0)])
    assert (arrivals.received, arrivals.duplicated, arrivals.missing) == (6, 2, 1)
    assert arrivals.as_json()["missing"] == [(0, [2])]


def test_messages_of_another_run_or_of_nobodys_are_left_out() -> None:
    arrivals = Arrivals(RUN, 1, ["mine"])
    arrivals.take(_message(0, 0, "deadbeef"), 0, 0.0)
    arrivals.take(_message(9, 0), 0, 0.0)
    arrivals.take(Publish("another's", b"", 0, dup=False), 0, 0.0)
    assert arrivals.received == 0
    arrivals.take(Publish("mine", b"", 0, dup=False), 0, 0.0)
    assert (arrivals.received, arrivals.topics["mine"]) == (1, 1)


def test_lost_is_what_was_acknowledged_and_never_came() -> None:
    told, sent = plan(cars(2)), Sent()
    sent.flows = {0: 3, 1: 3}
    sent.unacknowledged[1].append(2)
    counts = _books(told, sent, _arrived([(0, 0), (0, 2), (1, 0), (1, 1)]))
    assert counts == {1: Counts(sent=6, acked=5, received=4, lost=1, duplicated=0)}


def test_a_client_that_is_not_read_back_has_lost_nothing_that_is_known() -> None:
    told, sent = msgspec.structs.replace(plan(cars(4)), every=2), Sent()
    sent.flows = dict.fromkeys(range(4), 2)
    sent.unacknowledged[1].append(1)
    counts = _books(told, sent, _arrived([(0, 0), (0, 1), (2, 1)]))
    assert counts == {1: Counts(sent=8, acked=7, received=3, lost=1, duplicated=0)}


def test_what_came_without_its_acknowledgement_hides_no_loss() -> None:
    told, sent = plan(cars(1)), Sent()
    sent.flows = {0: 3}
    sent.unacknowledged[0].append(2)
    counts = _books(told, sent, _arrived([(0, 1), (0, 2)]))
    assert counts == {1: Counts(sent=3, acked=2, received=2, lost=1, duplicated=0)}


def test_without_marks_the_counts_of_each_topic_are_compared() -> None:
    told, sent = plan(cars(2, qos=0, mqtt="3.1.1")), Sent()
    topics = [topic_of_car(1), topic_of_car(2)]
    arrivals = Arrivals(RUN, 2, topics)
    sent.flows = {0: 3, 1: 3}
    for topic in [topics[0]] * 4 + [topics[1]]:
        arrivals.take(Publish(topic, b"", 0, dup=False), 0, 0.0)
    assert _books(told, sent, arrivals) == {0: Counts(sent=6, acked=6, received=5, lost=2, duplicated=1)}


@pytest.mark.parametrize("level", [4, 5])
def test_what_a_session_throws_away_is_remembered_as_not_acknowledged(level: int) -> None:
    sent = Sent()
    session = Session("car", 0, Rules(mqtt.Login(level, None, None, 60), 1, sent))
    for number in range(3):
        session.publish(Publication("a/b", b"", 1, Mark(RUN, 7, number, 0).as_property()), 0.0)
    session.give_up()
    assert sent.dropped == 3
    assert dict(sent.unacknowledged) == ({7: [0, 1, 2]} if level == 5 else {})
    assert dict(sent.unmarked) == ({} if level == 5 else {"a/b": 3})


@given(st.integers(1, 1000), st.integers(1, 30))
def test_processes_share_all_clients_and_none_twice(count: int, processes: int) -> None:
    found = [index for process in range(processes) for index in share(count, process, processes)]
    assert found == list(range(count))


@pytest.mark.parametrize(("kind", "decode"), [("car", car.decode_json), ("fan", fan.decode_reading), ("iotkit", iotkit.sensor)])
def test_each_kind_sends_what_its_contract_says(kind: str, decode: Any) -> None:
    told = scenario(
        {"all": {"kind": kind, "count": 20}},
        [{"clients": "all", "connect": True, "publish": {"qos": 0, "rate": "1/2s", "count": 5}}],
    )
    lane = plan(told).lanes()[0][0]
    assert lane is not None
    made = list(payloads(lane, range(5, 20), 1).take([0, 3, 14], 1_700_000_000.0))
    for payload in made:
        decode(payload)
    if kind == "car":
        assert [car.decode_json(payload).car for payload in made] == [
            f"electric-vehicle-000{number}" for number in ("06", "09", "20")
        ]


def test_two_processes_make_the_same_cars_as_one() -> None:
    lane = plan(cars(10)).lanes()[1][0]
    assert lane is not None
    all_ = list(payloads(lane, range(10), 1).take(range(10), 1.7e9))
    halves = [payload for half in (range(5), range(5, 10)) for payload in payloads(lane, half, 1).take(range(5), 1.7e9)]
    assert halves == all_


def test_the_height_of_a_stage_is_when_most_clients_publish_at_once() -> None:
    def cycle(ramp: str, messages: int) -> tuple[float, float]:
        publish = {"qos": 0, "rate": "1/1s", "count": messages}
        told = scenario({"c": {"count": 9}}, [{"clients": "c", "connect": True, "rampUp": ramp, "publish": publish}])
        return height(plan(told).stages[0].cycles[0])

    assert cycle("10s", 60) == (10.0, 60.0)
    assert cycle("10s", 4) == (4.0, 10.0)


def test_the_rate_is_that_of_the_most_messages_and_not_of_the_fastest_client() -> None:
    told = scenario(
        {"cars": {"count": 1_000}, "probe": {"kind": "plain", "clientIds": "probe", "count": 1}},
        [
            {"clients": "cars", "connect": True, "rampUp": "10s", "publish": {"qos": 0, "rate": "1/1s", "count": 100}},
            {"clients": "probe", "connect": True, "publish": {"qos": 0, "rate": "9/1s", "count": 18, "topic": "t"}},
        ],
    )
    found = Figures(plan(told))
    assert found.height_of(plan(told).stages[0]) == (10.0, 100.0)


@pytest.mark.parametrize("mqtt", ["3.1.1", "5"])
def test_a_topic_that_is_counted_as_a_whole_is_read_at_every_shard_that_has_some_of_it(mqtt: str) -> None:
    publish = {"qos": 1, "rate": "1/1s", "count": 1}
    fans = scenario({"f": {"kind": "fan", "count": 99, "mqtt": mqtt}}, [{"clients": "f", "connect": True, "publish": publish}])
    told = msgspec.structs.replace(plan(fans, ports=(1, 2, 3, 4, 5, 6)), every=99)
    read = filters_by_shard(told, [lane for stage in told.lanes() for lane in stage if lane])
    assert [len(filters) for filters in read].count(1) == (6 if mqtt == "3.1.1" else 1)


def test_a_run_that_was_stopped_before_its_first_stage_has_figures_too() -> None:
    found = Figures(plan(cars(2))).result({1: Counts()})
    assert (found["sent"], found["rate_msg_s"], found["stages"], found["p99_ms"]) == (0, None, [], None)
