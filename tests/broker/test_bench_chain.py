"""The bench of chains with few cars: what was acknowledged to them is in Kafka and a point, once, and the report has its figures.

Ours alone: the peer is built from Go's module proxy, which no test needs.
"""

from __future__ import annotations

from pathlib import Path

from tests.bench import chain
from tests.support.brokers import Kafka

CARS = 20


def test_every_reading_of_a_chains_cars_becomes_one_point(kafka: Kafka, tmp_path: Path) -> None:
    found = chain.measure(chain.ours, CARS, kafka, tmp_path, seconds=2.0)
    assert (found.lost, found.duplicated) == (0, 0)
    assert found.msg_s > 0
    assert set(found.more) == {"kafka_p50_ms", "kafka_p99_ms"}
    assert min(found.p50_ms, found.more["kafka_p50_ms"]) > 0.0
