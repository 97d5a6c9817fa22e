"""Who carries MQTT to Kafka in a bench: each as a process, with the same login, filter and topic."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra import wiring
from infra.lab.paths import ROOT
from tests.support.apps import bridge
from tests.support.brokers import PASSWORDS, Kafka, Mosquitto
from tests.support.processes import Process, wait_until
from tests.support.telegraf import telegraf

USER = "bridge"
FILTER = f"{wiring.CARS_MQTT}/#"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contender works; `folder` is its own."""

    mosquitto: Mosquitto
    kafka: Kafka
    topic: str
    dead_letters: str
    folder: Path


def ours(place: Place) -> Process:
    """The bridge of this checkout."""
    topics = {wiring.SENSOR_DATA.name: place.topic}
    return bridge(place.folder, place.mosquitto, place.kafka.address, topics, place.dead_letters, LOG_LEVEL="WARNING")


def paho_kafka_python(place: Place) -> Process:
    """What most people would write."""
    words = (place.mosquitto.port, USER, PASSWORDS[USER], FILTER, place.kafka.address, place.topic)
    env = {"PYTHONPATH": str(ROOT)}
    return Process("peer", [sys.executable, "-m", "tests.bench.peers.paho_kafka", *map(str, words)], place.folder, env)


AGENT = """
[agent]
  omit_hostname = true
  metric_batch_size = 1000
  metric_buffer_limit = 100000
  flush_interval = "200ms"
"""
MQTT_CONSUMER = """
[[inputs.mqtt_consumer]]
  servers = ["{uri}"]
  client_id = "{user}"
  username = "{user}"
  password = "{password}"
  topics = ["{filter}"]
  qos = 1
  persistent_session = true
  max_undelivered_messages = 20000
  data_format = "value"
  data_type = "string"
"""
KAFKA = """
[[outputs.kafka]]
  brokers = ["{brokerlist}"]
  topic = "{topic}"
  routing_tag = "topic"
  required_acks = -1
  compression_codec = 3
  max_message_bytes = 1000000
  data_format = "template"
  template = '{{{{ .Field "value" }}}}'
"""


def telegraf_to_kafka(brokers: Sequence[Mosquitto], kafka: Kafka, topic: str, folder: Path) -> Process:
    """Telegraf with a kept session at each broker and Kafka's acks=all; it keys by the whole MQTT topic."""
    login = {"user": USER, "password": PASSWORDS[USER], "filter": FILTER}
    inputs = [MQTT_CONSUMER.format(uri=broker.uri, **login) for broker in brokers]
    config = folder / "telegraf.conf"
    config.write_text("".join([AGENT, *inputs, KAFKA.format(brokerlist=kafka.address, topic=topic)]))
    return Process("telegraf", [telegraf(), "--config", config], folder)


def with_telegraf(place: Place) -> Process:
    """The same, of one broker."""
    return telegraf_to_kafka([place.mosquitto], place.kafka, place.topic, place.folder)


def wait_for_subscription(mosquitto: Mosquitto, carrier: Process) -> None:
    """What is published before is no contender's to carry."""

    def subscribed() -> bool:
        return f"{USER} 1 {FILTER}" in mosquitto.log.read_text(errors="replace")

    wait_until(f"{carrier.log} tells of an end, or it has subscribed", lambda: subscribed() or not carrier.alive, 60.0)
    assert carrier.alive, carrier.log.read_text(errors="replace")[-2000:]


CONTENDERS = {"bridge": ours, "Telegraf": with_telegraf, "paho-mqtt + kafka-python": paho_kafka_python}
