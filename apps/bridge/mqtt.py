"""The bridge's session with one MQTT broker, driven by the caller's loop: it reads and acknowledges only when told to."""

from __future__ import annotations

import logging
import random
import socket
import struct
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from runtime import mqtt
from runtime.backoff import Backoff

from bridge.stream import PUBLISH, MalformedError, Packet, Stream

log = logging.getLogger(__name__)

CONNECT_S: Final = 5.0
ANSWER_S: Final = 20.0  # for CONNACK and SUBACK, and for what follows a PINGREQ
DEAD_PEER_MS: Final = 30_000  # what is sent and stays unanswered so long means the connection is gone
AWAY_S: Final = (10.0, 20.0)  # longer than an upgrade's two bridges run side by side: kubelet asks every 5 s who is ready
CHUNK_BYTES: Final = 262_144  # read at once, of each broker in turn
_CONNACK, _SUBACK, _UNSUBACK, _PINGRESP = 0x20, 0x90, 0xB0, 0xD0
_CONNACK_BYTES = 2
_UNSUBSCRIBING, _SUBSCRIBING = 1, 2  # packet ids
_PUBACK = 0x4002_0000  # with the packet id in its lower half
_REFUSED = 0x80
REFUSALS: Final = {1: "protocol version", 2: "client id", 3: "it is not available", 4: "user or password", 5: "not authorized"}


