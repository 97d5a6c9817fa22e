"""One flight: prepare the watchers, publish, follow the reading hop by hop, then try what must be refused."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from telemetry.car import CarReading, encode_json

from canary import chain, influx, mqtt
from canary.influx import InfluxError, InfluxProbe
from canary.kafka import KafkaWatch, WatchError, topics_lacking
from canary.logins import Logins
from canary.mqtt import MqttError, MqttProbe
from canary.report import INFLUXDB, KAFKA, MQTT, NOT_SEEN, NOT_TRIED, Check, Hop, Report
from canary.settings import CanarySettings


def new_name(device: str) -> str:
    """A name that no other canary has."""
    return f"{device}-{uuid.uuid4().hex[:12]}"


def reading(name: str, time_s: float) -> CarReading:
    """A car's reading that stands for nothing but itself."""
    return CarReading(
        time=round(time_s, 3),
        car=name,
        coolant_temp=20.0,
        intake_air_temp=20.0,
        intake_air_flow_speed=0.0,
        battery_percentage=100.0,
        battery_voltage=400.0,
        current_draw=0.0,
        speed=0.0,
        engine_vibration_amplitude=0.0,
        throttle_pos=0.0,
        tire_pressure_1_1=30,
        tire_pressure_1_2=30,
        tire_pressure_2_1=30,
        tire_pressure_2_2=30,
        accelerometer_1_1_value=0.0,
        accelerometer_1_2_value=0.0,
        accelerometer_2_1_value=0.0,
        accelerometer_2_2_value=0.0,
        control_unit_firmware=2000,
    )


def _arrived(hop: Hop, before_s: float, arrived_s: float | None) -> Hop:
    if arrived_s is None:
        return replace(hop, error=NOT_SEEN)
    return replace(hop, latency_ms=round(max(0.0, arrived_s - before_s) * 1000, 1))


def _failed(hop: Hop, error: Exception, *later: Hop) -> list[Hop]:
    return [replace(hop, error=str(error)), *(replace(each, error=NOT_TRIED) for each in later)]


def _follow(settings: CanarySettings, who: Logins, name: str) -> list[Hop]:
    limit_s = settings.hop_timeout_s
    payload = encode_json(reading(name, time.time()))
    watch = KafkaWatch(settings.brokerlist, (settings.kafka_topic,), settings.device)
    probe = MqttProbe(who.address, name, who.mqtt)
    kafka_error: WatchError | None = None
    try:
        try:
            watch.start(limit_s)
        except WatchError as failed:
            kafka_error = failed
        try:
            probe.connect(limit_s)
            sent_s = probe.send(f"{settings.mqtt_topic}/{settings.device}", payload, limit_s)
        except MqttError as failed:
            return _failed(MQTT, failed, KAFKA, INFLUXDB)
        probe.wait_until_seen(limit_s)
        first = _arrived(MQTT, sent_s, probe.seen_s)
        if kafka_error is not None:
            return [first, *_failed(KAFKA, kafka_error, INFLUXDB)]
        kafka_s = watch.wait_for(payload, limit_s)
        second = _arrived(KAFKA, probe.seen_s or sent_s, kafka_s)
        if kafka_s is None:
            return [first, second, replace(INFLUXDB, error=NOT_TRIED)]
        return [first, second, *_last(settings, who, name, kafka_s)]
    finally:
        probe.close()
        watch.close()


def _last(settings: CanarySettings, who: Logins, name: str, kafka_s: float) -> list[Hop]:
    try:
        influx_s = InfluxProbe(settings.influx_url, who.influx).wait_for(
            settings.database, settings.measurement, name, settings.hop_timeout_s
        )
    except InfluxError as failed:
        return _failed(INFLUXDB, failed)
    return [_arrived(INFLUXDB, kafka_s, influx_s)]


def _checks(settings: CanarySettings, who: Logins) -> list[Check]:
    limit_s = min(5.0, settings.hop_timeout_s)
    wrong = (who.mqtt[0], f"not-{uuid.uuid4().hex}")
    name = new_name(settings.device)
    return [
        Check("mosquitto refuses anonymous", mqtt.refusal(who.address, name, None, limit_s)),
        Check("mosquitto refuses a wrong password", mqtt.refusal(who.address, name, wrong, limit_s)),
        Check("influxdb refuses anonymous", influx.refusal(settings.influx_url)),
    ]


def fly(settings: CanarySettings, who: Logins) -> Report:
    """Send one reading through the core, at the same time what goes beyond, and report."""
    with ThreadPoolExecutor(1) as beside:
        beyond = beside.submit(chain.fly, settings, who, new_name(settings.device))
        hops = _follow(settings, who, new_name(settings.device))
        checks = [*look_at_topics(settings).checks, *_checks(settings, who)]
        return Report([*hops, *beyond.result()], checks)


def look_at_topics(settings: CanarySettings) -> Report:
    """Report on Kafka's topics alone; that takes no reading and no login."""
    return Report((), [Check("topics", topics_lacking(settings.brokerlist, settings.topics, settings.hop_timeout_s))])
