from __future__ import annotations

from pathlib import Path

import pytest
from fleet.connection import route, rules
from fleet.metrics import Metrics
from fleet.settings import FleetSettings
from fleet.tally import Tally
from prometheus_client import CollectorRegistry
from runtime.settings import ConfigurationError, from_environment

from infra import wiring

NEEDED = {
    "METRICS_PORT": "0",
    "FLEET_URI": "tcp://mosquitto:1883",
    "FLEET_TOPIC": wiring.CARS_MQTT,
    "FLEET_CLIENT_ID": wiring.CAR_CLIENT_ID,
    "FLEET_CARS": "1",
    "FLEET_INTERVAL_S": "1",
    "FLEET_IOTKIT_TOPIC": wiring.IOTKIT_MQTT,
    "FLEET_IOTKIT_CLIENT_ID": wiring.BOARD_CLIENT_ID,
    "FLEET_FAN_TOPIC": wiring.FAN_MQTT,
    "FLEET_FAN_CLIENT_ID": wiring.FAN_CLIENT_ID,
}


def _settings(monkeypatch: pytest.MonkeyPatch, **more: str) -> FleetSettings:
    for name, value in (NEEDED | {f"FLEET_{name}": value for name, value in more.items()}).items():
        monkeypatch.setenv(name, value)
    return from_environment(FleetSettings)


def test_the_environment_says_how_the_brokers_are_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = route(_settings(monkeypatch))
    assert (plain.host.name, plain.ports, plain.sources, plain.tls) == ("mosquitto", (1883,), (), None)
    more = {"SHARDS": "2", "PORTS": "[31883, 31890]", "SOURCES": '["127.0.0.2"]', "MQTT": "5", "QOS": "0"}
    settings = _settings(monkeypatch, **more, SESSION_EXPIRY_S="60", COMMAND_TOPIC="commands/{client_id}")
    assert (route(settings).ports, route(settings).sources) == ((31883, 31890), ("127.0.0.2",))
    told = rules(settings, Tally())
    assert (told.login.level, told.login.session_expiry_s, told.command_topic) == (5, 60, "commands/{client_id}")
    assert settings.qos == 0


def test_what_cannot_be_used_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^FLEET_COMMAND_TOPIC 'commands/\{car\}' knows no field but \{client_id\}"):
        rules(_settings(monkeypatch, COMMAND_TOPIC="commands/{car}"), Tally())
    for text in (None, "no certificate"):
        file = tmp_path / "authority.crt"
        if text is not None:
            file.write_text(text)
        with pytest.raises(ConfigurationError, match=r"^the file of the TLS authority .*authority.crt cannot be used"):
            route(_settings(monkeypatch, TLS_AUTHORITY_FILE=str(file)))


def test_metrics_say_what_was_counted() -> None:
    tally, registry = Tally(), CollectorRegistry()
    metrics = Metrics(tally)
    registry.register(metrics)
    assert metrics.last() == {"puback": {"p50_ms": "", "p99_ms": ""}, "commands": {}}
    tally.sent, tally.lost, tally.missed = 7, 2, 3
    tally.refused["not authorized"] += 4
    tally.devices["car"] = 25
    for latency_s in (0.001, 0.02, 200.0):
        tally.latencies.add(latency_s, 1.0)
    tally.command("car-1", b"\xff")
    found = {
        "fleet_sent_total": 7,
        "fleet_lost_connections_total": 2,
        "fleet_missed_turns_total": 3,
        "fleet_puback_seconds_count": 3,
        "fleet_commands_total": 1,
    }
    assert {name: registry.get_sample_value(name) for name in found} == found
    assert registry.get_sample_value("fleet_refused_connects_total", {"reason": "not authorized"}) == 4
    assert registry.get_sample_value("fleet_devices", {"kind": "car"}) == 25
    assert registry.get_sample_value("fleet_puback_seconds_bucket", {"le": "0.1"}) == 2
    assert registry.get_sample_value("fleet_puback_seconds_bucket", {"le": "+Inf"}) == 3
    assert metrics.last()["commands"] == {"car-1": "\N{REPLACEMENT CHARACTER}"}
