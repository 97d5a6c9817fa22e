"""A session with a broker that says what the test wants, at the other end of a pair of sockets."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator

import pytest
from bridge.mqtt import ANSWER_S, AWAY_S, MqttSession, Subscription
from runtime import mqtt

LOGIN = mqtt.Login(mqtt.MQTT_3_1_1, "bridge", "secret", 240, 1)
CONNACK, REFUSED = b"\x20\x02\x01\x00", b"\x20\x02\x00\x05"
SUBACK, SUBACK_REFUSED = b"\x90\x04\x00\x02\x01\x01", b"\x90\x04\x00\x02\x01\x80"
PINGRESP = b"\xd0\x00"


def publish(mid: int, payload: bytes = b"x") -> bytes:
    return mqtt.publish(mqtt.MQTT_3_1_1, "a/b", payload, mid)


class Broker:
    """Both ends: `session` is what is tested, `now_s` its clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, dropped: tuple[str, ...] = ()) -> None:
        self.now_s = 1000.0
        self.ends: list[socket.socket] = []
        self.away = False
        monkeypatch.setattr("bridge.mqtt.socket.create_connection", self._connect)
        monkeypatch.setattr("bridge.mqtt._watch", lambda _: None)  # a pair is no TCP
        monkeypatch.setattr("bridge.mqtt.time.monotonic", lambda: self.now_s)
        self.session = MqttSession(("broker", 1883), Subscription("bridge-0", LOGIN, ("a/#", "b/#"), dropped, 1000))
        self.connect()

    def _connect(self, _address: tuple[str, int], _timeout_s: float) -> socket.socket:
        if self.away:
            raise ConnectionRefusedError("nobody listens")
        ours, theirs = socket.socketpair()
        theirs.settimeout(2.0)
        self.ends += [theirs, ours]
        return ours

    def connect(self) -> None:
        before = len(self.ends)
        self.now_s += 60.0
        until_s = time.perf_counter() + 5.0
        while (self.session.socket is None or len(self.ends) == before) and time.perf_counter() < until_s:
            self.session.care(reading=True)
            self.now_s += 1.0
            time.sleep(0.001)  # the connection is opened by a thread

    def cut(self) -> None:
        """The broker ends the connection."""
        self.end.shutdown(socket.SHUT_RDWR)
        assert self.session.receive(10) == []

    def care_until(self, why: str) -> None:
        """Without the clock going on."""
        until_s = time.perf_counter() + 5.0
        while why not in str(self.session.why) and time.perf_counter() < until_s:
            self.session.care(reading=True)
            time.sleep(0.001)
        assert why in str(self.session.why)

    @property
    def end(self) -> socket.socket:
        return self.ends[-2]

    def says(self, raw: bytes, most: int = 100) -> list[int]:
        """The packet ids of the messages that the session makes of it."""
        self.end.sendall(raw)
        return [mid for _, mid, _, _ in self.session.receive(most)]

    def heard(self) -> bytes:
        return self.end.recv(100_000)

    def greets(self) -> None:
        assert self.says(CONNACK + SUBACK) == []
        self.heard()


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    made = Broker(monkeypatch)
    yield made
    for end in made.ends:
        end.close()


def test_it_asks_for_a_kept_session_with_its_login_and_reads_when_subscribed(broker: Broker) -> None:
    assert broker.heard() == mqtt.connect("bridge-0", LOGIN)
    assert mqtt.connect("bridge-0", LOGIN)[9] & 2 == 0, "clean session is off"
    assert broker.session.greets
    assert broker.says(CONNACK) == []
    assert broker.session.why == "not subscribed yet (broker:1883)"
    assert broker.heard() == mqtt.subscribe(mqtt.MQTT_3_1_1, 2, "a/#", "b/#")
    broker.says(SUBACK)
    assert broker.session.why is None


