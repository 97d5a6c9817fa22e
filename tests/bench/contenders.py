"""Who carries MQTT to Kafka in a bench: each as a process, with the same login, filter and topic."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from infra import wiring
from infra.lab.paths import ROOT
from tests.support.apps import bridge
from tests.support.brokers import PASSWORDS, Kafka, Mosquitto
from tests.support.processes import Process
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


TELEGRAF = """
[agent]
  omit_hostname = true
  metric_batch_size = 1000
  metric_buffer_limit = 100000
  flush_interval = "200ms"
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


def with_telegraf(place: Place) -> Process:
    """Telegraf with a kept session and Kafka's acknowledgement by all replicas; it keys by the whole MQTT topic."""
    told = {"uri": place.mosquitto.uri, "brokerlist": place.kafka.address, "topic": place.topic}
    config = place.folder / "telegraf.conf"
    config.write_text(TELEGRAF.format(user=USER, password=PASSWORDS[USER], filter=FILTER, **told))
    return Process("telegraf", [telegraf(), "--config", config], place.folder)


CONTENDERS = {"bridge": ours, "Telegraf": with_telegraf, "paho-mqtt + kafka-python": paho_kafka_python}
