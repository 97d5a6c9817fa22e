"""`./lab fleet play` against a real broker: each kind's readings on its topics, at the rate, until the end or Ctrl-C."""

from __future__ import annotations

from pathlib import Path

from telemetry import car, fan

from infra import wiring
from tests.support.brokers import Mosquitto
from tests.support.fleet_runs import running
from tests.support.person import person
from tests.support.processes import wait_until
from tests.unit.apps.test_fleet_play import BOARDS, CARS, FANS


def _played(mosquitto: Mosquitto, folder: Path, text: str, topic: str, count: int) -> list[tuple[str, bytes]]:
    """What a person hears on `topic` of a file with so many rows."""
    file = folder / "readings.csv"
    file.write_text(text)
    with person(mosquitto.port, topic) as (_, heard), running(folder, [mosquitto], "play", str(file), "--rate", "50") as run:
        code, found, said = run.end()
        assert code == 0, said
        wait_until("all has come", lambda: len(heard) >= count)
    assert (found["sent"], found["acked"], found["dropped"], found["rounds"]) == (count, count, 0, 1)
    assert found["connected"] == found["devices"]
    return [(message.topic, bytes(message.payload)) for message in heard]


def test_cars_publish_on_topics_of_their_own(mosquitto: Mosquitto, tmp_path: Path) -> None:
    heard = _played(mosquitto, tmp_path, CARS, f"{wiring.CARS_MQTT}/#", 2)
    assert [topic for topic, _ in heard] == [f"{wiring.CARS_MQTT}/car1", f"{wiring.CARS_MQTT}/car2"]
    assert [car.decode_json(payload).coolant_temp for _, payload in heard] == [39.395103] * 2


def test_fans_publish_on_their_one_topic(mosquitto: Mosquitto, tmp_path: Path) -> None:
    heard = _played(mosquitto, tmp_path, FANS, wiring.FAN_MQTT, 1)
    assert [fan.decode_reading(payload).vibration for _, payload in heard] == [191.7]


def test_boards_are_told_apart_by_their_sensors(mosquitto: Mosquitto, tmp_path: Path) -> None:
    heard = _played(mosquitto, tmp_path, BOARDS, f"{wiring.IOTKIT_MQTT}/#", 2)
    names = [wiring.BOARD_CLIENT_ID.format(high=0, low=sensor) for sensor in (0xBC, 0xC2)]
    lines = BOARDS.encode().split()
    assert heard == [(f"{wiring.IOTKIT_MQTT}/{name}/sensor", line) for name, line in zip(names, lines, strict=True)]


def test_a_loop_plays_until_ctrl_c_at_its_rate(mosquitto: Mosquitto, tmp_path: Path) -> None:
    file = tmp_path / "boards.csv"
    file.write_text(BOARDS)
    with (
        person(mosquitto.port, f"{wiring.IOTKIT_MQTT}/#") as (_, heard),
        running(tmp_path, [mosquitto], "play", str(file), "--rate", "40", "--loop") as run,
    ):
        wait_until("it has begun again", lambda: len(heard) > 20, 60.0)
        run.interrupt()
        code, found, said = run.end()
    assert code == 0, said
    assert found["sent"] == found["acked"] > 20
    assert found["rounds"] == found["sent"] // 2
    assert found["rate_msg_s"] < 44


def test_a_broken_line_is_named_before_anything_is_sent(mosquitto: Mosquitto, tmp_path: Path) -> None:
    file = tmp_path / "fans.csv"
    file.write_text(FANS + FANS.splitlines()[1].replace("35.9", "warm") + "\n")
    with running(tmp_path, [mosquitto], "play", str(file), "--rate", "50") as run:
        code, found, said = run.end()
    assert (code, found) == (2, {})
    assert f"lab: {file}:3: Temperature is no number: 'warm'." in said
    assert "play-fan-1" not in mosquitto.log.read_text()


def test_a_wrong_login_ends_a_play_at_once_and_is_no_fault_of_the_file(mosquitto: Mosquitto, tmp_path: Path) -> None:
    file = tmp_path / "fans.csv"
    file.write_text(FANS)
    with running(tmp_path, [mosquitto], "play", str(file), "--rate", "50", password="wrong") as run:
        code, found, said = run.end()
    assert (code, found) == (1, {})
    assert "lab: the broker refuses connections: not authorized." in said
