"""The canary through the whole chain of real processes, and what it says when a hop is dead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra import wiring
from tests.support.apps import App, bridge, canary, running, timeseries
from tests.support.brokers import Influx, Kafka, Mosquitto
from tests.support.load import contents
from tests.support.processes import wait_until


def _once(app: App) -> dict[str, Any]:
    app.start()
    wait_until("the canary is back", lambda: not app.alive, 60.0)
    found: dict[str, Any] = json.loads(app.log.read_text().splitlines()[-1])
    return found


def test_a_reading_is_followed_through_every_hop(
    mosquitto: Mosquitto, kafka: Kafka, influx: Influx, fixture_folder: Path
) -> None:
    topic, data, dead = kafka.topic("lab-canary", 1), kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
    topics = {"lab-canary": topic, "sensor-data": data}
    carrier = bridge(fixture_folder, mosquitto, kafka.address, topics, dead)
    writer = timeseries(fixture_folder, kafka, influx.url, topics, dead)
    with running(carrier), running(writer):
        wanted = json.dumps({topic: 1, data: 3})
        found = _once(canary(fixture_folder, mosquitto, kafka, influx, topic, "once", "--json", CANARY_TOPICS=wanted))
        assert found["ok"], found
        hops = found["hops"]
        assert [(hop["name"], hop["from"], hop["to"]) for hop in hops] == [
            ("mqtt", "canary", "mosquitto"),
            ("kafka", "mosquitto", "kafka"),
            ("influxdb", "kafka", "influxdb"),
        ]
        assert all(hop["ok"] and hop["why"] is None and 0 <= hop["latency_ms"] < 5000 for hop in hops)
        assert [check["ok"] for check in found["checks"]] == [True, True, True, True]
    assert contents(kafka, data) == contents(kafka, dead) == []
    assert not any(wiring.RESERVED_DEVICE in str(row) for row in influx.ask("SHOW SERIES", wiring.CARS_DB))


def test_a_dead_bridge_is_named_with_its_likely_cause(
    mosquitto: Mosquitto, kafka: Kafka, influx: Influx, fixture_folder: Path
) -> None:
    topic = kafka.topic("lab-canary", 1)
    app = canary(fixture_folder, mosquitto, kafka, influx, topic, "once", "--json", CANARY_HOP_TIMEOUT_S="1")
    found = _once(app)
    assert not found["ok"]
    mqtt, carried, stored = found["hops"]
    assert mqtt["ok"]
    assert not carried["ok"]
    assert "bridge" in carried["why"]
    assert "./lab logs bridge" in carried["why"]
    assert not stored["ok"]


def test_a_deleted_topic_is_named(mosquitto: Mosquitto, kafka: Kafka, influx: Influx, fixture_folder: Path) -> None:
    topic, lost = kafka.topic("lab-canary", 1), kafka.topic("sensor-data")
    kafka.admin.delete_topics([lost])[lost].result(30.0)
    wanted = json.dumps({topic: 1, lost: 3})
    found = _once(canary(fixture_folder, mosquitto, kafka, influx, topic, "topics", "--json", CANARY_TOPICS=wanted))
    assert found["checks"] == [{"name": "topics", "ok": False, "why": f"kafka has no topic {lost}; run ./lab up"}]
