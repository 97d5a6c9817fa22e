"""Provisioning, with the image's own program on a volume of its own: what people changed is told, and nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra import wiring
from infra.services.flows import CARRIER
from tests.support.brokers import Kafka, Mosquitto
from tests.support.node_red import ADMIN_PASSWORD, Node, NodeRed, running, topics_of_a_test

TAB, FUNCTION = "tab 'IoTKit to Kafka'", "iotlab-alert-incident"


@pytest.fixture
def flows(mosquitto: Mosquitto, kafka: Kafka, tmp_path: Path) -> NodeRed:
    """Provisioned, not started."""
    made = NodeRed(tmp_path / "node-red", mosquitto, kafka, {})
    assert made.provision().returncode == 0
    return made


def _stored(flows: NodeRed) -> dict[str, Node]:
    return {node["id"]: node for node in json.loads((flows.data / "flows.json").read_text())}


def _store(flows: NodeRed, nodes: dict[str, Node]) -> None:
    (flows.data / "flows.json").write_text(json.dumps(list(nodes.values())))


def _changes(flows: NodeRed) -> list[str]:
    report = flows.report()
    assert report["warnings"] == []
    return [line for unit in report["kept"] for line in unit["changes"]]


def test_what_a_person_deploys_is_told_at_once_without_a_restart(mosquitto: Mosquitto, kafka: Kafka, tmp_path: Path) -> None:
    with running(NodeRed(tmp_path / "node-red", mosquitto, kafka, topics_of_a_test(kafka))) as flows:
        assert flows.report() == {"kept": [], "warnings": []}
        flows.deploy(flows.flows())
        assert flows.report() == {"kept": [], "warnings": []}, "a deploy alone is no change"
        nodes = [node for node in flows.flows() if node["id"] != "iotlab-doctor-in"]
        next(node for node in nodes if node["id"] == "iotlab-iotkit-debug")["complete"] = "true"
        flows.deploy(nodes)
        before = {file: file.read_bytes() for file in flows.data.glob("*.json")}
        kept = {unit["label"]: unit["changes"] for unit in flows.report()["kept"]}
        assert before == {file: file.read_bytes() for file in flows.data.glob("*.json")}, "a report changes nothing"
    assert kept[TAB] == ["debug 'readings' differs:", "  complete: 'payload' -> 'true'"]
    assert kept["tab 'Doctor'"][-1] == "mqtt in 'iotlab-doctor-in' was deleted"


def test_a_long_value_is_told_as_a_diff_of_lines(flows: NodeRed) -> None:
    nodes = _stored(flows)
    code = nodes[FUNCTION]["func"].splitlines()
    at = next(number for number, line in enumerate(code) if line.startswith("const WINDOW_MS"))
    nodes[FUNCTION]["func"] = "\n".join([*code[:at], "const WINDOW_MS = 1000", *code[at + 1 :], "// the end"])
    _store(flows, nodes)
    expected = [f" {code[at - 1]}", f"-{code[at]}", "+const WINDOW_MS = 1000", f" {code[at + 1]}"]
    last = [f"@@ line {len(code)} @@", f" {code[-1]}", "+// the end"]
    told = ["function 'incident' differs:", "  func:", f"    @@ line {at} @@", *(f"    {line}" for line in expected + last)]
    assert _changes(flows) == told


def test_no_secret_is_told_wherever_a_person_wrote_it(flows: NodeRed) -> None:
    nodes = _stored(flows)
    nodes[FUNCTION]["func"] += "\nconst password = 'hunter2-a'\nmsg.url = 'http://me:hunter2-b@camunda:8080/'"
    nodes["iotlab-alert-start"] |= {
        "headers": [{"keyType": "other", "keyValue": "Authorization", "valueType": "other", "valueValue": "hunter2-c"}],
        "apiKey": "hunter2-d",
        "url": "http://camunda/?" + "x" * 90 + "&token=hunter2-e",
        "credentials": {"password": "hunter2-f"},
    }
    nodes["iotlab-alert"]["env"] = [{"name": "LOGIN", "type": "cred", "value": "hunter2-g"}]
    nodes["iotlab-alert-debug"]["name"] = f"with {ADMIN_PASSWORD} in it"
    _store(flows, nodes)
    text = "\n".join(_changes(flows))
    assert "hunter2" not in text
    assert ADMIN_PASSWORD not in text
    assert "  name: 'settled' -> 'with (not shown) in it'" in text
    assert "  apiKey: (nothing) -> '(not shown)'" in text
    done = flows.provision()
    assert "hunter2" not in done.stdout


IN_A_FUNCTION = (
    "const pw = 'hunter2'",
    "let dbPass='hunter2'",
    "const options = { user: 'me', pass: 'hunter2' }",
    'msg.payload = {"pass": "hunter2"}',
    r"""msg.payload = '{\"pass\": \"hunter2\"}'""",
    "MQTT_PWD=hunter2",
    "Kennwort: hunter2",
    "client.setPass('hunter2')",
    "const login = { auth: 'me:hunter2' }",
    "msg.url = 'https://maps.example.org/?key=hunter2'",
    "msg.url = 'https://maps.example.org/?at=1&key=hunter2'",
    "msg.url = 'amqp://me:a/hunter2/b@broker'",
    "msg.url = 'amqp://me:a@hunter2@broker'",
    "msg.payload = '<password>hunter2</password>'",
)


def test_nothing_that_is_named_like_a_password_is_told_and_the_log_names_fields_only(flows: NodeRed) -> None:
    nodes = _stored(flows)
    nodes[FUNCTION]["func"] += "\n" + "\n".join([*IN_A_FUNCTION, "let passed = 'shown'"])
    rules = [{"t": "set", "p": name, "pt": "msg", "to": "hunter2", "tot": "str"} for name in ("pass", "payload.pw", "auth")]
    rules.append({"t": "change", "p": "pwd", "pt": "msg", "from": "hunter2", "fromt": "str", "to": "hunter2", "tot": "str"})
    nodes["iotlab-alert-start"]["rules"] = rules
    nodes["mine"] = {"id": "mine", "type": "debug", "z": nodes[FUNCTION]["z"], "name": "pass=hunter2", "wires": []}
    _store(flows, nodes)
    text = "\n".join(_changes(flows))
    assert [line for line in text.splitlines() if "hunter2" in line] == []
    assert "    +let passed = 'shown'" in text
    said = flows.provision().stdout
    assert "hunter2" not in said
    assert "shown'" not in said
    assert "provision: function 'incident' differs in func\n" in said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[\n  {"id": "mine", "type": "tab", "label": "hunter2",]\n', "is no JSON from line 2, column 52 on"),
        ("", "is no JSON: it ends too early"),
        ('{"flows": []}', "is no list of nodes with id and type"),
        ("[null]", "is no list of nodes with id and type"),
    ],
)
def test_a_broken_flow_file_is_told_in_a_sentence_and_kept_aside(flows: NodeRed, text: str, why: str) -> None:
    file, whole = flows.data / "flows.json", _stored(flows)
    file.write_text(text)
    (now,) = flows.report()["warnings"]
    assert now.startswith(f"{file} {why}: Node-RED runs on with what it has read before; deploy in the editor")
    assert file.read_text() == text, "a report changes nothing"
    done = flows.provision()
    assert (done.returncode, done.stderr) == (0, "")
    (aside,) = flows.data.glob("flows.json.broken-*")
    assert aside.read_text() == text
    assert (flows.data / aside.name.replace("flows", "flows_cred")).exists(), "the logins that belong to it"
    sentence = f"{aside} {why}: it was the flow file, is kept untouched, and the lab's own flows were made anew; docs/howto/"
    assert f"provision: {sentence}" in done.stdout
    assert "hunter2" not in done.stdout
    assert _stored(flows) == whole, "the lab's own are there again, and none counts as deleted"
    flows.provision()
    (later,) = flows.report()["warnings"]
    assert later.startswith(sentence), "said until it is mended or removed"
    mine: Node = {"id": "mine", "type": "tab", "label": "my own"}
    _store(flows, {"mine": mine} | whole)  # mended, as docs/howto/an-old-flow.md says
    aside.unlink()
    flows.provision()
    assert _stored(flows) == {"mine": mine} | whole
    assert flows.report() == {"kept": [], "warnings": []}


def test_a_lost_flow_file_is_made_anew_and_nothing_counts_as_deleted(flows: NodeRed) -> None:
    whole = _stored(flows)
    (flows.data / "flows.json").unlink()
    assert flows.provision().returncode == 0
    assert _stored(flows) == whole
    assert flows.report() == {"kept": [], "warnings": []}


def test_a_lost_record_of_what_was_laid_there_loses_no_change(flows: NodeRed) -> None:
    nodes = _stored(flows)
    nodes["iotlab-iotkit-debug"]["complete"] = "true"
    _store(flows, nodes)
    (flows.data / "provisioning.json").write_text("{")
    assert flows.provision().returncode == 0
    assert _stored(flows)["iotlab-iotkit-debug"]["complete"] == "true"
    assert _changes(flows) == ["debug 'readings' differs:", "  complete: 'payload' -> 'true'"]


def test_a_flow_with_an_unknown_topic_is_not_provisioned(flows: NodeRed) -> None:
    before = (flows.data / "flows.json").read_text()
    flows.write_config(change={CARRIER: {"topic": "sensors"}})
    done = flows.provision()
    assert done.returncode == 1
    assert "flow 'IoTKit to Kafka', node 'to Kafka': 'sensors' is not among the lab's topics: sensor-data" in done.stderr
    asked = flows.provision("--report")
    assert (asked.returncode, asked.stdout, asked.stderr) == (1, "", done.stderr), "kubectl's caller looks for it there"
    assert (flows.data / "flows.json").read_text() == before


@pytest.mark.parametrize(
    ("named", "follows"),
    [
        ({"type": "Kafka Producer", "topic": "sensors"}, "its records go to the dead-letter topic"),
        ({"type": "Kafka Consumer", "topics": "", "topic": "sensors"}, "it reads nothing"),
        ({"type": "kafka in", "topics": [{"topic": wiring.IOT.name}, {"topic": "sensors"}]}, "it reads nothing"),
    ],
)
@pytest.mark.parametrize("tab", ["mine", "iotlab-iotkit"])
def test_a_topic_of_a_persons_own_is_told_of_and_their_node_left_as_it_is(
    flows: NodeRed, named: Node, follows: str, tab: str
) -> None:
    before = _stored(flows) | {"mine": {"id": "mine", "type": "tab", "label": "my own"}}
    before["out"] = {"id": "out", "z": tab, "name": "out", "wires": []} | named
    _store(flows, before)
    (now,) = flows.report()["warnings"]
    assert now.startswith(f"flow '{before[tab]['label']}', node 'out': 'sensors' is not among the lab's topics: sensor-data")
    assert now.endswith(f"; {follows} unless you have made it")
    done = flows.provision()
    assert done.returncode == 0, "one node of a person's does not keep Node-RED from starting"
    assert f"provision: {now}" in done.stdout
    assert _stored(flows) == before


def test_a_topic_that_the_environment_fills_in_is_nobodys_to_judge(flows: NodeRed) -> None:
    before = _stored(flows) | {"out": {"id": "out", "type": "Kafka Producer", "topic": "${MY_TOPIC}", "wires": []}}
    _store(flows, before)
    assert flows.report()["warnings"] == []
    assert flows.provision().returncode == 0
    assert _stored(flows) == before


def test_a_lab_flow_that_people_edited_to_an_unknown_topic_is_refused_as_well(flows: NodeRed) -> None:
    nodes = _stored(flows)
    edited = (CARRIER, "iotlab-doctor-kafka")
    for node in edited:
        nodes[node]["topic"] = "sensors"
    _store(flows, nodes)
    now = flows.report()["warnings"]
    assert [sentence.endswith("; the next start disables it: name one of them") for sentence in now] == [True, True]
    done = flows.provision()
    assert "provision: flow 'IoTKit to Kafka', node 'to Kafka': 'sensors' is not among the lab's topics: " in done.stdout
    assert [_stored(flows)[node]["d"] for node in edited] == [True, True]
    still = flows.report()["warnings"][-1]
    assert still.endswith("; it is disabled: name one of them and enable it")
