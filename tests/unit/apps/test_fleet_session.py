from __future__ import annotations

import struct
from itertools import islice

import pytest
from fleet.answers import Publish, answers
from fleet.herd import Publication
from fleet.rules import Rules
from fleet.session import CONNECT_S, Session
from fleet.tally import Tally
from hypothesis import given
from hypothesis import strategies as st
from runtime import mqtt as packets
from runtime.mqtt import Login

ACCEPTED = {4: b"\x20\x02\x00\x00", 5: b"\x20\x03\x00\x00\x00"}


class _Wire:
    """A link that takes what it is given while it has room, and keeps it."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.room = True

    def send(self, packet: bytes, *, always: bool = False) -> bool:
        if always or self.room:
            self.sent.append(packet)
            return True
        return False

    def published(self) -> list[Publish]:
        """The readings of QoS 1 and 0, in order."""
        raw = b"".join(packet for packet in self.sent if packet[0] >> 4 == 3)
        return [answer for answer, _ in answers(raw, 4) if isinstance(answer, Publish)]


def _session(tally: Tally, level: int = 4, kept: int = 5, commands: str | None = None) -> Session:
    return Session("car", 0, Rules(Login(level, None, None, 60), kept, tally, commands))


def _connected(session: Session, level: int = 4, now_s: float = 0.0) -> _Wire:
    wire = _Wire()
    session.opened(wire, now_s)
    assert session.received(ACCEPTED[level], now_s) is None
    return wire


def _reading(number: int, qos: int = 1) -> Publication:
    return Publication("t", str(number).encode(), qos)


def _puback(number: int) -> bytes:
    return b"\x40\x02" + struct.pack(">H", number)


def test_a_reading_is_acknowledged_by_its_packet_id_and_by_no_other() -> None:
    tally = Tally()
    session = _session(tally)
    wire = _connected(session)
    session.publish(_reading(1), 10.0)
    session.received(_puback(99), 10.1)
    assert (tally.sent, tally.acked, session.kept) == (1, 0, 1)
    session.received(_puback(wire.published()[0].packet_id), 10.5)
    assert (tally.sent, tally.acked, session.kept) == (1, 1, 0)
    assert 0.4 < tally.latencies.sum_s < 0.6


def test_what_is_unacknowledged_goes_again_flagged_in_its_order_before_what_was_kept_meanwhile() -> None:
    tally = Tally()
    session = _session(tally)
    first = _connected(session)
    for number in (1, 2, 3):
        session.publish(_reading(number), 0.0)
    session.received(_puback(first.published()[0].packet_id), 0.0)
    session.closed()
    session.publish(_reading(4), 1.0)
    assert (tally.connected, tally.dropped, session.kept) == (0, 0, 3)
    again = _connected(session, now_s=2.0)
    assert [(each.payload, each.dup) for each in again.published()] == [(b"2", True), (b"3", True), (b"4", False)]
    assert [each.packet_id for each in again.published()][:2] == [each.packet_id for each in first.published()][1:]
    assert tally.resent == 2


def test_the_newest_are_kept_and_each_of_the_others_is_counted() -> None:
    tally = Tally()
    session = _session(tally, kept=3)
    for number in range(10):
        session.publish(_reading(number), 0.0)
    assert (tally.sent, tally.dropped, session.kept) == (10, 7, 3)
    assert [each.payload for each in _connected(session).published()] == [b"7", b"8", b"9"]


def test_qos_0_keeps_nothing_and_counts_what_is_thrown_away() -> None:
    tally = Tally()
    session = _session(tally)
    session.publish(_reading(1, 0), 0.0)
    wire = _connected(session)
    session.publish(_reading(2, 0), 0.0)
    wire.room = False
    session.publish(_reading(3, 0), 0.0)
    assert [(each.payload, each.packet_id) for each in wire.published()] == [(b"2", 0)]
    assert (tally.sent, tally.acked, tally.dropped) == (3, 1, 2)


def test_what_found_no_room_goes_as_soon_as_there_is_some_and_is_no_duplicate() -> None:
    tally = Tally()
    session = _session(tally)
    wire = _connected(session)
    wire.room = False
    for number in (1, 2):
        session.publish(_reading(number), 0.0)
    assert wire.published() == []
    wire.room = True
    session.publish(_reading(3), 0.0)  # behind those that wait
    session.writable(1.0)
    assert [(each.payload, each.dup) for each in wire.published()] == [(b"1", False), (b"2", False), (b"3", False)]
    assert (tally.resent, tally.dropped) == (0, 0)


def test_no_more_are_on_the_way_than_the_broker_takes() -> None:
    session = _session(Tally(), level=5, kept=20)
    wire = _Wire()
    session.opened(wire, 0.0)
    session.received(b"\x20\x06\x00\x00\x03\x21\x00\x02", 0.0)
    for number in range(5):
        session.publish(_reading(number), 0.0)
    on_the_way = [packet for packet in wire.sent if packet[0] >> 4 == 3]
    assert len(on_the_way) == 2
    session.received(_puback(1), 0.0)
    assert len([packet for packet in wire.sent if packet[0] >> 4 == 3]) == 3


def test_packet_ids_go_round_and_pass_over_those_in_use() -> None:
    session = _session(Tally())
    wire = _connected(session)
    session.publish(_reading(0), 0.0)
    for _ in range(packets.HIGHEST_ID + 10):
        session.publish(_reading(1), 0.0)
        session.received(_puback(wire.published()[-1].packet_id), 0.0)
        del wire.sent[2:]
        identity = wire.published()[0].packet_id
        assert identity == 1
    assert session.kept == 1


def test_a_refused_reading_counts_as_thrown_away() -> None:
    tally = Tally()
    session = _session(tally, level=5)
    _connected(session, 5)
    session.publish(_reading(1), 0.0)
    assert session.received(b"\x40\x03\x00\x01\x87", 0.0) is None
    assert (tally.acked, tally.rejected, tally.dropped, session.kept) == (0, 1, 1, 0)


def test_commands_right_behind_the_connack_are_counted_and_acknowledged() -> None:
    tally = Tally()
    session = _session(tally, commands="commands/{client_id}")
    wire = _Wire()
    session.opened(wire, 0.0)
    command = packets.publish(4, "commands/car", b"stop", 7)
    assert session.received(ACCEPTED[4] + command + b"\x90\x03\x00\x01\x01", 0.0) is None
    assert wire.sent[1] == packets.subscribe(4, 1, "commands/car")
    assert wire.sent[2:] == [packets.puback(7)]
    assert (tally.commands, tally.last_commands["car"]) == (1, b"stop")


def test_it_subscribes_again_in_each_connection() -> None:
    session = _session(Tally(), commands="commands/{client_id}")
    for _ in range(3):
        wire = _connected(session)
        assert [packet[0] for packet in wire.sent] == [0x10, 0x82]
        session.closed()


@pytest.mark.parametrize(
    ("level", "raw", "why"),
    [
        (4, b"\x20\x02\x00\x05", "not authorized"),
        (5, b"\x20\x03\x00\x86\x00", "bad user or password"),
        (5, b"\x20\x03\x00\xfe\x00", "code 254"),
        (4, _puback(1), "the broker sent a PUBACK before its CONNACK"),
        (4, ACCEPTED[4] * 2, "the broker sent a second CONNACK"),
        (5, ACCEPTED[5] + b"\xe0\x02\x8e\x00", "the broker said goodbye (code 142)"),
        (4, ACCEPTED[4] + b"\x90\x03\x00\x01\x80", "the broker refused a subscription (code 128)"),
        (4, b"HTTP/1.1 400", "the broker sent what is no MQTT: a broker sends no packet that begins with 0x48"),
    ],
)
def test_what_ends_a_connection_has_a_reason(level: int, raw: bytes, why: str) -> None:
    session = _session(Tally(), level)
    session.opened(_Wire(), 0.0)
    assert session.received(raw, 0.0) == why


@given(st.sampled_from([4, 5]), st.lists(st.binary(max_size=40), max_size=8), st.booleans())
def test_garbage_never_raises_and_leaves_no_more_than_one_packet_behind(level: int, parts: list[bytes], accepted: bool) -> None:
    session = _session(Tally(), level)
    session.opened(_Wire(), 0.0)
    for part in [ACCEPTED[level], *parts] if accepted else parts:
        why = session.received(part, 0.0)
        assert why is None or why
        if why:
            break


def test_a_silent_broker_is_asked_and_then_given_up() -> None:
    session = _session(Tally())
    wire = _connected(session, now_s=100.0)
    assert session.care(100.0) == (145.0, None)
    session.publish(_reading(1, 0), 140.0)  # it speaks, and hears nothing
    assert session.care(145.0) == (175.0, None)
    assert wire.sent[-1] == packets.PINGREQ
    assert session.received(b"\xd0\x00", 150.0) is None
    assert session.care(175.0)[1] is None
    due_s, why = session.care(190.0)
    assert why is None
    assert session.care(due_s) == (due_s, "no answer to a PINGREQ")


def test_a_broker_that_never_answers_a_connect_is_given_up() -> None:
    session = _session(Tally())
    due_s = session.opened(_Wire(), 100.0)
    assert due_s == 100.0 + CONNECT_S
    assert session.care(due_s)[1] == "no CONNACK within 20 s"


def test_a_broker_may_ask_for_another_keepalive() -> None:
    session = _session(Tally(), level=5)
    session.opened(_Wire(), 0.0)
    session.received(b"\x20\x06\x00\x00\x03\x13\x00\x14", 0.0)
    assert session.due_s() == 15.0


@given(st.lists(st.sampled_from(["publish", "publish0", "ack", "lose", "connect", "full", "room"]), max_size=80))
def test_sent_is_acknowledged_and_thrown_away_and_kept_whatever_happens(steps: list[str]) -> None:
    tally = Tally()
    session = _session(tally, kept=4)
    wire: _Wire | None = None
    for number, step in enumerate(steps):
        if step.startswith("publish"):
            session.publish(_reading(number, 0 if step.endswith("0") else 1), 0.0)
        elif step == "connect" and wire is None:
            wire = _connected(session)
        elif step == "lose" and wire is not None:
            session.closed()
            wire = None
        elif step == "ack" and wire is not None:
            for each in islice(wire.published(), 3):
                session.received(_puback(each.packet_id or 9), 0.0)
        elif wire is not None:
            wire.room = step == "room"
            if wire.room:
                session.writable(0.0)
        assert tally.sent == tally.acked + tally.dropped + session.kept
        assert session.kept <= 4
        assert tally.connected == (wire is not None)
