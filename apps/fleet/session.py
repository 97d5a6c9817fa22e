"""One device's MQTT session: what it has sent, keeps and is told. It knows no socket and no clock.

At-least-once for QoS 1: a reading is kept until the broker has acknowledged it, and goes again after a lost connection,
flagged DUP. The newest `kept_readings` are kept; each one that is thrown away is counted. QoS 0 keeps nothing.
"""

from __future__ import annotations

from typing import Final

from runtime import mqtt as packets

from fleet.answers import (
    REFUSALS,
    REFUSED,
    Answer,
    Connack,
    Disconnect,
    MalformedError,
    Puback,
    Publish,
    Suback,
    answers,
)
from fleet.herd import Publication
from fleet.rules import Link, Rules
from fleet.wheel import NEVER

CONNECT_S: Final = 20.0  # for TCP, TLS and CONNACK together
QUIET: Final = 0.75  # of the keep-alive without a word from either side, and a PINGREQ goes out
PONG: Final = 0.5  # of the keep-alive is what the answer may take


class Session:
    """State of one session: with its connection and its timer 0.75 KB (2026-11-26, 16,000 of them, nothing on the way)."""

    __slots__ = (
        "_flying",
        "_heard_s",
        "_id",
        "_keepalive_s",
        "_pinged_s",
        "_rest",
        "_rules",
        "_sent_s",
        "_waiting",
        "_window",
        "attempts",
        "client_id",
        "due_tick",
        "filters",
        "link",
        "shard",
        "up",
        "wanted",
    )

    def __init__(self, client_id: str, shard: int, rules: Rules) -> None:
        """It has no connection yet."""
        self.client_id = client_id
        self.shard = shard
        self.up = False
        self.wanted = False  # connected, and again after a lost connection
        self.filters: tuple[tuple[str, int], ...] = ()  # each with its QoS
        self.link: Link | None = None
        self.attempts = 0  # to connect, since a connection that lasted
        self.due_tick = NEVER
        self._rules = rules
        self._id = 0
        self._window = rules.kept_readings
        self._flying: dict[int, tuple[bytes, float]] | None = None  # by packet id, oldest first: sent, with the time
        self._waiting: dict[int, bytes] | None = None  # by packet id, oldest first: not sent in this connection
        self._rest = b""
        self._keepalive_s = 0.0
        self._sent_s = self._heard_s = self._pinged_s = 0.0

    @property
    def kept(self) -> int:
        """Readings that are not acknowledged."""
        return len(self._flying or ()) + len(self._waiting or ())

    def opened(self, link: Link, now_s: float) -> float:
        """There is a connection: introduce the device. When to call `care` next."""
        self.link = link
        self._rest = b""
        self._write(packets.connect(self.client_id, self._rules.login), now_s)
        return now_s + CONNECT_S

    def closed(self) -> None:
        """The connection is gone: what was on the way waits again, in its order and flagged as sent before."""
        if self.up:
            self.up = False
            self._rules.tally.connected -= 1
        self.link = None
        if self._flying:
            again = {number: packets.again(packet) for number, (packet, _) in self._flying.items()}
            self._waiting = again | (self._waiting or {})
            self._flying = None

    def _write(self, packet: bytes, now_s: float, *, always: bool = True) -> bool:
        if self.link is None or not self.link.send(packet, always=always):
            return False
        self._rules.tally.sent_bytes += len(packet)
        self._sent_s = now_s
        return True

    def publish(self, message: Publication, now_s: float) -> None:
        """Send a reading; QoS 1 is kept until it is acknowledged, QoS 0 is thrown away if there is no connection or no room."""
        tally, level = self._rules.tally, self._rules.login.level
        tally.sent += 1
        if message.qos == 0:
            packet = packets.publish(level, message.topic, message.payload, 0, message.properties)
            if self.up and self._write(packet, now_s, always=False):
                tally.acked += 1
            else:
                tally.drop(packet)
            return
        number = self._next_id()
        packet = packets.publish(level, message.topic, message.payload, number, message.properties)
        if not self._waiting and self._fly(number, packet, now_s):
            return
        self._waiting = self._waiting or {}
        self._waiting[number] = packet
        if self.kept > self._rules.kept_readings:
            tally.drop(self._waiting.pop(next(iter(self._waiting))))

    def give_up(self) -> None:
        """Throw away what is kept."""
        for packet in [*(packet for packet, _ in (self._flying or {}).values()), *(self._waiting or {}).values()]:
            self._rules.tally.drop(packet)
        self._flying = self._waiting = None

    def subscribe(self, topic_filter: str, qos: int, now_s: float) -> None:
        """Ask for messages, and again at each new connection."""
        self.filters = (*self.filters, (topic_filter, qos))
        if self.up:
            self._ask(topic_filter, qos, now_s)

    def _ask(self, topic_filter: str, qos: int, now_s: float) -> None:
        self._write(packets.subscribe(self._rules.login.level, self._next_id(), topic_filter, qos=qos), now_s)

    def _next_id(self) -> int:
        while True:
            self._id = self._id % packets.HIGHEST_ID + 1
            if self._id not in (self._flying or ()) and self._id not in (self._waiting or ()):
                return self._id

    def _fly(self, number: int, packet: bytes, now_s: float) -> bool:
        flying = self._flying
        if not self.up or (flying and len(flying) >= self._window) or not self._write(packet, now_s, always=False):
            return False
        if flying is None:
            flying = self._flying = {}
        flying[number] = (packet, now_s)
        return True

    def writable(self, now_s: float) -> None:
        """There is room again: send what waits."""
        waiting = self._waiting
        while waiting:
            number, packet = next(iter(waiting.items()))
            if not self._fly(number, packet, now_s):
                return
            del waiting[number]
            if packet[0] & packets.DUP:
                self._rules.tally.resent += 1
        self._waiting = None

    def received(self, data: bytes, now_s: float) -> str | None:
        """Read what the broker sent; None, or why the connection must be closed."""
        self._rules.tally.received_bytes += len(data)
        self._heard_s, self._pinged_s = now_s, 0.0
        if self._rest:
            data = self._rest + data
        end = 0
        try:
            for answer, place in answers(data, self._rules.login.level):
                end = place
                why = self._told(answer, now_s)
                if why is not None:
                    return why
        except MalformedError as wrong:
            return f"the broker sent what is no MQTT: {wrong}"
        self._rest = data[end:]
        return None

    def _told(self, answer: Answer, now_s: float) -> str | None:
        if isinstance(answer, Connack):
            return self._connacked(answer, now_s)
        if not self.up:
            return f"the broker sent a {type(answer).__name__.upper()} before its CONNACK"
        if isinstance(answer, Puback):
            self._acknowledged(answer, now_s)
        elif isinstance(answer, Publish):
            self._heard(answer, now_s)
        elif isinstance(answer, Suback):
            return self._subscribed(answer)
        elif isinstance(answer, Disconnect):
            return f"the broker said goodbye (code {answer.code})"
        return None

    def _connacked(self, answer: Connack, now_s: float) -> str | None:
        if self.up:
            return "the broker sent a second CONNACK"
        if answer.code:
            return REFUSALS.get(answer.code, f"code {answer.code}")
        rules = self._rules
        self.up = True
        rules.tally.connects += 1
        rules.tally.connected += 1
        self._keepalive_s = float(rules.login.keepalive_s if answer.keepalive_s is None else answer.keepalive_s)
        self._window = min(rules.kept_readings, answer.receive_maximum)
        if rules.command_topic is not None:
            self._ask(rules.command_topic.format(client_id=self.client_id), 1, now_s)
        for topic_filter, qos in self.filters:
            self._ask(topic_filter, qos, now_s)
        self.writable(now_s)
        if rules.listener is not None:
            rules.listener.connected(self)
        return None

    def _subscribed(self, answer: Suback) -> str | None:
        if answer.code >= REFUSED:
            return f"the broker refused a subscription (code {answer.code})"
        if self._rules.listener is not None:
            self._rules.listener.subscribed(self)
        return None

    def _acknowledged(self, answer: Puback, now_s: float) -> None:
        flight = self._flying.pop(answer.packet_id, None) if self._flying else None
        if flight is None:
            return
        if not self._flying:
            self._flying = None
        tally = self._rules.tally
        if answer.code < REFUSED:
            tally.acked += 1
            tally.latencies.add(now_s - flight[1], now_s)
        else:
            tally.rejected += 1
            tally.drop(flight[0])
        if self._waiting:
            self.writable(now_s)

    def _heard(self, message: Publish, now_s: float) -> None:
        rules = self._rules
        if rules.listener is not None:
            rules.listener.heard(self, message, now_s)
        else:
            rules.tally.command(self.client_id, message.payload)
        if message.packet_id:
            self._write(packets.puback(message.packet_id), now_s)

    def due_s(self) -> float:
        """When to call `care`, as far as is known now."""
        if not self._keepalive_s:
            return self._sent_s + CONNECT_S
        return min(self._sent_s, self._heard_s) + self._keepalive_s * QUIET

    def care(self, now_s: float) -> tuple[float, str | None]:
        """Keep the connection alive: when to call this next, or why the connection must be closed."""
        if not self.up:
            return now_s, f"no CONNACK within {CONNECT_S:.0f} s"
        self.attempts = 0  # only now: who is thrown out again and again shall come more and more seldom
        if self._pinged_s:
            return now_s, "no answer to a PINGREQ"
        if now_s < self.due_s():
            return self.due_s(), None
        self._write(packets.PINGREQ, now_s)
        self._pinged_s = now_s
        return now_s + max(self._keepalive_s, CONNECT_S) * PONG, None

    def goodbye(self, now_s: float, *, forget: bool = False) -> None:
        """Tell the broker that this end was meant; `forget` ends what it kept for the session, too (MQTT 5)."""
        if self.up:
            self._write(packets.FORGET if forget else packets.DISCONNECT, now_s)
