"""What sends the devices' messages. Today paho clients on one thread; a larger fleet replaces the class, not its callers."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from runtime.backoff import Backoff
from runtime.status import Heartbeat

from fleet.herd import Herd, Publication
from fleet.metrics import Metrics
from fleet.schedule import Schedule

log = logging.getLogger(__name__)

MISC_EVERY_S = 1.0
LONGEST_WAIT_S = 0.2
GOODBYE_S = 2.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where the devices publish, and as whom."""

    host: str
    port: int
    user: str | None
    password: str | None
    keepalive_s: int
    kept_readings: int
    connects_per_s: float


class Engine(Protocol):
    """Publishes what each device has to say every interval of its kind."""

    def run(self, stop: threading.Event) -> None:
        """Until `stop`."""

    def ready(self) -> str | None:
        """None when the devices are connected, else how many are not."""


class Session:
    """One device's MQTT session. A message of QoS 1 that has no connection is kept, `kept_readings` at most."""

    def __init__(self, name: str, target: Target, selector: selectors.BaseSelector, metrics: Metrics) -> None:
        """The socket is watched by `selector` with this session as data."""
        self.name = name
        self.connected = False
        self._selector = selector
        self._metrics = metrics
        self.backoff = Backoff(0.5, 30.0)
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=name)
        self.client.connect_timeout = 5.0
        self.client.max_queued_messages_set(target.kept_readings)
        if target.user is not None:
            self.client.username_pw_set(target.user, target.password)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_publish = self._on_publish
        self.client.on_socket_open = self._on_socket_open
        self.client.on_socket_close = self._on_socket_close
        self.client.on_socket_register_write = self._on_register_write
        self.client.on_socket_unregister_write = self._on_unregister_write
        self.client.connect_async(target.host, target.port, target.keepalive_s)

    def _on_connect(self, _c: Client, _d: Any, _flags: ConnectFlags, reason: ReasonCode, _p: Properties | None) -> None:
        if reason.is_failure:
            log.error("%s is refused: %s", self.name, reason)
            self._metrics.refused.inc()
            return
        self.connected = True
        self.backoff.reset()
        self._metrics.connects.inc()
        self._metrics.connected.inc()

    def _on_disconnect(self, _c: Client, _d: Any, _flags: DisconnectFlags, _reason: ReasonCode, _p: Properties | None) -> None:
        if self.connected:
            self.connected = False
            self._metrics.connected.dec()

    def _on_publish(self, _c: Client, _d: Any, _mid: int, _reason: ReasonCode, _p: Properties | None) -> None:
        self._metrics.acked.inc()

    def _on_socket_open(self, _client: Client, _data: Any, opened: Any) -> None:
        self._selector.register(opened, selectors.EVENT_READ, self)

    def _on_socket_close(self, _client: Client, _data: Any, closed: Any) -> None:
        self._selector.unregister(closed)

    def _on_register_write(self, _client: Client, _data: Any, opened: Any) -> None:
        self._selector.modify(opened, selectors.EVENT_READ | selectors.EVENT_WRITE, self)

    def _on_unregister_write(self, _client: Client, _data: Any, opened: Any) -> None:
        self._selector.modify(opened, selectors.EVENT_READ, self)

    def connect(self) -> bool:
        """Open the connection; False if that failed."""
        try:
            self.client.reconnect()
        except OSError as failed:
            log.warning("%s cannot connect: %s", self.name, failed)
            self._metrics.refused.inc()
            return False
        opened = self.client.socket()
        if isinstance(opened, socket.socket):
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return True

    def publish(self, message: Publication) -> None:
        """Send a message, or keep it until there is a connection again."""
        told = self.client.publish(message.topic, message.payload, message.qos)
        kept = message.qos > 0 and told.rc == MQTTErrorCode.MQTT_ERR_NO_CONN
        if told.rc == MQTTErrorCode.MQTT_ERR_SUCCESS or kept:
            self._metrics.sent.inc()
        else:
            self._metrics.dropped.inc()


class PahoEngine:
    """All sessions on one thread: good for about a thousand devices."""

    def __init__(self, herds: Sequence[Herd], target: Target, metrics: Metrics, heartbeat: Heartbeat) -> None:
        """Nothing connects before `run`."""
        self._target = target
        self._metrics = metrics
        self._heartbeat = heartbeat
        self._selector = selectors.DefaultSelector()
        self._rounds: list[tuple[Herd, list[Session]]] = []
        for herd in herds:
            self._rounds.append((herd, [Session(name, target, self._selector, metrics) for name in herd.names]))
            metrics.devices.labels(herd.name).set(len(herd.names))
        self._sessions = [session for _, sessions in self._rounds for session in sessions]
        self._connect_s = [0.0] * len(self._sessions)  # not before

    def run(self, stop: threading.Event) -> None:
        """Connect, publish, reconnect until `stop`."""
        start_s = time.monotonic()
        rounds = [(herd, sessions, Schedule(len(sessions), herd.interval_s, start_s)) for herd, sessions in self._rounds]
        cares = Schedule(len(self._sessions), MISC_EVERY_S, start_s)
        connects = Schedule(1, 1.0 / self._target.connects_per_s, start_s)
        while not stop.is_set():
            self._heartbeat.beat()
            now_s = time.monotonic()
            for herd, sessions, due in rounds:
                if indices := list(due.take(now_s)):
                    for index, message in herd.publications(indices, time.time()):
                        sessions[index].publish(message)
            for index in cares.take(now_s):
                self._sessions[index].client.loop_misc()
            for _ in connects.take(now_s):
                self._connect_one(now_s)
            due_s = min(schedule.next_s() for schedule in (cares, *(due for _, _, due in rounds)))
            self._serve(max(0.0, min(LONGEST_WAIT_S, due_s - time.monotonic())))
        self._say_goodbye()

    def _connect_one(self, now_s: float) -> None:
        for index, session in enumerate(self._sessions):
            if session.client.socket() is None and now_s >= self._connect_s[index]:
                self._connect_s[index] = now_s + session.backoff.next_s()
                session.connect()
                return

    def _serve(self, wait_s: float) -> None:
        for key, events in self._selector.select(wait_s):
            session: Session = key.data
            if events & selectors.EVENT_READ:
                session.client.loop_read()
            if events & selectors.EVENT_WRITE and session.client.socket() is not None:
                session.client.loop_write()

    def _say_goodbye(self) -> None:
        for session in self._sessions:
            session.client.disconnect()
        until_s = time.monotonic() + GOODBYE_S
        while self._selector.get_map() and time.monotonic() < until_s:
            self._serve(0.05)

    def ready(self) -> str | None:
        """None when all devices are connected."""
        missing = sum(not session.connected for session in self._sessions)
        return f"{missing} of {len(self._sessions)} devices are not connected" if missing else None
