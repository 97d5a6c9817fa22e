"""The fleet's engine against real brokers: versions, qualities, TLS, shards, commands, and what happens when a broker goes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from fleet.shards import shard_of

from infra import wiring
from infra.lab.cluster import pki
from tests.support.apps import App, fleet, running
from tests.support.brokers import Mosquitto
from tests.support.person import person
from tests.support.processes import free_port, wait_until

CARS = [wiring.CAR_CLIENT_ID.format(number=number) for number in range(1, 31)]
COMMANDS = "commands/{client_id}"
VERSIONS = pytest.mark.parametrize("version", ["3.1.1", "5"])


def _broker(folder: Path, *, tls: int = 0) -> tuple[Mosquitto, Path]:
    """A broker that carries commands, and one that vouches for it; on the port `tls` it speaks TLS."""
    folder.mkdir()
    broker = Mosquitto(folder)
    with (folder / "acl").open("a") as acl:
        acl.write("pattern read commands/%c\nuser lab\ntopic write commands/#\n")
    pair, authority = pki.sole("mosquitto", wiring.MQTT_HOSTS, 60)
    (folder / "authority.crt").write_bytes(authority.public_bytes(Encoding.PEM))
    if tls:
        (folder / "tls.crt").write_bytes(pair.certificate.public_bytes(Encoding.PEM))
        (folder / "tls.key").write_bytes(pki.key_text(pair.key))
        with (folder / "mosquitto.conf").open("a") as conf:
            conf.write(f"listener {tls} 127.0.0.1\ncertfile {folder}/tls.crt\nkeyfile {folder}/tls.key\n")
    return broker, folder / "authority.crt"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def _started(broker: Mosquitto, stack: ExitStack) -> Mosquitto:
    stack.callback(broker.close)
    broker.start()
    return broker


def _command(port: int, car: str, text: str) -> None:
    with person(port) as (client, _):
        client.publish(COMMANDS.format(client_id=car), text, 1).wait_for_publish(10.0)


def _all_acknowledged(app: App) -> bool:
    return app.metric("fleet_sent_total") == app.metric("fleet_acked_total") > 0


@VERSIONS
@pytest.mark.parametrize("qos", [0, 1])
def test_each_acknowledged_reading_has_arrived(mosquitto: Mosquitto, fixture_folder: Path, version: str, qos: int) -> None:
    more = {"FLEET_MQTT": version, "FLEET_QOS": str(qos), "FLEET_KEEPALIVE_S": "5", "FLEET_TRUTH_TOPIC": ""}
    with person(mosquitto.port, f"{wiring.CARS_MQTT}/#") as (_, found):
        with running(fleet(fixture_folder, mosquitto, 30, 0.2, **more)) as app:
            wait_until("many are acknowledged", lambda: app.metric("fleet_acked_total") > 600)
            assert app.metric("fleet_lost_connections_total") == 0
            assert (app.counted("fleet_puback_seconds_count") > 600) is bool(qos)
            assert bool(app.last()["puback"]["p99_ms"]) is bool(qos)
            assert app.terminate() == 0
        said = app.log.read_text().rsplit("fleet: ", 1)[1]
        sent, acked, dropped = (int(words.split()[0]) for words in said.split(", "))
        assert sent == acked + dropped
        wait_until("all have arrived", lambda: len(found) >= acked)
    assert len(found) == acked
    assert {message.qos for message in found} == {qos}
    assert len({(message.topic, bytes(message.payload)) for message in found}) == acked


@VERSIONS
def test_it_speaks_tls_and_trusts_nobody_else(stack: ExitStack, fixture_folder: Path, tmp_path: Path, version: str) -> None:
    port = free_port()
    broker, authority = _broker(tmp_path / "broker", tls=port)
    _started(broker, stack).wait_for_port(port)
    more = {"FLEET_URI": f"tcp://127.0.0.1:{port}", "FLEET_MQTT": version, "FLEET_CONNECTS_PER_S": "2000"}
    with running(fleet(fixture_folder, broker, 30, 0.2, **more, FLEET_TLS_AUTHORITY_FILE=str(authority))) as app:
        wait_until("many are acknowledged", lambda: app.metric("fleet_acked_total") > 300)
        assert app.metric("fleet_lost_connections_total") == app.metric("fleet_dropped_total") == 0
        assert app.terminate() == 0
    _, stranger = _broker(tmp_path / "stranger")
    with running(fleet(fixture_folder, broker, 3, 0.2, **more, FLEET_TLS_AUTHORITY_FILE=str(stranger)), ready=False) as app:
        wait_until("it has tried", lambda: app.metric("fleet_refused_connects_total") >= 3)
        assert app.metric("fleet_connected") == 0
        wait_until("it says why", lambda: "CERTIFICATE_VERIFY_FAILED" in app.log.read_text())


@VERSIONS
def test_a_command_reaches_each_car_on_its_shard_also_one_that_was_given_while_it_was_away(
    stack: ExitStack, fixture_folder: Path, tmp_path: Path, version: str
) -> None:
    brokers = [_started(_broker(tmp_path / f"broker-{number}")[0], stack) for number in range(3)]
    ports = [broker.port for broker in brokers]
    more = {"FLEET_SHARDS": "3", "FLEET_PORTS": json.dumps(ports), "FLEET_COMMAND_TOPIC": COMMANDS}
    app = fleet(fixture_folder, brokers[0], 30, 1.0, **more, FLEET_MQTT=version, FLEET_SESSION_EXPIRY_S="600")
    used = {shard_of(car, 3) for car in CARS}
    assert used == {0, 1, 2}
    with running(app):
        for car in CARS:
            _command(ports[shard_of(car, 3)], car, f"go {car}")
        wait_until("each has its own", lambda: app.last()["commands"] == {car: f"go {car}" for car in CARS})
        assert app.metric("fleet_commands_total") == 30
        assert app.terminate() == 0
    for car in CARS:
        _command(ports[shard_of(car, 3)], car, f"stop {car}")
    with running(app):
        wait_until("each has its own", lambda: app.last()["commands"] == {car: f"stop {car}" for car in CARS})
        wait_until("they are acknowledged, so each came once", lambda: app.metric("fleet_commands_total") == 30)


@VERSIONS
def test_what_a_killed_broker_has_not_acknowledged_is_sent_again(
    mosquitto: Mosquitto, fixture_folder: Path, version: str
) -> None:
    more = {"FLEET_MQTT": version, "FLEET_KEPT_READINGS": "1000"}
    with running(fleet(fixture_folder, mosquitto, 30, 0.5, **more)) as app:
        wait_until("a round is acknowledged", lambda: app.metric("fleet_acked_total") >= 30)
        os.kill(mosquitto.pid, signal.SIGSTOP)
        before = app.counted("fleet_acked_total")
        wait_until("readings are on the way", lambda: app.metric("fleet_sent_total") > before + 60)
        mosquitto.kill()
        wait_until("the cars notice", lambda: app.metric("fleet_connected") == 0)
        mosquitto.start()
        wait_until("all are back", lambda: app.metric("fleet_connected") == 30, 60.0)
        wait_until("all is acknowledged", lambda: _all_acknowledged(app))
        assert app.metric("fleet_resent_total") >= 30
        assert app.metric("fleet_lost_connections_total") == 30
        assert app.metric("fleet_dropped_total") == 0


@VERSIONS
def test_a_wrong_password_is_refused_and_told(mosquitto: Mosquitto, fixture_folder: Path, version: str) -> None:
    wrong = fixture_folder / "wrong"
    wrong.write_text("wrong")
    app = fleet(fixture_folder, mosquitto, 5, 1.0, FLEET_MQTT=version, FLEET_PASSWORD_FILE=str(wrong))
    with running(app, ready=False):
        wait_until("each was refused twice", lambda: app.metric("fleet_refused_connects_total") >= 10)
        assert app.metric("fleet_connected") == app.metric("fleet_connects_total") == 0
        assert app.why_not_ready() == "5 of 5 devices are not connected\n"
        assert "connections to shard 0 fail: not authorized" in app.log.read_text()
        assert app.terminate() == 0


def test_each_device_says_goodbye(mosquitto: Mosquitto, fixture_folder: Path) -> None:
    with running(fleet(fixture_folder, mosquitto, 30, 0.2)) as app:
        assert app.terminate() == 0
    wait_until("the broker has seen all", lambda: mosquitto.log.read_text().count(" disconnected.") == 30)
    assert "electric-vehicle" in mosquitto.log.read_text()
    assert not re.search(r"electric-vehicle\S+ (?!disconnected|\()", mosquitto.log.read_text())


def test_what_is_no_broker_is_told_and_stops_nothing(mosquitto: Mosquitto, fixture_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        server.settimeout(30.0)
        app = fleet(fixture_folder, mosquitto, 1, 1.0, FLEET_URI=f"tcp://127.0.0.1:{server.getsockname()[1]}")
        with running(app, ready=False):
            for said in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\xff\xff\xff\xff\xff", b""):
                talk, _ = server.accept()
                talk.recv(1000)
                talk.sendall(said)
                talk.close()
            wait_until("it has counted them", lambda: app.metric("fleet_refused_connects_total") >= 3)
            assert "the broker sent what is no MQTT" in app.log.read_text()
