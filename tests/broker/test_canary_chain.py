"""The canary's hops beyond the core, through real servers: without a trace, and told with the cause where one is dead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra import wiring
from infra.lab import probes
from infra.services.flows import EDGE
from tests.support.apps import App, alert_process, bridge, canary, csv_sink, running, timeseries
from tests.support.brokers import Influx, Kafka, Mosquitto
from tests.support.camunda import Camunda, camunda
from tests.support.fake_camunda import FakeCamunda, Login, serving
from tests.support.load import committed, contents
from tests.support.node_red import NodeRed
from tests.support.node_red import running as flows_running
from tests.support.processes import wait_until
from tests.support.readings import Boards

__all__ = ["camunda"]

FLIGHTS = 20
HOPS = ["mqtt", "kafka", "influxdb", "csv", "alert"]


@dataclass
class Chain:
    """Bridge, writer, the two consumers, and a canary that flies through them."""

    folder: Path
    mosquitto: Mosquitto
    kafka: Kafka
    influx: Influx
    camunda: Login
    topics: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        spread = {topic.name for topic in wiring.TOPICS if topic.spread}
        self.topics = {topic.name: self.kafka.topic(topic.name, 3 if topic.name in spread else 1) for topic in wiring.TOPICS}
        lane = {"CANARY_TOPIC": self.topics[wiring.BOARD_CANARY.name], "ANSWER_TOPIC": self.topics[wiring.CANARY_DONE.name]}
        data, dead = self.topics[wiring.BROKER_MESSAGE.name], self.topics[wiring.DEAD_LETTER.name]
        self.file, self.row = self.folder / "ml-data.csv", self.folder / Path(wiring.CANARY_FILE).name
        self.bridge = bridge(self.folder, self.mosquitto, self.kafka.address, self.topics, dead)
        self.writer = timeseries(self.folder, self.kafka, self.influx.url, self.topics, dead)
        csv = {f"CSV_SINK_{key}": value for key, value in lane.items()} | {"CSV_SINK_CANARY_FILE": str(self.row)}
        self.csv = csv_sink(self.folder, self.kafka, data, dead, self.file, **csv)
        alert = {f"ALERT_PROCESS_{key}": value for key, value in lane.items()}
        alert["ALERT_PROCESS_CANARY_PROCESS"] = wiring.CANARY_PROCESS
        self.alert = alert_process(self.folder, self.kafka, data, dead, self.camunda, **alert)

    @contextmanager
    def running(self) -> Iterator[None]:
        """All of them."""
        with ExitStack() as stack:
            for app in (self.bridge, self.writer, self.csv, self.alert):
                stack.enter_context(running(app))
            yield

    def canary(self, *hops: str, mode: str = "once", **more: str) -> App:
        """A canary that flies these hops beyond the core."""
        env = {
            "CANARY_HOPS": json.dumps(hops),
            "CANARY_BOARD_MQTT_TOPIC": wiring.BOARD_CANARY_MQTT,
            "CANARY_FLOW_MQTT_TOPIC": wiring.FLOW_CANARY_MQTT,
            "CANARY_BOARD_TOPIC": self.topics[wiring.BOARD_CANARY.name],
            "CANARY_ANSWER_TOPIC": self.topics[wiring.CANARY_DONE.name],
            "CANARY_HOP_TIMEOUT_S": "5",
        }
        words = (mode, "--json") if mode == "once" else (mode,)
        topic = self.topics[wiring.CANARY.name]
        return canary(self.folder, self.mosquitto, self.kafka, self.influx, topic, *words, **(env | more))

    def fly(self, *hops: str, **more: str) -> dict[str, Any]:
        """One flight; what the doctor is told."""
        app = self.canary(*hops, **more)
        app.start()
        wait_until("the canary is back", lambda: not app.alive, 60.0)
        found: dict[str, Any] = json.loads(app.log.read_text().splitlines()[-1])
        return found

    def fly_until_green(self, *hops: str) -> dict[str, Any]:
        """As `lab up` does it: what is ready still has to find the others."""
        found: dict[str, Any] = {}

        def green() -> bool:
            found.update(self.fly(*hops))
            return bool(found["ok"])

        wait_until("the canary is green", green, 60.0)
        return found

    def traces(self) -> dict[str, Any]:
        """All that people see: data, counts, rows, committed offsets."""
        data = [topic.name for topic in wiring.TOPICS if topic not in wiring.LANES]
        topic = self.topics[wiring.BROKER_MESSAGE.name]
        counts = [f"{app}_records_{what}_total" for app in ("csv_sink", "alert_process") for what in ("read", "used", "skipped")]
        asked = {"csv_sink": self.csv, "alert_process": self.alert}
        return {
            "topics": {name: len(contents(self.kafka, self.topics[name])) for name in data},
            "counts": {name: asked[name.split("_records")[0]].counted(name) for name in counts},
            "committed": [committed(self.kafka, group, topic) for group in (wiring.CSV_GROUP, wiring.ALERT_GROUP)],
            "rows": self.file.read_text(),
            "journal": self.file.with_name("ml-data.csv.journal").read_text(),
            "logs": [app.log.read_text().count("offset = ") for app in (self.csv, self.alert)],
            "series": [self.influx.ask("SHOW SERIES", name) for name in (wiring.CARS_DB, wiring.IOTKIT_DB)],
        }


def _told(found: dict[str, Any], name: str) -> str:
    (hop,) = [each for each in found["hops"] if each["name"] == name]
    assert not hop["ok"]
    return str(hop["why"])


def test_twenty_flights_leave_no_trace_but_one_row_in_the_doctors_own_file(
    mosquitto: Mosquitto, kafka: Kafka, influx: Influx, camunda: Camunda, fixture_folder: Path
) -> None:
    login = (f"{camunda.url}/engine-rest", "worker", camunda.password("worker"))
    chain = Chain(fixture_folder, mosquitto, kafka, influx, login)

    def engine() -> dict[str, int]:
        kept = (f"history/{kind}" for kind in ("process-instance", "activity-instance", "variable-instance", "user-operation"))
        kinds = ("process-instance", "task", *kept)
        return {kind: camunda.rest("GET", f"/{kind}/count", user="admin")["count"] for kind in kinds}

    with chain.running():
        board = [("iotkit/hall-3/sensor", b"0xBC,21.00,51.4,low"), ("iotkit/hall-3/alert", b"alert: hall")]
        Boards(kafka, chain.topics[wiring.BROKER_MESSAGE.name]).publish(board)
        chain.fly_until_green("csv", "alert")
        wait_until("the board's messages are dealt with", lambda: chain.traces()["committed"] == [2, 2])
        wait_until("and written", lambda: bool(chain.traces()["series"][1]))
        assert probes.with_password(camunda.port, "/engine-rest/engine", "admin", camunda.password("admin")).accepted is True
        assert probes.with_password(camunda.port, "/engine-rest/engine", "admin", "wrong").accepted is False
        wait_until("the engine has swept up", lambda: engine()["history/process-instance"] == 1, 30.0)
        before = chain.traces(), engine()
        for number in range(FLIGHTS):
            found = chain.fly("csv", "alert")
            assert found["ok"], (number, found)
        wait_until("the engine has swept up", lambda: engine() == before[1], 30.0)
        assert chain.traces() == before[0]
        assert len(chain.row.read_text().splitlines()) == 1
    assert [hop["name"] for hop in found["hops"]] == HOPS
    assert all(0 <= hop["latency_ms"] < 10_000 for hop in found["hops"])
    print({hop["name"]: hop["latency_ms"] for hop in found["hops"]})


def test_each_dead_hop_is_named_with_its_cause_and_the_next_command(
    mosquitto: Mosquitto, kafka: Kafka, influx: Influx, fixture_folder: Path
) -> None:
    engine = FakeCamunda()
    chain = Chain(fixture_folder, mosquitto, kafka, influx, engine.login)
    with chain.running():
        with serving(engine):
            chain.fly_until_green("csv", "alert")
            engine.refuses = f"{wiring.RESERVED_DEVICE}/"
            told = _told(chain.fly("csv", "alert"), "alert")
            assert told.startswith("iot-kafka-alert says: Camunda answers 400: ")
            assert "./lab logs camunda" in told
        chain.row.unlink()
        chain.row.mkdir()
        told = _told(chain.fly("csv"), "csv")
        assert told.startswith("iot-kafka-consumer says: ")
        assert "Is a directory" in told
        chain.csv.terminate()
        chain.alert.terminate()
        found = chain.fly("csv", "alert")
        assert "./lab logs iot-kafka-consumer" in _told(found, "csv")
        assert "./lab logs iot-kafka-alert, then ./lab logs camunda" in _told(found, "alert")
        chain.bridge.terminate()
        assert "does not come to Kafka; run ./lab logs bridge" in _told(chain.fly("csv"), "csv")


def test_a_flow_answers_and_a_canary_that_nobody_took_is_no_news(
    mosquitto: Mosquitto, kafka: Kafka, influx: Influx, fixture_folder: Path
) -> None:
    chain = Chain(fixture_folder, mosquitto, kafka, influx, FakeCamunda().login)
    with running(chain.bridge), running(chain.writer):
        told = _told(chain.fly("node-red"), "node-red")
        assert "./lab logs node-red" in told
        with flows_running(NodeRed(fixture_folder / "node-red", mosquitto, kafka, chain.topics)):
            found = chain.fly_until_green("node-red")
            for _ in range(3):
                assert chain.fly("node-red")["ok"]
        print(found["hops"][-1]["latency_ms"])
    answers = contents(kafka, chain.topics[wiring.CANARY_DONE.name])
    assert {key for key, _, _ in answers} == {EDGE}
    assert contents(kafka, chain.topics[wiring.BROKER_MESSAGE.name]) == []


def test_a_lane_that_is_made_anew_or_whose_kafka_was_away_is_found_again(
    mosquitto: Mosquitto, kafka: Kafka, influx: Influx, fixture_folder: Path
) -> None:
    chain = Chain(fixture_folder, mosquitto, kafka, influx, FakeCamunda().login)
    lane = chain.topics[wiring.BOARD_CANARY.name]
    with running(chain.bridge), running(chain.writer), running(chain.csv):
        chain.fly_until_green("csv")
        kafka.anew(lane, 1)
        chain.fly_until_green("csv")
        kafka.kill()
        kafka.start()
        chain.fly_until_green("csv")
        print(f"csv_sink {chain.csv.memory_mb()} MB")
