"""Kafka answers with errors: what passes is tried again, what does not is a dead letter with its reason (R5, R15)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from confluent_kafka import KafkaError

from infra import wiring
from tests.faults.chain import CHARTED
from tests.faults.conftest import Tell
from tests.support.apps import App, bridge, running
from tests.support.brokers import Kafka, Mosquitto
from tests.support.ledger import Account
from tests.support.load import Headers, contents
from tests.support.mock_kafka import MockKafka, mock_kafka
from tests.support.processes import wait_until
from tests.support.sessions import entered
from tests.support.traffic import payload

PASSING = {  # tried again by librdkafka, or by the bridge record by record
    "NOT_LEADER": KafkaError.NOT_LEADER_FOR_PARTITION,
    "NOT_ENOUGH_REPLICAS": KafkaError.NOT_ENOUGH_REPLICAS,
    "REQUEST_TIMED_OUT": KafkaError.REQUEST_TIMED_OUT,
    "MSG_SIZE_TOO_LARGE of a batch": KafkaError.MSG_SIZE_TOO_LARGE,
    "INVALID_RECORD of a batch": KafkaError.INVALID_RECORD,
}
MESSAGES = 20
DATA, DEAD = "data", "dead"
CAR = wiring.CAR_CLIENT_ID.format(number=1)


@contextmanager
def _mocked(mosquitto: Mosquitto, folder: Path) -> Iterator[tuple[MockKafka, App]]:
    with mock_kafka() as kafka:
        kafka.topic(DATA)
        kafka.topic(DEAD, 1)
        with running(bridge(folder, mosquitto, kafka.address, {wiring.SENSOR_DATA.name: DATA}, DEAD)) as app:
            yield kafka, app


def _one_by_one(kafka: MockKafka, app: App, mosquitto: Mosquitto, code: int, failing: Collection[int]) -> Account:
    """Send messages, each when the one before is acknowledged; for those of `failing` Kafka's next answer is `code`.

    One by one, as the mock ignores sequence numbers: Kafka refuses what overtakes a failed request, the mock takes it, and
    librdkafka then believes that the failed one is there as well (with 30 ms a request 4 to 8 of 1,820 were lost so, 2026-11-26).
    """
    sent = [payload(CAR, sequence, "mock") for sequence in range(MESSAGES)]
    with entered(mosquitto, CAR) as car:
        for number, body in enumerate(sent, 1):
            if number in failing:
                kafka.fail([code])
            assert car.publish(f"{wiring.CARS_MQTT}/{CAR}", body, number)
            wait_until("the bridge acknowledges it", partial(_acknowledged, app, number))
    data, dead = ([value for _, value, _ in contents(kafka, topic)] for topic in (DATA, DEAD))
    found = [*data, *dead]
    there = [body for body in sent if body in found]
    lost, twice = len(sent) - len(there), len(found) - len(set(found))
    return Account(len(sent), len(sent), len(there), lost, twice, sum(a > b for a, b in pairwise(map(sent.index, data))))


def _acknowledged(app: App, count: int) -> bool:
    return app.metric("bridge_acknowledged_total") == count


@pytest.mark.parametrize("name", PASSING)
def test_an_error_that_passes_costs_nothing(name: str, mosquitto: Mosquitto, fixture_folder: Path, tell: Tell) -> None:
    with _mocked(mosquitto, fixture_folder) as (kafka, app):
        account = _one_by_one(kafka, app, mosquitto, PASSING[name], range(2, MESSAGES, 2))
        letters = contents(kafka, DEAD)
    tell(account.line(f"R5 {name}"))
    assert (account.lost, account.duplicated, account.disordered) == (0, 0, 0)
    assert letters == []


def test_what_kafka_refuses_for_good_is_a_dead_letter_and_the_stream_goes_on(
    mosquitto: Mosquitto, fixture_folder: Path, tell: Tell
) -> None:
    with _mocked(mosquitto, fixture_folder) as (kafka, app):
        account = _one_by_one(kafka, app, mosquitto, KafkaError.TOPIC_AUTHORIZATION_FAILED, [5])
        letters = [headers for _, _, headers in contents(kafka, DEAD)]
        wait_until("it goes on", lambda: _goes_on(mosquitto, app))
    tell(account.line("R5 TOPIC_AUTH_FAILED", f"{len(letters)} dead letters"))
    assert account.lost == 0
    assert 1 <= len(letters) <= MESSAGES - 4
    assert all("authorization" in headers["reason"].lower() and headers["source"] == "bridge" for headers in letters)


def _goes_on(mosquitto: Mosquitto, app: App) -> bool:
    """Whether one more message reaches its topic."""
    before, acknowledged = app.counted("bridge_delivered_total"), app.counted("bridge_acknowledged_total")
    with entered(mosquitto, CAR) as car:
        assert car.publish(f"{wiring.CARS_MQTT}/{CAR}", b"one more")
    wait_until("the bridge acknowledges it", lambda: app.metric("bridge_acknowledged_total") > acknowledged)
    return app.metric("bridge_delivered_total") > before


LIMIT_BYTES = int(CHARTED["maxPacketBytes"])
TOPIC_BYTES, PRODUCER_BYTES = 100_000, 200_000
SIZES = [1, 2, 127, 128, 530, 16_383, 65_536, 90_000, TOPIC_BYTES, 150_000, LIMIT_BYTES - 200, LIMIT_BYTES, 500_000, 2_000_000]


def test_a_payload_of_any_size_is_carried_or_refused_or_a_dead_letter(
    mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path, tell: Tell
) -> None:
    topic = kafka.topic("sensor-data", settings={"max.message.bytes": str(TOPIC_BYTES)})
    dead = kafka.topic("dead-letter", 1)
    app = bridge(
        fixture_folder,
        mosquitto,
        kafka.address,
        {wiring.SENSOR_DATA.name: topic},
        dead,
        BRIDGE_MAX_MESSAGE_BYTES=str(PRODUCER_BYTES),
    )
    with running(app):
        accepted = [size for size in SIZES if _taken(mosquitto, size)]
        wait_until("each has its place", lambda: app.metric("bridge_acknowledged_total") == len(accepted))
        assert app.metric("bridge_mqtt_connects_total") == 1
    carried = [len(value) for _, value, _ in contents(kafka, topic)]
    letters = [_size(value, headers) for _, value, headers in contents(kafka, dead)]
    tell(
        f"R15 sizes: {len(SIZES)} sent, {len(carried)} carried, {len(letters)} dead letters, {len(SIZES) - len(accepted)} refused"
    )
    assert sorted(carried + letters) == accepted == [size for size in SIZES if size < LIMIT_BYTES]
    assert max(carried) < TOPIC_BYTES <= min(letters)


def _payload(size: int) -> bytes:
    return Random(size).randbytes(size)  # not to be compressed


def _taken(mosquitto: Mosquitto, size: int) -> bool:
    """Whether the broker acknowledges it to a car."""
    with entered(mosquitto, CAR) as car:
        return car.publish(f"{wiring.CARS_MQTT}/{CAR}", _payload(size))


def _size(value: bytes, headers: Headers) -> int:
    size = int(headers["size"])
    assert value == _payload(size)[:65_536]
    assert headers["reason"]
    return size
