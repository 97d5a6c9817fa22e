"""Timeseries between real Kafka and real InfluxDB: offsets wait for the write, and one bad line stops nothing."""

from __future__ import annotations

import json
import time
import zlib
from pathlib import Path

from confluent_kafka import Producer
from telemetry.car import encode_json

from infra import wiring
from tests.support.apps import running, timeseries
from tests.support.brokers import Influx, Kafka
from tests.support.load import committed, contents, reading
from tests.support.processes import wait_until
from tests.support.readings import Boards


def _produce(kafka: Kafka, topic: str, payloads: list[bytes], key: str = "car") -> None:
    producer = Producer({"bootstrap.servers": kafka.address, "linger.ms": 5})
    for payload in payloads:
        producer.produce(topic, payload, key=key)
        producer.poll(0)
    assert producer.flush(10.0) == 0


def _points(influx: Influx, car: str) -> int:
    return len(influx.rows(wiring.CARS_DB, "car", car))


def _summarised(influx: Influx) -> float:
    """How many readings the summaries have."""
    return sum(float(str(row[1])) for row in influx.ask('SELECT "readings" FROM "car_summary"', wiring.CARS_DB))


def _named(name: str, sequences: range) -> list[bytes]:
    return [encode_json(reading(1, sequence)).replace(b"electric-vehicle-00001", name.encode()) for sequence in sequences]


def test_readings_become_points_once_however_often_they_come(kafka: Kafka, influx: Influx, fixture_folder: Path) -> None:
    topic, dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
    with running(timeseries(fixture_folder, kafka, influx.url, {"sensor-data": topic}, dead)) as app:
        _produce(kafka, topic, _named("twice", range(500)) * 2)
        wait_until("all are written", lambda: app.metric("timeseries_points_written_total") >= 1000)
        wait_until("the offsets are committed", lambda: committed(kafka, wiring.TIMESERIES_GROUP, topic) == 1000)
    assert _points(influx, "twice") == 500
    assert contents(kafka, dead) == []


def test_while_influxdb_is_down_offsets_wait_and_nothing_is_lost(kafka: Kafka, influx: Influx, fixture_folder: Path) -> None:
    topic, dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
    with running(timeseries(fixture_folder, kafka, influx.url, {"sensor-data": topic}, dead)) as app:
        _produce(kafka, topic, _named("down", range(100)))
        wait_until("the first are committed", lambda: committed(kafka, wiring.TIMESERIES_GROUP, topic) == 100)
        influx.kill()
        try:
            _produce(kafka, topic, _named("down", range(100, 400)))
            wait_until("it waits", lambda: app.metric("timeseries_waits_total") >= 2)
            assert app.why_not_ready() is not None
            assert committed(kafka, wiring.TIMESERIES_GROUP, topic) == 100
            app.kill()
            app.start()
            time.sleep(1.0)
        finally:
            influx.start()
        # a killed reader's partitions are free after 10 s; then InfluxDB has to be up, and the group to form
        wait_until("the rest is committed", lambda: committed(kafka, wiring.TIMESERIES_GROUP, topic) == 400, 60.0)
        app.wait_until_ready()
    assert _points(influx, "down") == 400
    assert contents(kafka, dead) == []


def test_what_the_codec_refuses_is_a_dead_letter_and_stops_nothing(kafka: Kafka, influx: Influx, fixture_folder: Path) -> None:
    topic, dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
    good = _named("poisoned", range(90))
    poison = [b"", b"\0", b"{", b"[" * 5000, b"\xff\xfe", b'{"speed": NaN}', b"{}", good[0].replace(b"speed", b"sp")]
    with running(timeseries(fixture_folder, kafka, influx.url, {"sensor-data": topic}, dead)) as app:
        _produce(kafka, topic, [payload for part in (good[:30], poison, good[30:]) for payload in part])
        wait_until("all are committed", lambda: committed(kafka, wiring.TIMESERIES_GROUP, topic) == 98)
        assert app.metric("timeseries_dead_lettered_total") == len(poison)
    assert _points(influx, "poisoned") == 90
    letters = contents(kafka, dead)
    assert sorted(value for _, value, _ in letters) == sorted(poison)
    assert all(headers["reason"] and headers["source"].startswith(f"timeseries {topic}/") for _, _, headers in letters)


