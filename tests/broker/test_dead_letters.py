"""Several consumers read one topic: what none of them can use is one dead letter, whoever else has read it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from infra import wiring
from tests.support.apps import alert_process, csv_sink, json_pipe, running, timeseries
from tests.support.brokers import Influx, Kafka
from tests.support.fake_camunda import FakeCamunda, serving
from tests.support.load import committed, contents
from tests.support.processes import wait_until
from tests.support.readings import Boards

BAD = [
    ("iotkit/hall-3/sensor", b"0xBC,21.00"),
    ("iotkit/sensor", b"\xff\xfe\x00\x01"),
    ("iotkit/a/b/sensor", b"0xBC,21.00,51.4,low"),
    ("iotkit/hall-3/alert", b"\xff\xfe"),
    ("iotkit/hall-3/alert", b""),
    ("iotkit/a/b/alert", b"alert: hall"),
    ("iotkit/x/rfid", b"\xff\x00"),
    ("iotkit/button", b"x" * 65),
    ("iotkit/x/encoder", b"seven"),
]
COMMANDS = [("iotkit/actors/servo2", b"0.5"), ("iotkit/actors/hall/servo2", b"0.5"), ("iotkit/actors/sensor", b"\xff")]
GROUPS = (wiring.CSV_GROUP, wiring.PIPE_GROUP, wiring.ALERT_GROUP, wiring.TIMESERIES_GROUP)


def _has_read_all(kafka: Kafka, group: str, topic: str) -> bool:
    return committed(kafka, group, topic) == len(BAD + COMMANDS)


def test_one_record_is_one_dead_letter_and_a_command_is_none(kafka: Kafka, influx: Influx, fixture_folder: Path) -> None:
    topic, output, dead = kafka.topic("broker"), kafka.topic("pipe", 1), kafka.topic("dead-letter", 1)
    with (
        serving(FakeCamunda()) as camunda,
        running(timeseries(fixture_folder, kafka, influx.url, {"broker_message": topic}, dead)) as writer,
        running(csv_sink(fixture_folder, kafka, topic, "", fixture_folder / "ml-data.csv")) as rows,
        running(json_pipe(fixture_folder, kafka, topic, output, "")) as pipe,
        running(alert_process(fixture_folder, kafka, topic, dead, camunda.login)) as alerts,
    ):
        Boards(kafka, topic).publish([*BAD, *COMMANDS])
        for group in GROUPS:
            wait_until(f"{group} has read all", partial(_has_read_all, kafka, group, topic))
        assert rows.metric("csv_sink_records_skipped_total") == pipe.metric("json_pipe_records_skipped_total") == 12
        assert writer.metric("timeseries_dead_lettered_total") == 6
        assert alerts.metric("alert_process_dead_lettered_total") == 3
    letters = contents(kafka, dead)
    assert sorted(value for _, value, _ in letters) == sorted(payload for _, payload in BAD)
    assert all(headers["reason"] for _, _, headers in letters)
