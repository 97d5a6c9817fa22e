"""The hops beyond InfluxDB: flown at once, each told by the one who makes it, in a topic of answers.

A message as a board's goes by the bridge to the apps that act on boards, one goes through a flow of Node-RED. Who dealt with
one writes it to the topic of answers under its own name; what kept it from that stands in a header. So the canary needs no
right but to read Kafka.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace

from telemetry.iotkit import Alert, SensorReading, encode

from canary.kafka import Arrivals, Identity, KafkaWatch, WatchError
from canary.logins import Logins
from canary.mqtt import MqttError, MqttProbe
from canary.report import ALERT, CSV, NODE_RED, NOT_SEEN, NOT_TRIED, Hop
from canary.settings import CanarySettings


@dataclass(frozen=True, slots=True)
class Leg:
    """A hop with its message: published on `topic`, seen in Kafka under `passes` if it names a key, answered under `answers`."""

    hop: Hop
    topic: str
    payload: bytes
    answers: str
    passes: str = ""

    @property
    def done(self) -> Identity:
        """The record that answers."""
        return self.answers, self.payload

    @property
    def passed(self) -> Identity:
        """The record on the way."""
        return self.passes, self.payload


def legs(settings: CanarySettings, name: str) -> list[Leg]:
    """Those of this stack; each message is told from all others by `name`, or by a number."""
    board = f"{settings.board_mqtt_topic}/{settings.device}"
    line = encode(SensorReading(secrets.randbelow(2**31), 20.0, 50.0, "low"))
    known = (
        Leg(NODE_RED, f"{settings.flow_mqtt_topic}/{settings.device}", name.encode(), "node-red"),
        Leg(CSV, f"{board}/sensor", line, "csv_sink", f"{board}/sensor"),
        Leg(ALERT, f"{board}/alert", encode(Alert(name)), "alert_process", f"{board}/alert"),
    )
    return [leg for leg in known if leg.hop.name in settings.hops]


def judged(leg: Leg, sent_s: float, found: Arrivals) -> Hop:
    """What is known of a hop."""
    begun_s = found[leg.passed].at_s if leg.passed in found else sent_s
    if (answer := found.get(leg.done)) is None:
        lost = leg.passes and leg.passed not in found
        told = replace(leg.hop, error="its message is in Mosquitto, but does not come to Kafka", blamed=("bridge",))
        return told if lost else replace(leg.hop, error=NOT_SEEN)
    if answer.reason:
        return replace(leg.hop, error=f"{leg.hop.blamed[0]} says: {answer.reason}")
    return replace(leg.hop, latency_ms=round(max(0.0, answer.at_s - begun_s) * 1000, 1))


def _all(flown: Collection[Leg], error: str, *blamed: str) -> list[Hop]:
    return [replace(leg.hop, error=error, blamed=blamed) for leg in flown]


def fly(settings: CanarySettings, who: Logins, name: str) -> list[Hop]:
    """Send the messages and wait for their answers."""
    flown, limit_s = legs(settings, name), settings.hop_timeout_s
    if not flown:
        return []
    watch = KafkaWatch(settings.brokerlist, (settings.board_topic, settings.answer_topic), settings.device)
    probe = MqttProbe(who.address, f"{name}-chain", who.mqtt)
    try:
        watch.start(limit_s)
        probe.connect(limit_s)
        sent_s = {leg.hop.name: probe.publish(leg.topic, leg.payload) for leg in flown}
        wanted = {leg.done for leg in flown} | {leg.passed for leg in flown if leg.passes}
        found = watch.gather(wanted, limit_s)
    except WatchError as failed:
        return _all(flown, f"kafka cannot be asked: {failed}", "kafka")
    except MqttError:
        return _all(flown, NOT_TRIED)
    finally:
        probe.close()
        watch.close()
    return [judged(leg, sent_s[leg.hop.name], found) for leg in flown]