def test_a_line_that_influxdb_refuses_is_isolated_from_its_batch(kafka: Kafka, influx: Influx, fixture_folder: Path) -> None:
    topic, dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
    influx.ask('CREATE RETENTION POLICY "short" ON "cars" DURATION 1h REPLICATION 1 DEFAULT')
    now = time.time()
    try:
        fresh = [
            json.dumps(json.loads(payload) | {"time": now - 60 + index / 1000}).encode()
            for index, payload in enumerate(_named("isolated", range(200)))
        ]
        stale = _named("isolated", range(3))  # of 2023: behind the retention, so InfluxDB refuses them for good
        with running(timeseries(fixture_folder, kafka, influx.url, {"sensor-data": topic}, dead)) as app:
            _produce(kafka, topic, [*fresh[:50], stale[0], *fresh[50:120], *stale[1:], *fresh[120:]])
            wait_until("all are committed", lambda: committed(kafka, wiring.TIMESERIES_GROUP, topic) == 203)
            assert app.metric("timeseries_partial_writes_total") > 0
        assert _points(influx, "isolated") == 200
    finally:
        influx.ask('ALTER RETENTION POLICY "autogen" ON "cars" DEFAULT')
    letters = contents(kafka, dead)
    assert sorted(value for _, value, _ in letters) == sorted(stale)
    assert all("retention" in headers["reason"] for _, _, headers in letters)


def test_readings_of_boards_become_points_and_their_other_messages_do_not(
    kafka: Kafka, influx: Influx, fixture_folder: Path
) -> None:
    topic, dead = kafka.topic("broker"), kafka.topic("dead-letter", 1)
    with running(timeseries(fixture_folder, kafka, influx.url, {"broker_message": topic}, dead)) as app:
        good = [("iotkit/of-timeseries/sensor", b"0xBC,21.00,51.4,low"), ("iotkit/sensor", b"0xC2,33.00,40.0,high\0")]
        others = [("iotkit/of-timeseries/alert", b"alert: hall"), ("iotkit/button", b"ON"), ("iotkit/actors/servo2", b"0.5")]
        Boards(kafka, topic).publish([*good, *others, ("iotkit/sensor", b"\xff")])
        wait_until("all are committed", lambda: committed(kafka, wiring.TIMESERIES_GROUP, topic) == 6)
        assert app.metric("timeseries_records_skipped_total") == len(others)
        assert app.metric("timeseries_dead_lettered_total") == 1
    rows = influx.ask("SELECT device, temperature, condition FROM iotkit", wiring.IOTKIT_DB)
    found = [row[1:] for row in rows]  # other tests' boards among them
    assert [row for row in found if row[0] == "of-timeseries"] == [["of-timeseries", 21.0, "low"]]
    assert ["bridge-0", 33.0, "high"] in found


def test_of_a_sample_every_reading_is_a_point_and_a_killed_writer_doubles_no_summary(
    kafka: Kafka, influx: Influx, fixture_folder: Path
) -> None:
    topic, dead = kafka.topic("sensor-data", 1), kafka.topic("dead-letter", 1)
    names = [f"sampled-{number}" for number in range(10)]
    chosen = [name for name in names if zlib.crc32(name.encode()) % 3 == 0]
    assert 0 < len(chosen) < len(names)
    before = _summarised(influx)
    with running(timeseries(fixture_folder, kafka, influx.url, {"sensor-data": topic}, dead, sample=3)) as app:
        _produce(kafka, topic, [payload for name in names for payload in _named(name, range(130))])
        wait_until("all are read", lambda: app.metric("timeseries_records_read_total") == 1300)
        wait_until(
            "one thousand is committed, the open one is not", lambda: committed(kafka, wiring.TIMESERIES_GROUP, topic, 1) == 1000
        )
        app.kill()
        _produce(kafka, topic, [payload for name in names for payload in _named(name, range(130, 200))])
        app.start()
        wait_until("both thousands are committed", lambda: committed(kafka, wiring.TIMESERIES_GROUP, topic, 1) == 2000, 60.0)
    assert {name: _points(influx, name) for name in names} == {name: 200 if name in chosen else 0 for name in names}
    assert _summarised(influx) - before == 2000
    assert contents(kafka, dead) == []
