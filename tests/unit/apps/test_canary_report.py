from __future__ import annotations

from dataclasses import replace

from canary.flight import new_name, reading
from canary.kafka import lacking
from canary.report import HOPS, INFLUXDB, KAFKA, MQTT, NOT_SEEN, NOT_TRIED, Check, Report, why
from canary.serve import Metrics
from prometheus_client import CollectorRegistry
from telemetry.car import decode_json, encode_json

from infra import wiring

GREEN = [replace(hop, latency_ms=1.5) for hop in HOPS]


def test_a_green_report_has_exactly_the_contract_s_keys() -> None:
    told = Report(GREEN, [Check("mosquitto refuses anonymous")]).as_json()
    assert told == {
        "ok": True,
        "hops": [
            {"name": "mqtt", "from": "canary", "to": "mosquitto", "latency_ms": 1.5, "ok": True, "why": None},
            {"name": "kafka", "from": "mosquitto", "to": "kafka", "latency_ms": 1.5, "ok": True, "why": None},
            {"name": "influxdb", "from": "kafka", "to": "influxdb", "latency_ms": 1.5, "ok": True, "why": None},
        ],
        "checks": [{"name": "mosquitto refuses anonymous", "ok": True, "why": None}],
    }


def test_a_red_hop_names_the_likely_cause_and_the_next_command() -> None:
    hops = [GREEN[0], replace(KAFKA, error=NOT_SEEN), replace(INFLUXDB, error=NOT_TRIED)]
    report = Report(hops)
    assert not report.ok
    told = why(hops[1]) or ""
    assert "the bridge is down" in told
    assert "./lab logs bridge" in told
    assert why(hops[2]) == NOT_TRIED


def test_a_server_that_cannot_be_asked_is_named_itself() -> None:
    (told,) = Report([replace(MQTT, error="Connection refused")]).lines()
    assert "mosquitto cannot be asked: Connection refused; run ./lab logs mosquitto" in told


def test_a_login_that_should_be_refused_makes_the_report_red() -> None:
    assert not Report(GREEN, [Check("influxdb refuses anonymous", "it answers 200")]).ok


def test_every_reading_has_a_name_of_its_own_under_the_reserved_device() -> None:
    names = {new_name(wiring.RESERVED_DEVICE) for _ in range(1000)}
    assert len(names) == 1000
    assert all(name.startswith(wiring.RESERVED_DEVICE) for name in names)
    name = names.pop()
    assert decode_json(encode_json(reading(name, 1.7e9))).car == name


def test_failures_and_latencies_are_metrics() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.record(Report([GREEN[0], replace(KAFKA, error=NOT_SEEN)], [Check("influxdb refuses anonymous", "no")]))
    assert registry.get_sample_value("canary_hop_latency_seconds", {"hop": "mqtt"}) == 0.0015
    assert registry.get_sample_value("canary_failures_total", {"name": "kafka"}) == 1
    assert registry.get_sample_value("canary_failures_total", {"name": "influxdb refuses anonymous"}) == 1
    assert registry.get_sample_value("canary_ok", {"name": "mqtt"}) == 1


def test_a_topic_that_is_missing_or_too_narrow_is_named_with_the_next_command() -> None:
    wanted = {"sensor-data": 3, "dead-letter": 1}
    assert lacking(wanted, {"sensor-data": 4, "dead-letter": 1, "of-a-lesson": 1}) is None
    assert lacking(wanted, {"dead-letter": 1}) == "kafka has no topic sensor-data; run ./lab up"
    assert lacking(wanted, {"sensor-data": 2}) == (
        "kafka has no topic dead-letter; sensor-data has 2 of 3 partitions; run ./lab up"
    )
