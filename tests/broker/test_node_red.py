"""Node-RED between real brokers: what it has taken reaches Kafka once Kafka is there, whatever is killed."""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.cimpl import NewTopic

from infra import wiring
from infra.services.flows import CARRIER
from tests.support.boards import all_in_order, connect, publishing
from tests.support.brokers import Kafka, Mosquitto
from tests.support.load import contents
from tests.support.node_red import Node, NodeRed, running, topics_of_a_test
from tests.support.processes import wait_until

AWAY_S = 60.0


@contextmanager
def away(kafka: Kafka) -> Iterator[None]:
    """Kafka killed while the body runs; other tests need it again, whatever the body finds."""
    kafka.kill()
    try:
        yield
    finally:
        kafka.start()


def _partition_of(kafka: Kafka, topic: str, key: str) -> int:
    reader = Consumer({"bootstrap.servers": kafka.address, "group.id": "looking", "auto.offset.reset": "earliest"})
    reader.assign([TopicPartition(topic, partition, 0) for partition in range(3)])
    try:
        for message in iter(lambda: reader.poll(5.0), None):
            if (message.key() or b"").decode() == key:
                return int(message.partition() or 0)
    finally:
        reader.close()
    raise AssertionError(f"no record of {key}")


def test_one_publish_is_one_record_like_the_bridges(mosquitto: Mosquitto, kafka: Kafka, tmp_path: Path) -> None:
    topics = topics_of_a_test(kafka)
    own = topics[wiring.BROKER_MESSAGE.name]
    sent = {
        "iotkit/sensor": b"0xBC,21.00,51.4,low\0",
        "iotkit/hall-3/alert": b"alert: hall",
        "iotkit/button": b"ON",
        "iotkit/encoder": b"42",
        "iotkit/board/rfid": b"\xff\xfe\x00binary",
    }
    with running(NodeRed(tmp_path / "node-red", mosquitto, kafka, topics)) as flows:
        board = connect(mosquitto)
        for topic, payload in sent.items():
            board.publish(topic, payload, 1).wait_for_publish(5.0)
        wait_until("all are in Kafka", lambda: len(contents(kafka, own)) >= len(sent))
        time.sleep(1.0)
        told = {"id": "iotlab-kafka", "kind": "connected", "why": "", "waiting": 0, "delivered": len(sent), "refused": 0}
        assert flows.ask("GET", "/iotlab/kafka") == (200, [told])
        board.disconnect()
        board.loop_stop()
    found = {key: (value, headers) for key, value, headers in contents(kafka, own)}
    assert len(contents(kafka, own)) == len(sent)
    assert {key: value for key, (value, _) in found.items()} == sent
    devices = {"iotkit/sensor": "node-red", "iotkit/hall-3/alert": "hall-3", "iotkit/board/rfid": "board"}
    for topic, device in devices.items():
        headers = found[topic][1]
        assert (headers["topic"], headers["device"], headers["edge"]) == (topic, device, "node-red")
        assert abs(int(headers["arrival"]) / 1000 - time.time()) < 60
        assert _partition_of(kafka, own, topic) == zlib.crc32(topic.encode()) % 3, "the bridge's client would take another one"


def test_killing_kafka_loses_nothing_and_keeps_the_order(mosquitto: Mosquitto, kafka: Kafka, tmp_path: Path) -> None:
    topics = topics_of_a_test(kafka)
    with running(NodeRed(tmp_path / "node-red", mosquitto, kafka, topics)), publishing(mosquitto) as boards:
        time.sleep(2.0)
        with away(kafka):
            time.sleep(AWAY_S)
        back_s = time.monotonic()
        time.sleep(2.0)
        sent = boards.stop()
        twice = all_in_order(kafka, topics[wiring.BROKER_MESSAGE.name], sent)
        print(f"{sum(sent.values())} lines, {twice} twice, all there {time.monotonic() - back_s:.1f} s after Kafka was back")
    assert sum(sent.values()) > 1500
    assert twice == 0, "the client is idempotent"


def test_restarting_node_red_with_a_filled_outbox_loses_nothing(mosquitto: Mosquitto, kafka: Kafka, tmp_path: Path) -> None:
    topics = topics_of_a_test(kafka)
    flows = NodeRed(tmp_path / "node-red", mosquitto, kafka, topics)
    with running(flows), publishing(mosquitto) as boards:
        time.sleep(1.0)
        with away(kafka):
            time.sleep(3.0)
            flows.kill()
            flows.start()
            time.sleep(2.0)
            assert flows.terminate() == 0
            flows.start()
            time.sleep(2.0)
        time.sleep(1.0)
        sent = boards.stop()
        all_in_order(kafka, topics[wiring.BROKER_MESSAGE.name], sent)
    assert sum(sent.values()) > 500


def test_killing_node_red_while_messages_come_loses_nothing(mosquitto: Mosquitto, kafka: Kafka, tmp_path: Path) -> None:
    topics = topics_of_a_test(kafka)
    flows = NodeRed(tmp_path / "node-red", mosquitto, kafka, topics)
    with running(flows), publishing(mosquitto, rate=400.0) as boards:
        for _ in range(3):
            time.sleep(1.5)
            flows.kill()
            flows.start()
        time.sleep(1.0)
        sent = boards.stop()
        twice = all_in_order(kafka, topics[wiring.BROKER_MESSAGE.name], sent)
        print(f"{sum(sent.values())} lines, {twice} twice")


