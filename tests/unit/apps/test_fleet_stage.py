"""A stage leads each client through its cycle: begin by the ramp, connect, subscribe, publish, leave; nobody overtakes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import cast

from fleet.answers import Publish, answers
from fleet.network import Network
from fleet.rules import Rules
from fleet.scenario.mark import mark_in
from fleet.scenario.payloads import payloads
from fleet.scenario.plan import Plan
from fleet.scenario.sent import Sent
from fleet.scenario.stage import Listener, Part, Stage
from fleet.session import Session

from tests.support.plans import plan, scenario

CONNACK, SUBACK = b"\x20\x03\x00\x00\x00", b"\x90\x04\x00\x01\x00\x01"


class _Broker:
    """Stands for a network with a broker that answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[Session] = []
        self.said: list[tuple[str, bytes]] = []

    def join(self, session: Session) -> None:
        session.wanted = True
        self.asked.append(session)

    def accept(self, session: Session) -> None:
        self.asked.remove(session)
        said = self.said

        class _Link:
            def send(self, packet: bytes, *, always: bool = False) -> bool:
                del always
                said.append((session.client_id, packet))
                return True

        session.opened(_Link(), 0.0)
        assert session.received(CONNACK, 0.0) is None

    def leave(self, session: Session, *, forget: bool = False) -> None:
        del forget
        session.goodbye(0.0)
        session.closed()

    def serve(self, most_s: float) -> None:
        """Nothing comes by itself."""

    def published(self) -> list[tuple[str, Publish]]:
        raw = [(name, packet) for name, packet in self.said if packet[0] >> 4 == 3]
        return [(name, answer) for name, packet in raw for answer, _ in answers(packet, 5) if isinstance(answer, Publish)]


class _Run:
    """One stage of a plan, with all its clients in this process."""

    def __init__(self, told: Plan, number: int = 0) -> None:
        self.broker, self.sent, listener = _Broker(), Sent(), Listener()
        self.sessions = [
            [
                Session(group.client_id(index), 0, Rules(told.devices.login(group.level, 60), 20, self.sent, listener=listener))
                for index in range(group.count)
            ]
            for group in told.groups
        ]
        parts = []
        for cycle, lane in zip(told.stages[number].cycles, told.lanes()[number], strict=True):
            group = told.groups[cycle.group]
            made = payloads(lane, range(group.count), 1) if lane else None
            parts.append(Part(cycle, group, self.sessions[cycle.group], range(group.count), lane, made))
        self.begin_s = time.monotonic()
        self.stage = Stage(parts, cast("Network", self.broker), self.sent, 0, 1)
        listener.begin(self.stage)

    def at(self, after_s: float) -> None:
        self.stage.advance(self.begin_s + after_s)

    def until(self, true: Callable[[], bool], from_s: float, most_s: float) -> float:
        """Turn the wheel tick by tick; when it was true, after the begin."""
        at_s = from_s
        while not true():
            assert at_s < from_s + most_s
            at_s += 0.01
            self.at(at_s)
        return at_s


def _probes(count: int, **cycle: object) -> Plan:
    return plan(scenario({"p": {"kind": "plain", "count": count, "clientIds": "p-[0-9]{1}"}}, [{"clients": "p", **cycle}]))


PUBLISH = {"qos": 0, "rate": "10/1s", "count": 3, "topic": "hall/p-[0-9]{1}", "message": "hello"}


def test_the_ramp_spreads_the_beginnings_evenly() -> None:
    run = _Run(_probes(10, connect=True, rampUp="10s"))
    run.at(0.5)
    assert [session.client_id for session in run.broker.asked] == ["p-1"]
    run.at(4.5)
    assert [session.client_id for session in run.broker.asked] == [f"p-{number}" for number in range(1, 6)]
    run.at(10.0)
    assert len(run.broker.asked) == 10
    assert not run.stage.done


def test_a_client_subscribes_when_it_is_connected_and_publishes_when_that_was_taken() -> None:
    run = _Run(_probes(1, connect=True, subscribe={"filter": "hall/#", "qos": 1}, publish=PUBLISH))
    session = run.sessions[0][0]
    run.at(0.1)
    assert run.broker.said == []
    run.broker.accept(session)
    assert [packet[0] >> 4 for _, packet in run.broker.said] == [1, 8]
    run.at(1.0)
    assert run.broker.published() == []
    assert session.received(SUBACK, 0.0) is None
    run.at(1.1)
    assert {message.topic for _, message in run.broker.published()} == {"hall/p-1"}


def test_so_many_messages_are_sent_at_the_rate_each_with_its_number_and_then_it_leaves() -> None:
    run = _Run(_probes(2, connect=True, publish=PUBLISH, disconnect=True))
    run.at(0.02)
    for session in list(run.broker.asked):
        run.broker.accept(session)
    ended_s = run.until(lambda: run.stage.done, 0.02, 2.0)
    assert 0.25 < ended_s < 0.6
    published = run.broker.published()
    marks = [mark_in(message.properties) for _, message in published]
    assert sorted((mark.flow, mark.number) for mark in marks if mark) == [
        (flow, number) for flow in (0, 1) for number in range(3)
    ]
    assert {message.payload for _, message in published} == {b"hello"}
    assert run.broker.said[-1][1] == b"\xe0\x00"
    assert run.sent.flows == {0: 3, 1: 3}


def test_at_qos_1_nobody_leaves_before_all_is_acknowledged() -> None:
    run = _Run(_probes(1, connect=True, publish=PUBLISH | {"qos": 1}, disconnect=True))
    session = run.sessions[0][0]
    run.at(0.02)
    run.broker.accept(session)
    for tick in range(200):
        run.at(0.02 + tick * 0.01)
    assert session.kept == 3
    assert not run.stage.done
    for number in (1, 2, 3):
        session.received(b"\x40\x02" + number.to_bytes(2, "big"), 3.0)
    run.until(lambda: run.stage.done, 2.1, 1.0)
    assert run.sent.acked == 3


def test_a_client_that_stays_away_holds_up_its_own_stage_alone() -> None:
    run = _Run(_probes(2, connect=True, publish=PUBLISH))
    first, second = run.sessions[0]
    run.at(0.02)
    run.broker.accept(first)
    run.until(lambda: len(run.broker.published()) == 3, 0.02, 1.0)
    for tick in range(100):
        run.at(1.0 + tick * 0.01)
    assert run.stage.left == 1
    run.broker.accept(second)
    run.until(lambda: run.stage.done, 2.0, 1.0)


def test_a_client_may_send_more_than_one_message_a_tick_and_catches_up() -> None:
    run = _Run(_probes(1, connect=True, publish=PUBLISH | {"rate": "1000/1s", "count": 500}))
    run.at(0.02)
    run.broker.accept(run.sessions[0][0])
    begun_s = time.monotonic() - run.begin_s
    for tick in range(1, 26):
        run.at(begun_s + tick * 0.01)
    assert 200 <= len(run.broker.published()) <= 251
    run.until(lambda: run.stage.done, begun_s + 0.25, 0.4)
    assert len(run.broker.published()) == 500