@dataclass(frozen=True, slots=True)
class Subscription:
    """As whom to ask for what; `dropped` are filters that an earlier life of the session may have subscribed to."""

    client_id: str
    login: mqtt.Login
    filters: tuple[str, ...]
    dropped: tuple[str, ...]
    longest: int  # bytes of a packet


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

    def __init__(self, address: tuple[str, int], wanted: Subscription) -> None:
        """Nothing connects before `care`."""
        self.number = 0  # of the accepted connection: an acknowledgement is valid only on the one its message came by
        self.socket: socket.socket | None = None
        self._place = "{}:{}".format(*address)
        self._why: str | None = "not connected yet"
        self._address = address
        self._wanted = wanted
        self._stream = Stream(wanted.longest)
        self._out = bytearray()
        self._accepted = self._settled = False  # a CONNACK came; a SUBACK too
        self._backoff = Backoff(0.5, 15.0)
        self._draw = random.Random()
        self._next_connect_s = 0.0
        self._opening: threading.Thread | None = None
        self._opened: socket.socket | OSError | None = None
        self._cut = False  # the broker has ended the last connection: either it goes down, or another has our session
        self._due_s: float | None = None  # until then the broker has to answer
        self._sent_s = 0.0

    @property
    def why(self) -> str | None:
        """None when connected and subscribed, else what is missing."""
        return self._why and f"{self._why} ({self._place})"

    @property
    def greets(self) -> bool:
        """Whether it waits for the broker's answers, which it reads even while messages have to wait."""
        return self.socket is not None and not self._accepted

    @property
    def waits(self) -> bool:
        """Whether packets were received and not taken yet."""
        return self._stream.ready

    @property
    def writes(self) -> bool:
        """Whether something waits for the kernel's room."""
        return bool(self._out)

    def care(self, *, reading: bool) -> None:
        """Connect if need be, keep the connection alive; `reading` says whether the broker's answers are read at all."""
        now_s = time.monotonic()
        if self.socket is None:
            self._connect(now_s)
            return
        if not reading:
            self._due_s = self._due_s and now_s + ANSWER_S
        if self._due_s is not None and now_s > self._due_s:
            self._lost(f"the MQTT broker gives no answer for {ANSWER_S:.0f} s")
        elif self._accepted and now_s - self._sent_s > self._wanted.login.keepalive_s / 2:
            self._due_s = self._due_s or now_s + ANSWER_S
            self._send(mqtt.PINGREQ)

    def _connect(self, now_s: float) -> None:
        if self._opening is None:
            if now_s >= self._next_connect_s:
                self._next_connect_s = now_s + self._backoff.next_s()
                self._opening = threading.Thread(target=self._open, daemon=True)  # a name may take seconds to resolve
                self._opening.start()
            return
        if self._opening.is_alive():
            return
        self._opening, opened, self._opened = None, self._opened, None
        cut, self._cut = self._cut, False
        if not isinstance(opened, socket.socket):
            self._why = f"the MQTT broker cannot be reached: {opened}"
            log.warning("%s", self.why)
        elif cut:
            self._taken(opened, now_s)
        else:
            self.socket = opened
            self._due_s = now_s + ANSWER_S
            self._send(mqtt.connect(self._wanted.client_id, self._wanted.login))

    def _taken(self, opened: socket.socket, now_s: float) -> None:
        """Leave the session to whoever took it, for a while.

        MQTT 3.1.1 does not say why a broker ends a connection; one that goes down takes no new connection, and this one did. In
        a rolling upgrade the newer bridge has it and the older one is about to be ended; should the newer one fail, the older
        one is back. Whoever reads meanwhile, the broker's session is one, and nothing is lost.
        """
        opened.close()
        away_s = self._draw.uniform(*AWAY_S)  # so that two that are there to stay do not come back as one
        self._next_connect_s = now_s + away_s
        self._why = f"another client has taken the session of {self._wanted.client_id}; it is tried again in {away_s:.0f} s"
        log.warning("%s", self.why)

    def _open(self) -> None:
        try:
            opened = socket.create_connection(self._address, CONNECT_S)
            _watch(opened)
            opened.settimeout(0.0)
        except OSError as failed:
            self._opened = failed
        else:
            self._opened = opened

    def receive(self, most: int) -> list[Packet]:
        """Read what is there now; the next messages, `most` packets at most. Nothing if the connection is lost by it."""
        try:
            return self._messages(most)
        except BlockingIOError:
            return []
        except (OSError, MalformedError) as failed:
            self._lost_by(failed)
            return []

    def _messages(self, most: int) -> list[Packet]:
        if self.socket is None:
            return []
        if not self._stream.ready:
            chunk = self.socket.recv(CHUNK_BYTES)
            if not chunk:
                raise ConnectionError("the broker closed it")
            self._stream.feed(chunk)
            self._due_s = None if self._settled else time.monotonic() + ANSWER_S
        messages = []
        for packet in self._stream.take(most):
            if packet[0] & 0xF0 == PUBLISH and self._accepted:
                messages.append(packet)
            else:
                self._answered(packet[0], packet[3])
        return messages

    def _answered(self, first: int, body: bytes) -> None:
        if first == _CONNACK and not self._accepted and len(body) == _CONNACK_BYTES:
            self._connacked(session_present=bool(body[0]), code=body[1])
        elif first == _SUBACK and self._accepted and body[:2] == bytes((0, _SUBSCRIBING)):
            self._subscribed(body[2:])
        elif first not in {_UNSUBACK, _PINGRESP} or not self._accepted:
            raise MalformedError(f"nobody asked for a packet that begins with 0x{first:02x} and has {len(body)} bytes")

    def _connacked(self, *, session_present: bool, code: int) -> None:
        if code:
            raise ConnectionRefusedError(f"it refuses the connection: {REFUSALS.get(code, f'code {code}')}")
        self._accepted = True
        self.number += 1
        self._why = "not subscribed yet"
        log.info("connected to the MQTT broker %s, session %s", self._place, "kept" if session_present else "new")
        if self._wanted.dropped:
            self._send(mqtt.unsubscribe(mqtt.MQTT_3_1_1, _UNSUBSCRIBING, *self._wanted.dropped))
        self._send(mqtt.subscribe(mqtt.MQTT_3_1_1, _SUBSCRIBING, *self._wanted.filters))

    def _subscribed(self, codes: bytes) -> None:
        if len(codes) != len(self._wanted.filters):
            raise MalformedError(f"{len(self._wanted.filters)} filters were subscribed to, and {len(codes)} are answered")
        refused = [name for name, code in zip(self._wanted.filters, codes, strict=True) if code >= _REFUSED]
        self._why = f"the MQTT broker refuses to let us read {', '.join(refused)}" if refused else None
        if refused:
            log.error("%s", self.why)
        else:
            self._backoff.reset()
        self._settled = True
        self._due_s = None

    def acknowledge(self, number: int, mids: Sequence[int]) -> int:
        """Send the PUBACKs of messages of connection `number`, in that order; how many, as those of an earlier one are void."""
        if number != self.number or not self._accepted or not mids:
            return 0
        self._send(struct.pack(f">{len(mids)}I", *[_PUBACK | mid for mid in mids]))
        return len(mids)

    def _send(self, packets: bytes) -> None:
        self._out += packets
        self._sent_s = time.monotonic()
        self.flush()

    def flush(self) -> None:
        """Write what the kernel takes."""
        if self.socket is None or not self._out:
            return
        try:
            del self._out[: self.socket.send(self._out)]
        except BlockingIOError:
            return
        except OSError as failed:
            self._lost_by(failed)

    def _lost_by(self, failed: Exception) -> None:
        if self._accepted and isinstance(failed, ConnectionError):
            self._cut = True
            self._next_connect_s = 0.0  # whether the broker is still there is to be known now
        self._lost(f"the connection to the MQTT broker is lost: {failed}")

    def _lost(self, why: str) -> None:
        self._why = why
        log.warning("%s", self.why)
        self._end()

    def _end(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self.socket = None
        self._accepted = self._settled = False
        self._out.clear()
        self._stream = Stream(self._wanted.longest)

    def close(self) -> None:
        """Say goodbye; the broker keeps the session."""
        if self.socket is not None and self._accepted:
            self.socket.settimeout(CONNECT_S)
            with suppress(OSError):
                self.socket.sendall(bytes(self._out) + mqtt.DISCONNECT)
        self._end()