@pytest.mark.parametrize("kind", ["full", "flows", "nodes"])
def test_deploying_while_messages_come_loses_nothing(mosquitto: Mosquitto, kafka: Kafka, tmp_path: Path, kind: str) -> None:
    topics = topics_of_a_test(kafka)
    flows = NodeRed(tmp_path / "node-red", mosquitto, kafka, topics)
    with running(flows), publishing(mosquitto, rate=400.0) as boards:
        for number in range(12):
            time.sleep(0.5)
            nodes = flows.flows()
            for node in nodes:
                if node["type"] in {"Kafka Producer", "mqtt in"}:
                    node["name"] = f"changed {number}"
            flows.deploy(nodes, kind)
        sent = boards.stop()
        all_in_order(kafka, topics[wiring.BROKER_MESSAGE.name], sent)


def test_a_full_outbox_is_an_error_that_a_flow_can_catch(mosquitto: Mosquitto, kafka: Kafka, tmp_path: Path) -> None:
    flows = NodeRed(tmp_path / "node-red", mosquitto, kafka, topics_of_a_test(kafka))
    flows.write_config(change={"iotlab-kafka": {"outboxMb": 1}})
    debug = {"type": "debug", "z": "iotlab-iotkit", "active": True, "console": True, "wires": []}
    looking: list[Node] = [
        {"id": "caught", "type": "catch", "z": "iotlab-iotkit", "scope": None, "uncaught": False, "wires": [["said"]]},
        {"id": "state", "type": "status", "z": "iotlab-iotkit", "scope": [CARRIER], "wires": [["shown"]]},
        debug | {"id": "said", "complete": "error.message"},
        debug | {"id": "shown", "complete": "status.text"},
    ]
    with running(flows):
        flows.deploy([*flows.flows(), *looking])
        board = connect(mosquitto)
        with away(kafka):
            for _ in range(12):
                board.publish("iotkit/rfid", b"x" * 100_000, 1).wait_for_publish(5.0)
            wait_until("the error is caught", lambda: "takes no more until Kafka answers" in flows.log.read_text())
            waiting = re.compile(r"\[debug:shown\] \d waiting, Kafka is away: ")
            wait_until("what waits is shown", lambda: waiting.search(flows.log.read_text()) is not None)
        wait_until("and that it is over", lambda: flows.log.read_text().rstrip().endswith("[debug:shown] connected"))
        board.disconnect()
        board.loop_stop()


def test_what_kafka_refuses_is_a_dead_letter_and_stops_nothing(mosquitto: Mosquitto, kafka: Kafka, tmp_path: Path) -> None:
    topics = topics_of_a_test(kafka)
    small = kafka.topic("small", settings={"max.message.bytes": "20000"})
    own = topics[wiring.BROKER_MESSAGE.name]
    flows = NodeRed(tmp_path / "node-red", mosquitto, kafka, topics)
    rule = {"t": "set", "p": "topic", "pt": "msg", "tot": "jsonata"}
    chosen = f"$contains(topic, 'rfid') ? '{small}' : $contains(topic, 'button') ? 'no-such-topic' : '{own}'"
    flows.write_config(change={"iotlab-iotkit-topic": {"rules": [rule | {"to": chosen}]}})
    with running(flows):
        board = connect(mosquitto)
        for topic, payload in {"iotkit/rfid": b"x" * 50_000, "iotkit/button": b"ON", "iotkit/encoder": b"1"}.items():
            board.publish(topic, payload, 1).wait_for_publish(5.0)
        wait_until("what follows is in Kafka", lambda: len(contents(kafka, own)) == 1, 60.0)
        board.disconnect()
        board.loop_stop()
    letters = {key: headers for key, _, headers in contents(kafka, topics[wiring.DEAD_LETTER.name])}
    assert "no-such-topic" in letters["iotkit/button"]["reason"]
    assert letters["iotkit/rfid"]["size"] == "50000"
    assert "large" in letters["iotkit/rfid"]["reason"].lower()
    assert contents(kafka, small) == []


def test_a_topic_that_is_made_after_it_was_refused_is_found(mosquitto: Mosquitto, kafka: Kafka, tmp_path: Path) -> None:
    topics = topics_of_a_test(kafka)
    late = topics[wiring.BROKER_MESSAGE.name] = f"late-{tmp_path.name}"
    flows = NodeRed(tmp_path / "node-red", mosquitto, kafka, topics)
    with running(flows):
        board = connect(mosquitto)

        def all_refused() -> bool:
            board.publish("iotkit/button", b"ON", 1).wait_for_publish(5.0)
            (state,) = flows.ask("GET", "/iotlab/kafka")[1]
            return bool(state["refused"] and not state["waiting"])

        wait_until("the topic counts as unknown and takes nothing more", all_refused, 60.0)
        kafka.admin.create_topics([NewTopic(late, 1, 1)])[late].result(30.0)
        wait_until("and is found once it is there", lambda: all_refused() and bool(contents(kafka, late)), 60.0)
        board.disconnect()
        board.loop_stop()
