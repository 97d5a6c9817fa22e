"""What a canary found: hops and checks, the likely cause of a red one, and the next command to run. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Hop:
    """One hop of the reading; `error` says what was observed if it did not arrive."""

    name: str
    origin: str
    target: str
    latency_ms: float | None = None
    error: str | None = None
    blamed: tuple[str, ...] = ()  # whose logs say more about an error of a hop beyond the core

    @property
    def ok(self) -> bool:
        """Whether the reading passed."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class Check:
    """Something that has to hold besides the hops: a refusal, or Kafka's topics."""

    name: str
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Whether it holds."""
        return self.error is None


MQTT = Hop("mqtt", "canary", "mosquitto")
KAFKA = Hop("kafka", "mosquitto", "kafka")
INFLUXDB = Hop("influxdb", "kafka", "influxdb")
HOPS = (MQTT, KAFKA, INFLUXDB)
NODE_RED = Hop("node-red", "mosquitto", "kafka", blamed=("node-red",))
CSV = Hop("csv", "kafka", "csv", blamed=("iot-kafka-consumer",))
ALERT = Hop("alert", "kafka", "camunda", blamed=("iot-kafka-alert", "camunda"))

NOT_TRIED = "not tried, because the hop before it is red"
NOT_SEEN = "it did not arrive"  # everything answered, but the reading was not there in time

_CAUSES = {
    MQTT.name: (
        "Mosquitto accepted the canary's login but did not hand its reading back: the ACL of the canary's topic is wrong; "
        "run ./lab logs mosquitto"
    ),
    KAFKA.name: "the reading is in Mosquitto but not in Kafka: the bridge is down, refused or behind; run ./lab logs bridge",
    INFLUXDB.name: (
        "the reading is in Kafka but not in InfluxDB: timeseries is down, waiting or behind; run ./lab logs timeseries"
    ),
    NODE_RED.name: (
        "the message is in Mosquitto but Node-RED does not bring it to Kafka: it is down, or its flow Doctor was changed or "
        "disabled; run ./lab logs node-red, and ./lab node-red reset for the flow"
    ),
    CSV.name: (
        "the reading is in Kafka but no row of the CSV file: iot-kafka-consumer is down, waiting or behind; "
        "run ./lab logs iot-kafka-consumer"
    ),
    ALERT.name: (
        "the alert is in Kafka but no process in Camunda: iot-kafka-alert is down, or waits for Camunda; "
        "run ./lab logs iot-kafka-alert, then ./lab logs camunda"
    ),
}


def why(hop: Hop) -> str | None:
    """The likely cause in a sentence and the next command, None for a green hop."""
    match hop.error:
        case None:
            return None
        case error if error == NOT_TRIED:
            return NOT_TRIED
        case error if error == NOT_SEEN:
            return _CAUSES[hop.name]
        case error if hop.blamed:
            return f"{error}; run {' and '.join(f'./lab logs {each}' for each in hop.blamed)}"
        case error:
            return f"{hop.target} cannot be asked: {error}; run ./lab logs {hop.target}"


@dataclass(frozen=True, slots=True)
class Report:
    """All of it."""

    hops: Sequence[Hop]
    checks: Sequence[Check] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether every hop and every check is green."""
        return all(hop.ok for hop in self.hops) and all(check.ok for check in self.checks)

    def as_json(self) -> dict[str, object]:
        """`{"ok", "hops": [{"name", "from", "to", "latency_ms", "ok", "why"}], "checks": [{"name", "ok", "why"}]}`."""
        hops = [
            {
                "name": hop.name,
                "from": hop.origin,
                "to": hop.target,
                "latency_ms": hop.latency_ms,
                "ok": hop.ok,
                "why": why(hop),
            }
            for hop in self.hops
        ]
        checks = [{"name": check.name, "ok": check.ok, "why": check.error} for check in self.checks]
        return {"ok": self.ok, "hops": hops, "checks": checks}

    def lines(self) -> list[str]:
        """For a person."""
        hops = [
            f"{hop.origin} -> {hop.target}: {f'{hop.latency_ms:.0f} ms' if hop.latency_ms is not None else why(hop)}"
            for hop in self.hops
        ]
        return hops + [f"{check.name}: {'yes' if check.ok else check.error}" for check in self.checks]
