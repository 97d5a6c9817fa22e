"""The bridge's loop: a session with each MQTT broker, one window and one courier, all on one thread."""

from __future__ import annotations

import logging
import select
import threading
import time
from functools import partial
from itertools import groupby

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Producer as KafkaProducer
from runtime import mqtt
from runtime.seldom import Seldom
from runtime.settings import host_and_port, read_password
from runtime.status import Heartbeat

from bridge.courier import Courier
from bridge.metrics import Metrics
from bridge.mqtt import MqttSession, Subscription
from bridge.routes import Ways
from bridge.settings import BridgeSettings
from bridge.stream import DUP
from bridge.window import Batch, Message, Window

log = logging.getLogger(__name__)

TURN_S = 0.002  # a turn costs as much as reading three messages, so it takes what has come meanwhile: 20 at 10,000 a second
BUSY_WAIT_S = 0.005  # how long a delivery report may lie while MQTT is silent
IDLE_WAIT_S = 0.2  # nothing in flight: nothing to serve
KAFKA_CHECK_S = 2.0
KAFKA_FIRST_S = 20.0  # so long a bridge that starts leaves the session where it is while Kafka does not answer
ANSWER_MS = 10_000  # librdkafka's own 60 s, and 30 s to connect, kept a bridge away from a Kafka in reach again (2026-11-26)
CONNECT_MS = 5_000
SHOWN_BYTES = 600  # a reading of a car has 530


def _producer(settings: BridgeSettings, *, batch: int = 10_000) -> KafkaProducer:
    seldom = Seldom(log)

    def on_error(error: KafkaError) -> None:
        seldom.warning(f"Kafka: {error.str()}")

    return KafkaProducer(
        {
            "bootstrap.servers": settings.brokerlist,
            "client.id": settings.id,
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": settings.linger_ms,
            "compression.type": "lz4",
            "batch.num.messages": batch,
            "message.timeout.ms": 0,  # for ever: what is not saved is not acknowledged, so there is nothing to give up for
            "message.max.bytes": settings.max_message_bytes,
            "queue.buffering.max.messages": settings.window + 1,
            "queue.buffering.max.kbytes": 2 * settings.window_bytes // 1024,
            "topic.metadata.propagation.max.ms": 10_000,  # so long a topic may be unknown before that counts as refused
            "socket.keepalive.enable": True,
            "socket.timeout.ms": ANSWER_MS,
            "socket.connection.setup.timeout.ms": CONNECT_MS,
            "reconnect.backoff.max.ms": 2000,  # Kafka back after a restart is found within two seconds
            "error_cb": on_error,
            "log_level": 2,  # the client's own log would say the same again, many times a second
        }
    )


def _sessions(settings: BridgeSettings) -> list[MqttSession]:
    password = read_password(settings.password_file)
    kept_s = 1  # 3.1.1 knows for good only
    login = mqtt.Login(mqtt.MQTT_3_1_1, settings.user, password, settings.keepalive_s, kept_s)
    filters = tuple(route.mqtt for route in settings.routes)
    wanted = Subscription(settings.id, login, filters, settings.unsubscribe, settings.window_bytes)
    return [MqttSession(host_and_port(uri), wanted) for uri in settings.brokers]


