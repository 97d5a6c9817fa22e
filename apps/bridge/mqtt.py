"""The bridge's MQTT session, driven by the caller's loop: it reads only when told to, and acknowledges only when told to."""

from __future__ import annotations

import logging
import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from runtime.backoff import Backoff

log = logging.getLogger(__name__)

DEAD_PEER_MS = 30_000  # what is sent and stays unanswered so long means the connection is gone
READS_A_TURN = 256  # paho reads one packet a call; so many before delivery reports are served again


@dataclass(frozen=True, slots=True)
class Login:
    """How to reach the broker and as whom."""

    host: str
    port: int
    client_id: str
    user: str | None
    password: str | None
    keepalive_s: int


def _watch(connection: socket.socket) -> None:
    """Let TCP find a dead broker: while the window is full nothing is read, so MQTT's own ping cannot."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_MS)


class MqttSession:
    """One kept session (clean session off), so that the broker holds what comes while the bridge is away."""

    def __init__(
        self,
        login: Login,
        filters: Sequence[str],
        dropped: Sequence[str],
        receive: Callable[[MQTTMessage], None],
        connected: Callable[[], None],
    ) -> None:
        """`receive` gets each message as it is read; `connected` is called at each accepted connection.

        `dropped` are filters that an earlier life of the session may have subscribed to.
        """
        self.number = 0  # of the connection: an acknowledgement is valid only on the one its message came by
        self.why: str | None = "not connected yet"  # None when connected and subscribed
        self._filters = [(mqtt_filter, 1) for mqtt_filter in filters]
        self._dropped = list(dropped)
        self._receive = receive
        self._connected = connected
        self._accepted = False
        self._read = 0
        self._backoff = Backoff(0.5, 15.0)
        self._next_connect_s = 0.0
        self._next_misc_s = 0.0
        self._client = self._make(login)

    def _make(self, login: Login) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, client_id=login.client_id, clean_session=False, manual_ack=True)
        client.connect_timeout = 5.0
        if login.user is not None:
            client.username_pw_set(login.user, login.password)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.connect_async(login.host, login.port, login.keepalive_s)
        return client

    def _on_connect(self, client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, _more: Properties | None) -> None:
        if reason.is_failure:
            self.why = f"the MQTT broker refuses the connection: {reason}"
            log.error("%s", self.why)
            return
        self._accepted = True
        self.number += 1
        self._connected()
        self.why = "not subscribed yet"
        log.info("connected to the MQTT broker, session %s", "kept" if flags.session_present else "new")
        if self._dropped:
            client.unsubscribe(self._dropped)
        client.subscribe(self._filters)

    def _on_subscribe(self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _more: Properties | None) -> None:
        refused = [name for (name, _), reason in zip(self._filters, reasons, strict=False) if reason.is_failure]
        self.why = f"the MQTT broker refuses to let us read {', '.join(refused)}" if refused else None
        if refused:
            log.error("%s", self.why)
        else:
            self._backoff.reset()

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, reason: ReasonCode, _more: Properties | None
    ) -> None:
        if self._accepted:
            self.why = f"the connection to the MQTT broker is lost: {reason}"
            log.warning("%s", self.why)
        self._accepted = False

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._read += 1
        self._receive(message)

    def turn(self, *, may_read: Callable[[], bool], wait_s: float) -> None:
        """Wait up to `wait_s` for the broker, read while `may_read` allows it, write what waits, reconnect if need be."""
        connection = self._client.socket()
        if connection is None:
            self._reconnect(wait_s)
            return
        wants = [connection] if may_read() or not self._accepted else []
        writes = [connection] if self._client.want_write() else []
        readable, writable, _ = select.select(wants, writes, [], wait_s)
        if readable:
            self._read_some(may_read)
        if writable:
            self._client.loop_write()
        now_s = time.monotonic()
        if now_s >= self._next_misc_s:
            self._next_misc_s = now_s + 1.0
            self._client.loop_misc()

    def _read_some(self, may_read: Callable[[], bool]) -> None:
        for _ in range(READS_A_TURN):
            before = self._read
            if self._client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS or self._read == before or not may_read():
                return

    def _reconnect(self, wait_s: float) -> None:
        now_s = time.monotonic()
        if now_s < self._next_connect_s:
            time.sleep(min(wait_s, self._next_connect_s - now_s))
            return
        self._next_connect_s = now_s + self._backoff.next_s()
        try:
            self._client.reconnect()
        except OSError as failed:
            self.why = f"the MQTT broker cannot be reached: {failed}"
            log.warning("%s", self.why)
            return
        opened = self._client.socket()
        if isinstance(opened, socket.socket):
            _watch(opened)

    def acknowledge(self, mid: int) -> None:
        """Send the PUBACK of message `mid` of the present connection."""
        self._client.ack(mid, 1)

    def close(self) -> None:
        """Say goodbye; the broker keeps the session."""
        self._client.disconnect()
        self._client.loop_write()
