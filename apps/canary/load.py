"""Many messages at a rate through the canaries' lanes, and how long each took: what `./lab bench` asks for.

The same payload goes to Kafka through the bridge and through Node-RED in the same seconds, so that their ratio says more than
either figure: whatever else the machine does, it does to both.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from telemetry.car import encode_json
from telemetry.iotkit import Alert, encode

from canary.flight import new_name, reading
from canary.kafka import Identity, KafkaWatch
from canary.logins import Logins
from canary.mqtt import MqttProbe
from canary.settings import CanarySettings

LATE_S = 20.0  # after the last message: Camunda may have some to catch up with
BRIDGE, NODE_RED, ALERT = "bridge", "node-red", "alert"


@dataclass(frozen=True, slots=True)
class Rates:
    """Messages a second through each way to Kafka, alerts a second, for how long, and how long late ones are waited for."""

    readings_s: float
    alerts_s: float
    seconds: float
    late_s: float = LATE_S
    only: str = ""  # a lane's name; all of them if empty

    @classmethod
    def of(cls, chosen: argparse.Namespace) -> Rates:
        """As the command line says."""
        return cls(chosen.rate, chosen.alert_rate, chosen.seconds, chosen.late, chosen.only)


def add_options(options: argparse.ArgumentParser) -> None:
    """The command line's part."""
    options.add_argument("--rate", type=float, default=100.0, help="load: messages a second through each way to Kafka")
    options.add_argument("--alert-rate", type=float, default=5.0, help="load: alerts a second")
    options.add_argument("--seconds", type=float, default=30.0, help="load: how long")
    options.add_argument("--late", type=float, default=LATE_S, help="load: how long to wait for late ones, s")
    options.add_argument("--only", choices=(BRIDGE, NODE_RED, ALERT), default="", help="load: this lane alone")


@dataclass(frozen=True, slots=True)
class Lane:
    """Where messages go in and come out; `passes` is the key under which their clock starts in Kafka, if it does there."""

    name: str
    rate_s: float
    mqtt_topic: str
    payload: Callable[[int], bytes]
    answers: str
    passes: str = ""


@dataclass
class Tally:
    """What is known of a lane's messages, by payload; times are monotonic."""

    lane: Lane
    begun_s: dict[bytes, float] = field(default_factory=dict)
    took_s: dict[bytes, float] = field(default_factory=dict)
    seen: Counter[bytes] = field(default_factory=Counter)
    acked: set[bytes] = field(default_factory=set)
    disordered: int = 0  # came first behind one that was sent later
    _newest_s: float = 0.0

    def arrived(self, identity: Identity, at_s: float) -> None:
        """Note a record that may be one of ours."""
        key, value = identity
        if value not in self.begun_s:
            return
        if key == self.lane.passes:
            self.begun_s[value] = at_s
        elif key == self.lane.answers:
            self.seen[value] += 1
            begun_s = self.begun_s[value]
            self.disordered += self.seen[value] == 1 and begun_s < self._newest_s
            self._newest_s = max(begun_s, self._newest_s)
            self.took_s.setdefault(value, max(0.0, at_s - begun_s))

    def as_json(self) -> dict[str, object]:
        """`{"name", "rate_s", "sent", "acked", "lost", "acked_lost", "twice", "disordered", "p50_ms", "p99_ms", "max_ms"}`.

        `lost` are of those sent, `acked_lost` of those that the broker had acknowledged; times are None if nothing came.
        """
        took = sorted(self.took_s.values())
        told = {"p50_ms": 0.50, "p99_ms": 0.99, "max_ms": 1.0}
        return {
            "name": self.lane.name,
            "rate_s": self.lane.rate_s,
            "sent": len(self.begun_s),
            "acked": len(self.acked),
            "lost": len(self.begun_s) - len(took),
            "acked_lost": len(self.acked - self.took_s.keys()),
            "twice": sum(count > 1 for count in self.seen.values()),
            "disordered": self.disordered,
            **{name: round(quantile(took, share) * 1000, 1) if took else None for name, share in told.items()},
        }


def quantile(ordered: list[float], share: float) -> float:
    """The smallest value that `share` of all do not pass (nearest rank)."""
    return ordered[max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))]


def lanes(settings: CanarySettings, name: str, begun_s: float, rates: Rates) -> list[Lane]:
    """Those of this stack; a payload is told from all others by its time, or by its number."""

    def car(number: int) -> bytes:
        return encode_json(reading(name, begun_s + number / rates.readings_s))

    def alert(number: int) -> bytes:
        return encode(Alert(f"{name}-{number}"))

    device = settings.device
    board = f"{settings.board_mqtt_topic}/{device}/alert"
    known = [
        (Lane(BRIDGE, rates.readings_s, f"{settings.mqtt_topic}/{device}", car, device), True),
        (Lane(NODE_RED, rates.readings_s, f"{settings.flow_mqtt_topic}/{device}", car, "node-red"), NODE_RED in settings.hops),
        (Lane(ALERT, rates.alerts_s, board, alert, "alert_process", board), ALERT in settings.hops),
    ]
    return [lane for lane, there in known if there and rates.only in {"", lane.name}]


def schedule(lanes: list[Lane], seconds: float) -> Iterator[tuple[float, int, int]]:
    """When to send (s after the begin), which lane's, which number of it; in order of time."""
    due = [
        (number / lane.rate_s, place, number)
        for place, lane in enumerate(lanes)
        for number in range(round(lane.rate_s * seconds))
    ]
    return iter(sorted(due))


def run(settings: CanarySettings, who: Logins, rates: Rates) -> dict[str, object]:
    """Send at these rates for so long and wait for the rest.

    Returns:
        `{"lanes": [...]}`, each as `Tally.as_json` says.

    Raises:
        MqttError, WatchError: Mosquitto or Kafka cannot be asked.
    """
    name = new_name(settings.device)
    tallies = [Tally(lane) for lane in lanes(settings, name, round(time.time(), 3), rates)]
    topics = [topic for topic in (settings.kafka_topic, settings.board_topic, settings.answer_topic) if topic]
    watch = KafkaWatch(settings.brokerlist, topics, settings.device)
    probe = MqttProbe(who.address, f"{name}-load", who.mqtt)
    try:
        watch.start(settings.hop_timeout_s)
        probe.connect(settings.hop_timeout_s)
        _send_and_watch(probe, watch, tallies, rates)
        for tally in tallies:
            tally.acked = probe.acknowledged & tally.begun_s.keys()
    finally:
        probe.close()
        watch.close()
    return {"lanes": [tally.as_json() for tally in tallies]}


def _send_and_watch(probe: MqttProbe, watch: KafkaWatch, tallies: list[Tally], rates: Rates) -> None:
    sent = threading.Event()

    def send() -> None:
        begun_s = time.monotonic()
        for at_s, place, number in schedule([tally.lane for tally in tallies], rates.seconds):
            time.sleep(max(0.0, begun_s + at_s - time.monotonic()))
            tally = tallies[place]
            payload = tally.lane.payload(number)
            tally.begun_s[payload] = time.monotonic()
            probe.publish(tally.lane.mqtt_topic, payload)
        sent.set()

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    until_s = time.monotonic() + rates.seconds + rates.late_s
    while time.monotonic() < until_s and not (sent.is_set() and all(len(t.took_s) == len(t.begun_s) for t in tallies)):
        if came := watch.next():
            for tally in tallies:
                tally.arrived(*came)
    sender.join(rates.late_s)
