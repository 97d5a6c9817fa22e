"""The bridge's loop: MQTT session, window and courier on one thread."""

from __future__ import annotations

import logging
import threading
import time
from functools import partial

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Producer as KafkaProducer
from paho.mqtt.client import MQTTMessage
from runtime.seldom import Seldom
from runtime.settings import host_and_port, read_password
from runtime.status import Heartbeat

from bridge.courier import Courier
from bridge.metrics import Metrics
from bridge.mqtt import Login, MqttSession
from bridge.routes import resolver
from bridge.settings import BridgeSettings
from bridge.window import Message, Window

log = logging.getLogger(__name__)

BUSY_WAIT_S = 0.005  # how long a delivery report may lie while MQTT is silent
IDLE_WAIT_S = 0.2  # nothing in flight: nothing to serve
KAFKA_CHECK_S = 2.0
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
            "reconnect.backoff.max.ms": 2000,  # Kafka back after a restart is found within two seconds
            "error_cb": on_error,
            "log_level": 2,  # the client's own log would say the same again, many times a second
        }
    )


class Bridge:
    """One bridge. `run` returns when `stop` is set and what was in flight is saved, or after `stop_s`."""

    def __init__(self, settings: BridgeSettings, metrics: Metrics, heartbeat: Heartbeat) -> None:
        """Nothing connects before `run`."""
        host, port = host_and_port(settings.uri)
        password = read_password(settings.password_file)
        login = Login(host, port, settings.id, settings.user, password, settings.keepalive_s)
        self._settings = settings
        self._metrics = metrics
        self._heartbeat = heartbeat
        self._resolve = resolver(settings.routes, settings.id)
        self._window = Window(settings.window, settings.window_bytes)
        filters = [route.mqtt for route in settings.routes]
        self._mqtt = MqttSession(login, filters, settings.unsubscribe, self._receive, metrics.connects.inc)
        single = partial(_producer, settings, batch=1)
        self._courier = Courier(self._connect_kafka, single, settings.dead_letter_topic, settings.id, metrics)
        self._stop = threading.Event()
        self._kafka_good_until_s = 0.0
        self._received: Message | None = None
        self._saved: Message | None = None
        metrics.in_flight.set_function(self._window.__len__)

    def _connect_kafka(self) -> KafkaProducer:
        self._kafka = _producer(self._settings)
        return self._kafka

    def _receive(self, raw: MQTTMessage) -> None:
        topic = raw.topic
        message = Message(
            mid=raw.mid,
            qos=raw.qos,
            session=self._mqtt.number,
            topic=topic,
            payload=bytes(raw.payload),
            destination=self._resolve(topic),
            arrival_ms=time.time_ns() // 1_000_000,
            arrival_s=time.monotonic(),
        )
        self._metrics.came(message, duplicate=raw.dup)
        self._received = message
        self._window.add(message)
        self._courier.send(message)

    def _may_read(self) -> bool:
        return not self._window.full and not self._stop.is_set()

    def _turn(self) -> None:
        self._heartbeat.beat()
        self._mqtt.turn(may_read=self._may_read, wait_s=BUSY_WAIT_S if len(self._window) else IDLE_WAIT_S)
        self._courier.poll(self._window.unsaved)
        acknowledged = 0
        for message in self._window.take_saved():
            self._saved = message
            if message.qos and message.session == self._mqtt.number:
                self._mqtt.acknowledge(message.mid)
                acknowledged += 1
        if acknowledged:
            self._metrics.acknowledged.inc(acknowledged)

    def run(self, stop: threading.Event) -> None:
        """Carry until `stop`, then finish what is in flight without reading more."""
        while not stop.is_set():
            self._turn()
        self._stop.set()
        give_up_s = time.monotonic() + self._settings.stop_s
        while len(self._window) and time.monotonic() < give_up_s:
            self._turn()
        self._mqtt.close()
        if len(self._window):
            log.warning("stopped with %d messages in flight; the broker sends them again", len(self._window))

    def last(self) -> dict[str, dict[str, str]]:
        """The last message received and the last one that Kafka has. Called from the status thread."""
        seen = {"received": self._received, "saved": self._saved}
        return {hop: _told(message) for hop, message in seen.items() if message is not None}

    def ready(self) -> str | None:
        """None when connected, subscribed and Kafka answers; else what is missing. Called from the status thread."""
        return self._mqtt.why or self._kafka_why()

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
    to = message.destination.kafka if message.destination and message.reason is None else "dead letters"
    return {"topic": message.topic, "to": to, "payload": message.payload[:SHOWN_BYTES].decode(errors="replace")}


def wiring(settings: BridgeSettings) -> str:
    """One line that says what goes where."""
    routes = ", ".join(f"{route.mqtt} -> {route.kafka}" for route in settings.routes)
    return f"bridge {settings.id}: {settings.uri} -> {settings.brokerlist}: {routes}; refused -> {settings.dead_letter_topic}"
