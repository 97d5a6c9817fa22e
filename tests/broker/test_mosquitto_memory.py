"""Large messages for a client that is away: the broker stays within its memory, drops what it counts, and starts again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import wiring
from infra.scales import S
from infra.services.mosquitto import MosquittoArgs, values
from tests.support.apps import bridge, running
from tests.support.brokers import Kafka, Mosquitto
from tests.support.charts import rendered_with
from tests.support.load import contents
from tests.support.processes import wait_until
from tests.support.program import IMAGES
from tests.support.sessions import dropped_count, entered

MESSAGE_BYTES = 100_000
LIMITS = ("memory_limit", "max_inflight_messages", "max_queued_messages", "max_inflight_bytes", "max_queued_bytes")
CAR = wiring.CAR_CLIENT_ID.format(number=1)
TOPIC = f"{wiring.CARS_MQTT}/{CAR}"


def limits() -> dict[str, str]:
    """Those of the smallest lab, as the chart writes them."""
    chosen = values(MosquittoArgs(IMAGES["mosquitto"], S), "mosquitto-users")
    objects = rendered_with("mosquitto", "mosquitto", chosen)
    (config,) = [each["data"]["mosquitto.conf"] for each in objects if each["kind"] == "ConfigMap"]
    told = dict(line.split() for line in config.splitlines() if line.startswith(LIMITS))
    assert set(told) == set(LIMITS), "without one of them the test shows nothing"
    return told


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "limited"
    folder.mkdir()
    broker = Mosquitto(folder, sys_interval=1, **limits())
    broker.start()
    yield broker
    broker.close()


def test_large_messages_for_a_bridge_that_is_away_shut_nobody_out_and_what_is_dropped_is_counted(
    limited: Mosquitto, kafka: Kafka, fixture_folder: Path
) -> None:
    topic, dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
    app = bridge(fixture_folder, limited, kafka.address, {wiring.SENSOR_DATA.name: topic}, dead)
    with running(app):
        pass  # its session is there
    sent = int(limits()["memory_limit"]) // MESSAGE_BYTES + 100
    with entered(limited, CAR) as car:
        for number in range(1, sent + 1):
            assert car.publish(TOPIC, b"%9d" % number + bytes(MESSAGE_BYTES - 9), number), f"number {number} is not taken"
    missing = dropped_count(limited)
    limited.terminate()
    limited.start()
    with running(app):
        wait_until("what it kept is in Kafka", lambda: app.metric("bridge_acknowledged_total") == sent - missing)
    found = [int(value[:9]) for _, value, _ in contents(kafka, topic)]
    assert sorted(found) == list(range(1, sent - missing + 1)), "the oldest are kept, each once"
    assert 0 < missing < sent
