"""What the MQTT brokers throw away: each one's own count, listened to all the time.

Mosquitto drops what does not fit into a client's queue: of one that is away, and of one that reads too slowly, QoS 0 included. It
says so to nobody but on a topic of its own, with how many there were since it started.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

log = logging.getLogger(__name__)

WINDOW_S: Final = 600.0  # how long a drop is worth an alarm
DEAF_S: Final = 60.0  # a broker that restarts is away for less
KEEPALIVE_S: Final = 30
_RECONNECT_S: Final = (1, 10)


class Tally:
    """A broker's count since it started, as one that outlives its restarts.

    A count below the last one is a new broker's, all of it new. A broker that restarted and dropped more than it ever had before
    while nobody listened is taken for the old one: then too few are counted, never too many.
    """

    def __init__(self) -> None:
        """The first count is where this begins: nobody knows how old those are."""
        self._last: int | None = None
        self._recent: deque[tuple[float, int]] = deque()

    def heard(self, count: int, now_s: float) -> int:
        """How many more there are by that count."""
        before = count if self._last is None else self._last
        more = count - before if count >= before else count
        self._last = count
        if more:
            self._recent.append((now_s, more))
        return more

    def recent(self, now_s: float) -> int:
        """Messages of the last `WINDOW_S`."""
        while self._recent and self._recent[0][0] < now_s - WINDOW_S:
            self._recent.popleft()
        return sum(more for _, more in self._recent)


class Listener:
    """A subscription to one broker's count, on a thread of its own."""

    def __init__(
        self, address: tuple[str, int], client_id: str, login: tuple[str, str], topic: str, told: Callable[[int], None]
    ) -> None:
        """`told` is given how many messages more were dropped."""
        self._address = address
        self.place = "{}:{}".format(*self._address)
        self._topic = topic
        self._told = told
        self._tally = Tally()
        self._lock = threading.Lock()
        self._why = "it gives no answer"
        self._deaf_since_s: float | None = time.monotonic()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client_id)
        self._client.username_pw_set(*login)
        self._client.reconnect_delay_set(*_RECONNECT_S)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._heard

    def start(self) -> None:
        """Connect, now and whenever the connection is lost."""
        self._client.connect_async(*self._address, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def close(self) -> None:
        """Say goodbye."""
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: Client, _d: Any, _flags: ConnectFlags, reason: ReasonCode, _p: Properties | None) -> None:
        if reason.is_failure:
            self._why = str(reason)
        else:
            client.subscribe(self._topic)  # retained: the answer is the count as it is now

    def _disconnected(self, _c: Client, _d: Any, _f: DisconnectFlags, reason: ReasonCode, _p: Properties | None) -> None:
        if self._deaf_since_s is None:
            self._why = f"the connection is lost ({reason})"
            self._deaf_since_s = time.monotonic()

    def _heard(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            count = int(message.payload)
        except ValueError:
            self._why = f"it says {message.payload[:20]!r}, which is no number"
            return
        with self._lock:
            more = self._tally.heard(count, time.monotonic())
        if self._deaf_since_s is not None:
            log.info("the MQTT broker %s has dropped %d messages since it started", self.place, count)
            self._deaf_since_s = None
        if more:
            log.error("the MQTT broker %s has dropped %d messages more", self.place, more)
            self._told(more)

    def recent(self) -> int:
        """Messages dropped in the last `WINDOW_S`."""
        with self._lock:
            return self._tally.recent(time.monotonic())

    @property
    def deaf(self) -> str | None:
        """Why the count is not heard, if it has not been for `DEAF_S`."""
        since_s = self._deaf_since_s
        return self._why if since_s is not None and time.monotonic() - since_s > DEAF_S else None


class Drops:
    """All brokers of a lab, by number of their shard."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        """Nothing connects before `start`."""
        self._listeners = listeners

    def start(self) -> None:
        """Listen."""
        for each in self._listeners:
            each.start()

    def close(self) -> None:
        """Listen no more."""
        for each in self._listeners:
            each.close()

    def why(self) -> str | None:
        """None if nothing was dropped and every broker is heard, else what to know and to do, in a sentence."""
        dropped = {shard: count for shard, each in enumerate(self._listeners) if (count := each.recent())}
        if dropped:
            return sentence(dropped)
        deaf = [f"shard {shard}, {each.place}: {each.deaf}" for shard, each in enumerate(self._listeners) if each.deaf]
        return f"how many messages it drops cannot be heard ({'; '.join(deaf)}); run ./lab logs mosquitto" if deaf else None


def sentence(dropped: Mapping[int, int]) -> str:
    """How many messages of which shard, why that happens and what to do."""
    shards = ", ".join(f"shard {shard}: {count:,}" for shard, count in dropped.items())
    return (
        f"it threw away {sum(dropped.values()):,} messages in the last {WINDOW_S / 60:.0f} minutes ({shards}): a client was away "
        "for longer, or read more slowly, than its queue holds; ./lab logs mosquitto names the client, ./lab status says what is "
        "down, docs/howto/dropped-messages.md what to do"
    )
