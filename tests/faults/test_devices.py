"""Devices fall silent, come back all at once, repeat themselves, have no right or a wrong clock (R10, R16, R17, R19, R20)."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import psutil
import pytest
from telemetry.car import encode_json

from infra import wiring
from tests.faults.chain import in_time
from tests.faults.conftest import Tell
from tests.faults.sizes import SIZE
from tests.support.apps import bridge, fleet, running, timeseries
from tests.support.brokers import Influx, Kafka, Mosquitto
from tests.support.load import committed, contents, reading
from tests.support.processes import wait_until
from tests.support.sessions import Session, entered

KEEPALIVE_S = 4
BACK_S = 120.0
DAY_S = 86_400.0
CAR, OTHER = (wiring.CAR_CLIENT_ID.format(number=number) for number in (1, 2))
TOPIC = f"{wiring.CARS_MQTT}/{CAR}"
SILENT_S = 1.0


@pytest.fixture
def files() -> Iterator[None]:
    """As many open files as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("files")
def test_cars_that_fall_silent_are_let_go_after_one_and_a_half_keepalives(mosquitto: Mosquitto, tell: Tell) -> None:
    broker = psutil.Process(mosquitto.pid)
    before = broker.num_fds()
    with ExitStack() as stack:
        names = [wiring.CAR_CLIENT_ID.format(number=number) for number in range(SIZE.half_open)]
        sessions = [stack.enter_context(entered(mosquitto, name, keepalive_s=KEEPALIVE_S)) for name in names]
        silent_s = time.monotonic()
        assert {session.code for session in sessions} == {0}
        most = broker.num_fds()
        wait_until("their descriptors are free", lambda: broker.num_fds() <= before, 1.5 * KEEPALIVE_S + 10.0)
        took_s = time.monotonic() - silent_s
    tell(
        f"R10 half-open cars: {SIZE.half_open} cars, gone after {took_s:.1f} s; {before}, {most}, {broker.num_fds()} descriptors"
    )
    assert most >= before + SIZE.half_open


@pytest.mark.usefixtures("files")
def test_cars_that_come_back_at_once_after_a_restart_are_all_back(mosquitto: Mosquitto, fixture_folder: Path, tell: Tell) -> None:
    cars = SIZE.returning
    mosquitto.terminate()
    mosquitto.start()  # with the files of the fixture
    with running(fleet(fixture_folder, mosquitto, cars, 20.0, FLEET_CONNECTS_PER_S="2000"), ready=False) as app:
        app.wait_until_ready(120.0)
        mosquitto.terminate()
        wait_until("the cars notice", lambda: app.metric("fleet_connected") == 0)
        mosquitto.start()
        begun_s = time.monotonic()
        wait_until("all are back", lambda: app.metric("fleet_connected") == cars, 2 * BACK_S)
        took_s = time.monotonic() - begun_s
        assert app.metric("fleet_connects_total") == 2 * cars
        dropped = app.metric("fleet_dropped_total")
        assert app.why_not_ready() is None
    tell(f"R19 cars back at once: {cars} cars, {dropped:.0f} readings dropped; {in_time('all back after', took_s, BACK_S)}")
    assert dropped == 0


def test_a_repeated_message_is_carried_though_nobody_sent_it_before_and_is_one_point(
    mosquitto: Mosquitto, kafka: Kafka, influx: Influx, fixture_folder: Path, tell: Tell
) -> None:
    topic, dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
    topics = {wiring.SENSOR_DATA.name: topic}
    name = wiring.CAR_CLIENT_ID.format(number=16)
    with (
        running(bridge(fixture_folder, mosquitto, kafka.address, topics, dead)) as app,
        running(timeseries(fixture_folder, kafka, influx.url, topics, dead)),
        entered(mosquitto, name) as car,
    ):
        for sequence in range(20):
            for _ in range(2):
                assert car.publish(f"{wiring.CARS_MQTT}/{name}", encode_json(reading(16, sequence)), 1 + sequence, again=True)
        wait_until("all are in Kafka", lambda: app.metric("bridge_delivered_total") == 40)
        wait_until("all are written", lambda: committed(kafka, wiring.TIMESERIES_GROUP, topic) == 40, 60.0)
    points = len(influx.rows(wiring.CARS_DB, "car", name))
    tell(f"R16 DUP: 40 sent with DUP, of 20 readings; {len(contents(kafka, topic))} in Kafka, {points} points")
    assert points == 20
    assert contents(kafka, dead) == []


@pytest.mark.parametrize(
    ("user", "password"), [("fleet", "wrong"), ("fleet", ""), ("nobody", "wrong"), (None, None), ("fleet", None)]
)
def test_who_has_no_login_is_refused(mosquitto: Mosquitto, user: str | None, password: str | None, tell: Tell) -> None:
    session = Session(mosquitto.port, CAR, user, password)
    tell(f"R17 login {user}/{password}: refused with code {session.code}")
    assert session.code in {4, 5}
    session.close()


