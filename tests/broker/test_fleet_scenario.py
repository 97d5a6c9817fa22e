"""`./lab fleet run` against real brokers: what comes back, what is lost, and who says so."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from fleet.shards import shard_of
from telemetry import car

from infra import wiring
from infra.lab.scenario.forecast import forecast
from infra.lab.scenario.plan import Login, Target, plan_of
from infra.lab.scenario.run import carry_out
from tests.support.brokers import Mosquitto, password_file
from tests.support.fleet_runs import running
from tests.support.person import person
from tests.support.plans import cars, told, told_cars
from tests.support.processes import wait_until

FIGURES = ("connected", "connects_s", "target_msg_s", "sent", "acked", "received", "lost", "duplicated")
KEYS = [*FIGURES, "rate_msg_s", "p50_ms", "p99_ms"]


def _file(folder: Path, scenario: dict[str, Any]) -> str:
    file = folder / "small.yaml"
    file.write_text(yaml.safe_dump(scenario))
    return str(file)


def _probes(mqtt: str) -> dict[str, Any]:
    """Clients that write to a topic that the access list gives to nobody."""
    publish = {"qos": 1, "rate": "10/1s", "count": 5, "topic": "hall/p-[0-9]{1}", "message": "hello"}
    probes = {"kind": "plain", "count": 2, "clientIds": "p-[0-9]{1}", "mqtt": mqtt}
    return told({"p": probes}, [{"clients": "p", "connect": True, "publish": publish, "disconnect": True}])


@pytest.mark.parametrize("mqtt", ["3.1.1", "5"])
@pytest.mark.parametrize("qos", [0, 1])
def test_each_message_comes_back_once(mosquitto: Mosquitto, tmp_path: Path, mqtt: str, qos: int) -> None:
    file = _file(tmp_path, told_cars(20, qos, 10, mqtt, "500ms"))
    with person(mosquitto.port, f"{wiring.CARS_MQTT}/#") as (_, heard), running(tmp_path, [mosquitto], "run", file) as run:
        code, found, said = run.end()
        assert code == 0, said
        wait_until("a person has heard all", lambda: len(heard) >= 200)
    assert list(found)[1 : len(KEYS) + 1] == KEYS
    assert (found["connected"], found["target_msg_s"]) == (20, 200.0)
    counts = {"sent": 200, "acked": 200, "received": 200, "lost": 0, "duplicated": 0}
    assert {key: found[key] for key in counts} == counts
    assert found["qos"] == {str(qos): counts}
    assert (found["p99_ms"] is None) is (mqtt == "3.1.1")
    assert (found["puback_p99_ms"] is None) is (qos == 0)
    assert {car.decode_json(bytes(message.payload)).car for message in heard} == {
        f"electric-vehicle-000{n:02d}" for n in range(1, 21)
    }
    report = json.loads((Path(found["folder"]) / "report.json").read_text())
    assert report["samples"][-1]["sent"] == 200
    assert "All stages went through" in (Path(found["folder"]) / "report.html").read_text()


@pytest.mark.parametrize("mqtt", ["3.1.1", "5"])
def test_of_one_client_in_three_all_is_read_back_and_of_others_nothing(mosquitto: Mosquitto, tmp_path: Path, mqtt: str) -> None:
    file = _file(tmp_path, told_cars(20, 1, 10, mqtt, "500ms"))
    with running(tmp_path, [mosquitto], "run", file, "--read-back", "3") as run:
        code, found, said = run.end()
    assert code == 0, said
    counts = {"sent": 200, "acked": 200, "received": 70, "lost": 0, "duplicated": 0}
    assert {key: found[key] for key in counts} == counts
    assert found["qos"] == {"1": counts}
    assert found["read_back_every"] == 3


def test_clients_of_three_processes_find_their_shard(tmp_path: Path) -> None:
    with ExitStack() as opened:
        brokers = []
        for number in range(2):
            (tmp_path / f"broker-{number}").mkdir()
            brokers.append(Mosquitto(tmp_path / f"broker-{number}"))
            opened.callback(brokers[-1].close)
            brokers[-1].start()
        scenario = cars(31, 1, 5)
        devices, readers = (Login(user, password_file(tmp_path, user)) for user in ("fleet", "lab"))
        target = Target("127.0.0.1", tuple(broker.port for broker in brokers), devices, readers)
        plan = plan_of(scenario, forecast(scenario), target) | {"processes": 3}
        progress: list[dict[str, Any]] = []
        found = carry_out(plan, tmp_path, progress.append, lambda: None)
        logs = [broker.log.read_text() for broker in brokers]
    assert {key: found[key] for key in ("connected", "sent", "acked", "lost", "duplicated")} == {
        "connected": 31,
        "sent": 155,
        "acked": 155,
        "lost": 0,
        "duplicated": 0,
    }
    assert [part["name"] for part in found["parts"]] == ["conductor", "counter", "clients 1", "clients 2", "clients 3"]
    for number in range(1, 32):
        name = wiring.CAR_CLIENT_ID.format(number=number)
        assert [f"as {name} " in log for log in logs] == [shard_of(name, 2) == shard for shard in (0, 1)]
    assert progress[-1]["received"] == 155
    assert all("fleet-run-" in log for log in logs)


def test_a_broker_that_is_killed_in_the_middle_costs_no_more_than_is_told(mosquitto: Mosquitto, tmp_path: Path) -> None:
    file = _file(tmp_path, told_cars(20, 1, 80))
    with person(mosquitto.port, f"{wiring.CARS_MQTT}/#") as (_, heard), running(tmp_path, [mosquitto], "run", file) as run:
        wait_until("readings flow", lambda: len(heard) > 100, 60.0)
        os.kill(mosquitto.pid, signal.SIGUSR1)  # it writes down who has subscribed, as it does every few minutes
        wait_until("it is written", (tmp_path / "mosquitto/mosquitto.db").exists)
        os.kill(mosquitto.pid, signal.SIGSTOP)
        time.sleep(1.0)  # in which the cars publish and nobody acknowledges
        mosquitto.kill()
        mosquitto.start()
        code, found, said = run.end()
    assert (found["sent"], found["acked"], found["dropped"]) == (1600, 1600, 0), said
    assert found["resent"] > 0
    assert found["lost_connections"] == 20
    assert found["received"] == found["acked"] - found["lost"] + found["duplicated"]
    assert code == (1 if found["lost"] else 0)
    assert ("had acknowledged at QoS 1 never came back" in said) is bool(found["lost"])


def test_what_a_broker_acknowledges_and_throws_away_is_lost(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with running(tmp_path, [mosquitto], "run", _file(tmp_path, _probes("3.1.1"))) as run:
        code, found, said = run.end()
    assert (code, found["acked"], found["lost"], found["received"]) == (1, 10, 10, 0)
    assert "lab: 10 messages that a broker had acknowledged at QoS 1 never came back (report: " in said
    assert "10 messages that a broker" in (Path(found["folder"]) / "report.html").read_text()


def test_what_a_broker_refuses_is_told_and_not_called_lost(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with running(tmp_path, [mosquitto], "run", _file(tmp_path, _probes("5"))) as run:
        code, found, said = run.end()
    assert (code, found["sent"], found["acked"], found["rejected"], found["lost"]) == (1, 10, 0, 10, 0)
    assert "brokers refused 10 messages" in said


def test_a_scenario_that_only_connects_has_nothing_to_count(mosquitto: Mosquitto, tmp_path: Path) -> None:
    file = _file(
        tmp_path, told({"cars": {"count": 7}}, [{"clients": "cars", "connect": True}], [{"clients": "cars", "disconnect": True}])
    )
    with running(tmp_path, [mosquitto], "run", file) as run:
        code, found, said = run.end()
    assert code == 0, said
    assert (found["connected"], found["sent"], found["qos"], found["rate_msg_s"]) == (7, 0, {}, None)


def test_a_wrong_login_ends_a_run_at_once(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with running(tmp_path, [mosquitto], "run", _file(tmp_path, told_cars(3)), password="wrong") as run:
        code, found, said = run.end()
    assert code == 1
    assert "the broker refuses connections: not authorized" in said
    assert found["sent"] == 0


def test_ctrl_c_says_goodbye_and_reports_what_was(mosquitto: Mosquitto, tmp_path: Path) -> None:
    file = _file(tmp_path, told_cars(10, 1, 10_000))
    with person(mosquitto.port, f"{wiring.CARS_MQTT}/#") as (_, heard), running(tmp_path, [mosquitto], "run", file) as run:
        wait_until("readings flow", lambda: len(heard) > 50, 60.0)
        run.interrupt()
        code, found, said = run.end()
    assert code == 1
    assert "the run ended early: stopped" in said
    assert found["acked"] == found["sent"] == found["received"] > 50
    assert found["lost"] == 0
    log = mosquitto.log.read_text()
    assert "Client electric-vehicle-00001 disconnected." in log
    assert "Client electric-vehicle-00010 disconnected." in log
    assert not re.search(r"Client [^<\s]+ (closed|has exceeded)", log)
