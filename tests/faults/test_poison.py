"""Messages that are broken in every way: the good ones arrive, each bad one is a dead letter with its reason (R14)."""

from __future__ import annotations

import json
import math
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

from bridge.routes import Route, Ways
from bridge.stream import Stream
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some
from runtime import mqtt
from telemetry import fan, iotkit, truth
from telemetry.car import CarReading, decode_csv, decode_json, encode_csv, encode_json, is_finite
from telemetry.errors import PayloadError

from infra import wiring
from tests.faults.conftest import Tell
from tests.faults.sizes import SIZE
from tests.support.apps import bridge, running, timeseries
from tests.support.brokers import Influx, Kafka, Mosquitto
from tests.support.load import committed, contents, reading
from tests.support.processes import wait_until
from tests.support.sessions import entered

GOOD = encode_json(reading(1, 0))
ROW = encode_csv(reading(1, 0)).encode()
NAMES = list(json.loads(GOOD))
VALUES = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(),
    some.sampled_from([math.nan, math.inf, -math.inf, 1e400, -0.0, 2**63, "NaN", "", "\0", [], {}, [[]], {"a": {}}]),
    some.text(max_size=20),
)
CHANGED = some.builds(lambda name, value: json.dumps(json.loads(GOOD) | {name: value}).encode(), some.sampled_from(NAMES), VALUES)
WITHOUT = some.builds(lambda name: json.dumps({key: each for key, each in json.loads(GOOD).items() if key != name}).encode(),
                      some.sampled_from(NAMES))  # fmt: skip
CUT = some.builds(lambda raw, place: raw[: place % len(raw)], some.sampled_from([GOOD, ROW]), some.integers(0, 1000))
FLIPPED = some.builds(
    lambda raw, place, byte: raw[: place % len(raw)] + bytes([byte]) + raw[place % len(raw) + 1 :],
    some.sampled_from([GOOD, ROW]),
    some.integers(0, 1000),
    some.integers(0, 255),
)
DEEP = some.builds(lambda depth, opens: (opens * depth).encode(), some.integers(1, 5000), some.sampled_from(["[", '{"a":', "[{"]))
AVRO = some.builds(lambda raw: b"\0\0\0\0\1" + raw, some.binary(max_size=100))
POISON = some.one_of(
    CHANGED, WITHOUT, CUT, FLIPPED, DEEP, AVRO, some.binary(max_size=600), some.text(max_size=100).map(str.encode)
)
TOPICS = some.one_of(some.just(f"{wiring.CARS_MQTT}/car-1"), some.text(max_size=40), some.just("$SYS/x"), some.just("a//b/"))
READERS = (
    ("car", lambda raw: decode_json(raw, car="car-1", arrival_s=1.7e9)),
    ("csv", decode_csv),
    ("board", iotkit.sensor),
    ("fan", fan.decode_reading),
    ("truth", truth.decode),
)
CAREFUL = settings(
    max_examples=SIZE.poison,
    deadline=None,
    database=None,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


def test_whatever_a_payload_holds_it_is_carried_as_it_is_and_read_or_refused_with_a_reason(tell: Tell) -> None:
    ways = Ways([Route(mqtt=f"{wiring.CARS_MQTT}/#", kafka="cars", key="level:-1")], "edge")
    seen: Counter[str] = Counter()

    @CAREFUL
    @given(POISON, TOPICS)
    def cases(payload: bytes, topic: str) -> None:
        stream = Stream(1 << 20)
        stream.feed(mqtt.publish(mqtt.MQTT_3_1_1, topic, payload, 1))
        ((_, mid, raw, carried),) = stream.take(10)
        assert (mid, carried) == (1, payload)
        way = ways[raw]
        assert way.topic == topic
        assert (way.kafka == "cars") is (f"{topic}/").startswith(f"{wiring.CARS_MQTT}/")
        seen["cases"] += 1
        for name, read in READERS:
            with suppress(PayloadError):  # and nothing else
                found = read(payload)
                seen[name] += 1
                assert not isinstance(found, CarReading) or is_finite(found)

    cases()
    tell(
        f"R14 poison, in process: {seen['cases']} cases, 0 crashes; read as a car {seen['car']}, the others refused with a reason"
    )
    assert seen["cases"] >= SIZE.poison
    assert seen["car"] > 0, "some are good after all"


def _broken(draw: Random) -> bytes:
    """One of the ways in which a reading is none."""
    return draw.choice(
        [
            b"",
            b"\0",
            b"{",
            GOOD[: draw.randrange(1, len(GOOD) - 1)],
            GOOD.replace(b"speed", b"sp\xffed"),
            json.dumps(json.loads(GOOD) | {"speed": math.nan}).encode(),
            json.dumps(json.loads(GOOD) | {"tire_pressure_1_1": "32"}).encode(),
            b"[" * draw.randrange(1, 9000),
            ROW,
            b"\0\0\0\0\1" + draw.randbytes(60),
            draw.randbytes(200),
        ]
    )


def test_ten_percent_poison_stop_nothing_and_each_is_a_dead_letter_with_its_reason(
    mosquitto: Mosquitto, kafka: Kafka, influx: Influx, fixture_folder: Path, tell: Tell
) -> None:
    topic, dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
    topics, draw, name = {wiring.SENSOR_DATA.name: topic}, Random(14), wiring.CAR_CLIENT_ID.format(number=14)
    bad = [_broken(draw) for _ in range(60)]
    good = [encode_json(reading(14, sequence)) for sequence in range(540)]
    mixed = [*good, *bad]
    draw.shuffle(mixed)
    with (
        running(bridge(fixture_folder, mosquitto, kafka.address, topics, dead)) as carrier,
        running(timeseries(fixture_folder, kafka, influx.url, topics, dead)) as writer,
        entered(mosquitto, name) as car,
    ):
        for number, payload in enumerate(mixed, 1):
            assert car.publish(f"{wiring.CARS_MQTT}/{name}", payload, number)
        wait_until("all are read", lambda: committed(kafka, wiring.TIMESERIES_GROUP, topic) == len(mixed), 60.0)
        assert carrier.alive
        assert writer.alive
    letters = contents(kafka, dead)
    points = len(influx.rows(wiring.CARS_DB, "car", name))
    tell(
        f"R14 poison, real chain: {len(good)} good, {len(bad)} bad sent; {points} points, {len(letters)} dead letters, 0 crashes"
    )
    assert points == len(good)
    assert sorted(value for _, value, _ in letters) == sorted(bad)
    assert all(headers["reason"] for _, _, headers in letters)