class Bridge:
    """One bridge. `run` returns when `stop` is set and what was in flight is saved, or after `stop_s`."""

    def __init__(self, settings: BridgeSettings, metrics: Metrics, heartbeat: Heartbeat) -> None:
        """Nothing connects before `run`."""
        self._settings = settings
        self._metrics = metrics
        self._heartbeat = heartbeat
        self._ways = Ways(settings.routes, settings.id)
        self._window = Window(settings.window, settings.window_bytes)
        self._sessions = _sessions(settings)
        single = partial(_producer, settings, batch=1)
        self._courier = Courier(self._connect_kafka, single, settings.dead_letter_topic, metrics)
        self._stop = threading.Event()
        self._connects = 0
        self._kafka_good_until_s = 0.0
        self._next_turn_s = 0.0
        self._received: Message | None = None
        self._saved: Message | None = None
        metrics.in_flight.set_function(self._window.__len__)

    def _connect_kafka(self) -> KafkaProducer:
        self._kafka = _producer(self._settings)
        return self._kafka

    @property
    def _room(self) -> int:
        return 0 if self._stop.is_set() else self._window.room

    def _wait(self) -> list[MqttSession]:
        """Until a broker sends or takes something, or delivery reports are due; returns whom to read."""
        time.sleep(max(0.0, self._next_turn_s - time.monotonic()))
        self._next_turn_s = time.monotonic() + TURN_S
        room = self._room
        reads = [each.socket for each in self._sessions if each.socket and (room or each.greets)]
        writes = [each.socket for each in self._sessions if each.socket and each.writes]
        wait_s = BUSY_WAIT_S if len(self._window) else IDLE_WAIT_S
        waiting = [each for each in self._sessions if each.waits] if room else []
        readable, _, _ = select.select(reads, writes, [], 0.0 if waiting else wait_s)
        return [each for each in self._sessions if each.socket in readable or each in waiting]

    def _read(self, session: MqttSession) -> None:
        room = self._room
        if not room and not session.greets:
            return
        packets = session.receive(max(1, room))
        if not packets:
            return
        batch = Batch(session, session.number, time.time_ns() // 1_000_000, time.monotonic())
        ways = self._ways
        messages = [Message(batch, mid, ways[topic], payload) for _, mid, topic, payload in packets]
        self._metrics.came(messages, sum(1 for packet in packets if packet[0] & DUP))
        self._received = messages[-1]
        self._window.add(messages)
        self._courier.send(messages)

    def _acknowledge(self) -> None:
        taken = self._window.take_saved()
        if not taken:
            return
        self._saved = taken[-1]
        acknowledged = 0
        for batch, messages in groupby(taken, lambda message: message.batch):
            acknowledged += batch.session.acknowledge(batch.connection, [each.mid for each in messages if each.mid])
        self._metrics.acknowledged.inc(acknowledged)

    def _turn(self) -> None:
        self._heartbeat.beat()
        self._sessions = [*self._sessions[1:], self._sessions[0]]  # so that none is always the first to fill the window
        for session in self._wait():
            self._read(session)
        for session in self._sessions:
            if session.socket or not self._stop.is_set():  # who is about to end takes no session that another may have
                session.care(reading=self._room > 0)
            session.flush()
        self._courier.poll(self._window.unsaved)
        self._acknowledge()
        connects = sum(session.number for session in self._sessions)
        self._metrics.connects.inc(connects - self._connects)
        self._connects = connects

    def _wait_for_kafka(self, stop: threading.Event) -> None:
        """Take no session before there is a Kafka to carry to: an older bridge may have it, and could go on.

        Not for ever, as what comes before the first subscription of a new lab is kept for nobody.
        """
        until_s = time.monotonic() + KAFKA_FIRST_S
        while not stop.is_set() and time.monotonic() < until_s and self._kafka_why():
            self._heartbeat.beat()

    def run(self, stop: threading.Event) -> None:
        """Carry until `stop`, then finish what is in flight without reading more."""
        self._wait_for_kafka(stop)
        while not stop.is_set():
            self._turn()
        self._stop.set()
        give_up_s = time.monotonic() + self._settings.stop_s
        while len(self._window) and time.monotonic() < give_up_s:
            self._turn()
        for session in self._sessions:
            session.close()
        if len(self._window):
            log.warning("stopped with %d messages in flight; the broker sends them again", len(self._window))

    def last(self) -> dict[str, dict[str, str]]:
        """The last message received and the last one that Kafka has. Called from the status thread."""
        seen = {"received": self._received, "saved": self._saved}
        return {hop: _told(message) for hop, message in seen.items() if message is not None}

    def ready(self) -> str | None:
        """None when each broker lets us read and Kafka answers; else what is missing. Called from the status thread."""
        missing = [session.why for session in self._sessions if session.why]
        return missing[0] if missing else self._kafka_why()

    def _kafka_why(self) -> str | None:
        if time.monotonic() < self._kafka_good_until_s:
            return None
        try:
            self._kafka.list_topics(timeout=2.0)
        except KafkaException as failed:
            return f"Kafka at {self._settings.brokerlist} does not answer: {failed.args[0].str()}"
        self._kafka_good_until_s = time.monotonic() + KAFKA_CHECK_S
        return None


def _told(message: Message) -> dict[str, str]:
    """Where it came from, where it goes and how it begins."""
    to = message.way.kafka if message.way.kafka and message.reason is None else "dead letters"
    return {"topic": message.way.topic, "to": to, "payload": message.payload[:SHOWN_BYTES].decode(errors="replace")}


def wiring(settings: BridgeSettings) -> str:
    """One line that says what goes where."""
    routes = ", ".join(f"{route.mqtt} -> {route.kafka}" for route in settings.routes)
    read = ", ".join(settings.brokers)
    return f"bridge {settings.id}: {read} -> {settings.brokerlist}: {routes}; refused -> {settings.dead_letter_topic}"
