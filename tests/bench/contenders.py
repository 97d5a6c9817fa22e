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


CONTENDERS = {"bridge": ours, "paho-mqtt + kafka-python": paho_kafka_python}