FOREIGN = [
    f"{wiring.CARS_MQTT}/{OTHER}",
    wiring.CARS_MQTT,
    f"{TOPIC}/more",
    f"{wiring.TRUTH_MQTT}/{OTHER}",
    f"{wiring.IOTKIT_MQTT}/sensor",
    f"{wiring.IOTKIT_MQTT}/{OTHER}/sensor",
    f"{wiring.CANARY_MQTT}/x",
    "$SYS/broker/uptime",
    "$CONTROL/dynamic-security/v1",
]
WILDCARDS = [
    "#",
    "+/#",
    "$SYS/#",
    "$CONTROL/#",
    f"{wiring.CARS_MQTT}/#",
    f"{wiring.CARS_MQTT}/+",
    f"$share/x/{wiring.CARS_MQTT}/#",
]


def test_a_car_writes_on_its_own_topic_alone_and_reads_nothing(
    mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path, tell: Tell
) -> None:
    topics = {route.kafka.name: kafka.topic(route.kafka.name) for route in wiring.ROUTES}
    dead = kafka.topic("dead-letter", 1)
    with (
        running(bridge(fixture_folder, mosquitto, kafka.address, topics, dead)) as app,
        entered(mosquitto, CAR) as car,
        entered(mosquitto, OTHER) as other,
    ):
        for wanted in WILDCARDS:
            car.subscribe(wanted)
        for topic in FOREIGN:
            car.publish(topic, b"not mine")
        assert other.publish(f"{wiring.CARS_MQTT}/{OTHER}", b"mine")
        assert car.publish(TOPIC, b"mine")
        wait_until("what is allowed is carried", lambda: app.metric("bridge_delivered_total") >= 2)
        heard = car.listen(SILENT_S)
    carried = {(key, value) for topic in topics.values() for key, value, _ in contents(kafka, topic)}
    tell(
        f"R17 foreign topics: {len(FOREIGN)} written, {len(WILDCARDS)} wildcards; {len(carried) - 2} carried, {len(heard)} heard"
    )
    assert carried == {(CAR, b"mine"), (OTHER, b"mine")}
    assert heard == []
    assert contents(kafka, dead) == []


def test_a_clock_that_is_a_day_off_stops_nothing_and_both_times_are_kept(
    mosquitto: Mosquitto, kafka: Kafka, influx: Influx, fixture_folder: Path, tell: Tell
) -> None:
    topic, dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
    topics = {wiring.SENSOR_DATA.name: topic}
    name = wiring.CAR_CLIENT_ID.format(number=20)
    told_s = [time.time() + off_s for off_s in (-DAY_S, 0.0, DAY_S)]
    payloads = [encode_json(msgspec.structs.replace(reading(20, 0), time=each)) for each in told_s]
    with (
        running(bridge(fixture_folder, mosquitto, kafka.address, topics, dead)),
        running(timeseries(fixture_folder, kafka, influx.url, topics, dead)),
        entered(mosquitto, name) as car,
    ):
        for number, payload in enumerate(payloads, 1):
            assert car.publish(f"{wiring.CARS_MQTT}/{name}", payload, number)
        wait_until("all are written", lambda: committed(kafka, wiring.TIMESERIES_GROUP, topic) == 3, 60.0)
    arrived_s = [int(headers["arrival"]) / 1000 for _, _, headers in contents(kafka, topic)]
    points_s = [float(str(row[0])) / 1000 for row in influx.rows(wiring.CARS_DB, "car", name)]
    flagged = influx.ask(" ".join(["SELECT clock_ahead FROM car WHERE car =", f"'{name}'"]), wiring.CARS_DB)
    tell(f"R20 clocks a day off: 3 sent, {len(points_s)} points at their own time, {len(flagged)} flagged as ahead")
    assert points_s == pytest.approx(told_s, abs=0.01)
    assert arrived_s == pytest.approx([told_s[1]] * 3, abs=60.0)
    assert [float(str(row[0])) / 1000 for row in flagged] == pytest.approx(told_s[2:], abs=0.01)
    assert contents(kafka, dead) == []


def test_no_simulated_device_commands_boards_by_calling_itself_actors(mosquitto: Mosquitto, tell: Tell) -> None:
    """A board writes under its own client id, and `actors` is where the commands of all boards go."""
    topic = f"{wiring.IOTKIT_MQTT}/actors/led"
    with (
        entered(mosquitto, "listens", "lab") as board,
        entered(mosquitto, "actors") as device,
        entered(mosquitto, "people", "lab") as person,
    ):
        board.subscribe(topic)
        device.publish(topic, b"not mine")
        assert person.publish(topic, b"on")
        heard = board.listen(SILENT_S)
    tell(f"R17 a device named actors: its command and a person's were sent, {len(heard)} heard")
    assert heard == [(topic, b"on")]