def test_filters_of_an_earlier_life_are_dropped_first(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker(monkeypatch, ("old/#",))
    broker.heard()
    broker.says(CONNACK)
    wanted = mqtt.unsubscribe(mqtt.MQTT_3_1_1, 1, "old/#") + mqtt.subscribe(mqtt.MQTT_3_1_1, 2, "a/#", "b/#")
    assert broker.heard() == wanted
    broker.says(b"\xb0\x02\x00\x01" + SUBACK)
    assert broker.session.why is None
    for end in broker.ends:
        end.close()


def test_messages_right_behind_the_connack_are_read_and_may_be_acknowledged(broker: Broker) -> None:
    assert broker.says(CONNACK + publish(7) + mqtt.again(publish(8)) + SUBACK + publish(9)) == [7, 8, 9]
    broker.heard()
    assert broker.session.acknowledge(broker.session.number, [7, 8, 9]) == 3
    assert broker.heard() == mqtt.puback(7) + mqtt.puback(8) + mqtt.puback(9)


def test_no_more_is_read_than_there_is_room_for_and_the_rest_waits(broker: Broker) -> None:
    broker.greets()
    assert broker.says(b"".join(publish(mid) for mid in range(1, 6)), most=2) == [1, 2]
    assert broker.session.waits
    assert [mid for _, mid, _, _ in broker.session.receive(10)] == [3, 4, 5]
    assert not broker.session.waits
    assert broker.session.receive(10) == [], "nothing is there, and nobody waits for it"


def test_an_acknowledgement_of_an_earlier_connection_is_void(broker: Broker) -> None:
    broker.greets()
    broker.says(publish(7))
    earlier = broker.session.number
    broker.cut()
    assert broker.session.why == "the connection to the MQTT broker is lost: the broker closed it (broker:1883)"
    assert broker.session.acknowledge(earlier, [7]) == 0
    broker.connect()
    broker.greets()
    assert (broker.session.number, broker.session.acknowledge(earlier, [7])) == (earlier + 1, 0)
    assert broker.session.acknowledge(earlier + 1, [8]) == 1
    assert broker.heard() == mqtt.puback(8)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (REFUSED, "it refuses the connection: not authorized"),
        (publish(1), "nobody asked for a packet that begins with 0x32"),
        (SUBACK, "nobody asked for a packet that begins with 0x90"),
        (CONNACK + CONNACK, "nobody asked for a packet that begins with 0x20"),
        (CONNACK + b"\x90\x03\x00\x02\x01", "2 filters were subscribed to, and 1 are answered"),
        (CONNACK + SUBACK + b"\x50\x02\x00\x01", "nobody asked for a packet that begins with 0x50"),
        (CONNACK + SUBACK + publish(1) + b"\x30\xff\xff\x7f", "a packet says it has 2097151 bytes, and the limit is 1000"),
        (b"HTTP/1.1 400 Bad Request\r\n" * 4, "nobody asked for a packet that begins with 0x48"),
    ],
)
def test_what_a_broker_should_not_say_closes_the_connection_with_the_reason(broker: Broker, raw: bytes, reason: str) -> None:
    assert broker.says(raw) == []
    assert reason in str(broker.session.why)
    assert broker.session.socket is None
    broker.connect()
    assert broker.says(CONNACK + SUBACK + publish(1)) == [1], "and it comes back"


def test_a_session_that_another_took_is_left_to_it_for_a_while(broker: Broker) -> None:
    broker.greets()
    broker.cut()
    broker.care_until("another client has taken the session of bridge-0")
    assert broker.heard() == b"", "a broker that is there is asked for nothing but that"
    broker.now_s += AWAY_S[0] - 0.1
    broker.session.care(reading=True)
    assert "another client" in str(broker.session.why)
    broker.connect()
    assert broker.heard() == mqtt.connect("bridge-0", LOGIN)
    broker.greets()
    assert broker.session.why is None


@pytest.mark.parametrize("accepted", [True, False])
def test_a_broker_that_went_down_is_asked_again_at_once(broker: Broker, *, accepted: bool) -> None:
    if accepted:
        broker.greets()
    broker.away = accepted
    broker.cut()
    if accepted:
        broker.care_until("cannot be reached: nobody listens")
        broker.away = False
    broker.now_s += 1.0
    seen = len(broker.ends)
    until_s = time.perf_counter() + 5.0
    while broker.session.socket is None and time.perf_counter() < until_s:
        broker.session.care(reading=True)
        time.sleep(0.001)
    assert len(broker.ends) == seen + 2
    assert broker.heard() == mqtt.connect("bridge-0", LOGIN)


def test_a_filter_that_the_broker_refuses_is_named(broker: Broker) -> None:
    broker.says(CONNACK + SUBACK_REFUSED)
    assert broker.session.why == "the MQTT broker refuses to let us read b/# (broker:1883)"


def test_a_silent_connection_is_kept_alive_and_given_up_without_an_answer(broker: Broker) -> None:
    broker.greets()
    broker.now_s += 121.0
    broker.session.care(reading=True)
    assert broker.heard() == mqtt.PINGREQ
    broker.says(PINGRESP)
    broker.now_s += ANSWER_S + 1
    broker.session.care(reading=True)
    assert broker.session.why is None
    broker.now_s += 121.0
    broker.session.care(reading=True)
    broker.now_s += ANSWER_S + 1
    broker.session.care(reading=False)
    assert broker.session.why is None, "who does not read cannot miss an answer"
    broker.now_s += ANSWER_S + 1
    broker.session.care(reading=True)
    assert broker.session.why == "the MQTT broker gives no answer for 20 s (broker:1883)"


def test_acknowledgements_that_the_kernel_has_no_room_for_go_later_and_whole(broker: Broker) -> None:
    broker.greets()
    mids = [mid % 65_535 + 1 for mid in range(200_000)]
    assert broker.session.acknowledge(broker.session.number, mids) == len(mids)
    assert broker.session.writes
    heard = bytearray()
    while len(heard) < 4 * len(mids):
        heard += broker.heard()
        broker.session.flush()
    assert [mid for _, mid in struct.iter_unpack(">HH", heard)] == mids
    assert not broker.session.writes


def test_closing_says_goodbye(broker: Broker) -> None:
    broker.greets()
    broker.session.close()
    assert broker.heard() == mqtt.DISCONNECT
    assert broker.session.socket is None
