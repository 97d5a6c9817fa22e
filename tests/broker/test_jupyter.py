"""What notebooks import, against the real servers: logins from files, readings heard, records read, refusals in a sentence."""

from __future__ import annotations

import re
from pathlib import Path

import lab
import pytest

from infra import wiring
from tests.support.apps import bridge, running
from tests.support.brokers import Influx, Kafka, Mosquitto, password_file
from tests.support.processes import free_port, wait_until


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """The environment of the pod."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IOTKIT_TOPIC", wiring.IOTKIT_MQTT)
    for service, user in (("MOSQUITTO", "lab"), ("INFLUXDB", "reader")):
        monkeypatch.setenv(f"{service}_USER", user)
        monkeypatch.setenv(f"{service}_PASSWORD_FILE", str(password_file(tmp_path, user)))
    return monkeypatch


def test_a_notebook_hears_what_it_publishes(mosquitto: Mosquitto, settings: pytest.MonkeyPatch) -> None:
    settings.setenv("MOSQUITTO_ADDRESS", f"127.0.0.1:{mosquitto.port}")
    heard: list[tuple[str, bytes]] = []
    knob = lab.topic("notebook", "encoder")
    hearing = lab.mqtt(lambda topic, payload: heard.append((topic, payload)), knob)
    playing = lab.mqtt()
    for count in range(20):
        playing.publish(knob, str(count), qos=1).wait_for_publish(5)
    wait_until("all counts are heard", lambda: len(heard) == 20)
    assert heard == [(knob, str(count).encode()) for count in range(20)]
    for client in (hearing, playing):
        client.disconnect()


def test_a_wrong_password_is_one_sentence(mosquitto: Mosquitto, settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings.setenv("MOSQUITTO_ADDRESS", f"127.0.0.1:{mosquitto.port}")
    settings.setattr(lab, "CONNECT_S", 2.0)
    (tmp_path / "wrong").write_text("wrong")
    settings.setenv("MOSQUITTO_PASSWORD_FILE", str(tmp_path / "wrong"))
    with pytest.raises(lab.NotHereError, match=r"^mosquitto gives no answer: it took neither login"):
        lab.mqtt()


def test_the_newest_records_are_read_in_order_and_no_group_is_left(
    mosquitto: Mosquitto, kafka: Kafka, settings: pytest.MonkeyPatch, fixture_folder: Path
) -> None:
    topic, dead = kafka.topic("broker_message"), kafka.topic("dead-letter", 1)
    settings.setenv("MOSQUITTO_ADDRESS", f"127.0.0.1:{mosquitto.port}")
    settings.setenv("KAFKA_ADDRESS", kafka.address)
    settings.setenv("KAFKA_TOPIC", topic)
    assert lab.newest(5) == []
    knob = lab.topic("notebook", "encoder")
    playing = lab.mqtt()
    with running(bridge(fixture_folder, mosquitto, kafka.address, {"broker_message": topic}, dead)):
        for count in range(30):
            playing.publish(knob, str(count), qos=1).wait_for_publish(5)
        wait_until("all records are in Kafka", lambda: len(lab.newest(50)) == 30)
    assert [int(record.value()) for record in lab.newest(5)] == list(range(25, 30))
    assert {record.key() for record in lab.newest(50)} == {knob.encode()}
    groups = kafka.admin.list_consumer_groups().result(10.0).valid
    assert not [group.group_id for group in groups if group.group_id.startswith("notebook-")]
    playing.disconnect()


def test_a_silent_kafka_is_one_sentence(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("KAFKA_ADDRESS", f"127.0.0.1:{free_port()}")
    settings.setenv("KAFKA_TOPIC", "any")
    with pytest.raises(lab.NotHereError, match=r"^kafka gives no answer: "):
        lab.newest(5, within_s=1.0)


def test_series_come_as_rows_and_a_refusal_is_the_servers_own(influx: Influx, settings: pytest.MonkeyPatch) -> None:
    settings.setenv("INFLUXDB_URL", influx.url)
    settings.setenv("CARS_DATABASE", wiring.CARS_DB)
    assert lab.series('SELECT "speed" FROM "nothing"') == []
    with pytest.raises(lab.NotHereError, match=r"^influxdb refuses \(.*\): "):
        lab.series("DROP DATABASE cars")


@pytest.mark.parametrize(("ask", "service"), [(lambda: lab.camunda("/version"), "camunda"), (lambda: lab.newest(1), "kafka")])
def test_a_service_that_the_lab_does_not_have_is_one_sentence(ask: object, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(ask)
    for name in ("CAMUNDA_USER", "KAFKA_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    wanted = f"This lab has no {service} ("
    with pytest.raises(lab.NotHereError, match=f"^{re.escape(wanted)}.*add the service to iotlab:services"):
        ask()


def test_rows_are_waited_for_and_too_few_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ml-data.csv"
    monkeypatch.setenv("DATA_FILE", str(file))
    with pytest.raises(lab.NotHereError, match=r"ml-data\.csv has 0 rows after 0 s, and 2 are needed: let boards publish"):
        lab.data_rows(2, within_s=0.2)
    file.write_text("0xBC,21.00,51.4,low\0\n0xBC,26.00,51.4,middle\n0xBC,2")
    assert lab.data_rows(2) == [["0xBC", "21.00", "51.4", "low"], ["0xBC", "26.00", "51.4", "middle"]]
