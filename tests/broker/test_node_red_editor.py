"""Node-RED's editor: behind a login, old flows run, and what people changed stays."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from infra import wiring
from infra.lab import flow_import, probes
from infra.lab.editor import session
from infra.lab.paths import ROOT
from infra.services.flows import CARRIER
from tests.support.boards import connect
from tests.support.brokers import Kafka, Mosquitto
from tests.support.load import contents
from tests.support.node_red import ADMIN_PASSWORD, Node, NodeRed, running, topics_of_a_test
from tests.support.processes import wait_until
from tests.support.readings import Boards

WINDOW_S = 600  # of infra/services/node_red_incident.js


def test_what_people_changed_survives_a_restart_and_is_reported(mosquitto: Mosquitto, kafka: Kafka, tmp_path: Path) -> None:
    flows = NodeRed(tmp_path / "node-red", mosquitto, kafka, topics_of_a_test(kafka))
    with running(flows):
        assert flows.report()["kept"] == []
        nodes = flows.flows()
        next(node for node in nodes if node["id"] == "iotlab-iotkit-debug")["complete"] = "true"
        next(node for node in nodes if node["id"] == CARRIER)["d"] = True
        flows.deploy([*nodes, {"id": "mine", "type": "tab", "label": "my own"}])
    flows.write_config(
        carries=True, change={"iotlab-alert-debug": {"name": "a newer one"}, "iotlab-iotkit-topic": {"name": "newer"}}
    )
    with running(flows):
        now = {node["id"]: node for node in flows.flows()}
        (kept,) = flows.report()["kept"]
    assert now["iotlab-iotkit-debug"]["complete"] == "true", "changed, so kept"
    assert now["iotlab-iotkit-topic"]["name"] != "newer", "a changed tab is not half renewed"
    assert now["iotlab-alert-debug"]["name"] == "a newer one", "unchanged, so renewed"
    assert now["mine"]["label"] == "my own"
    assert "d" not in now[CARRIER], "who carries is the configuration's to say, in a changed tab as well"
    assert kept["label"] == "tab 'IoTKit to Kafka'"
    readable = ["debug 'readings' differs:", "  complete: 'payload' -> 'true'"]
    at = kept["changes"].index(readable[0])
    assert kept["changes"][at : at + 2] == readable
    done = flows.provision()
    assert "provision: tab 'IoTKit to Kafka' is kept as people changed it\n" in done.stdout
    assert "provision: debug 'readings' differs in complete\n" in done.stdout
    flows.provision("--reset")
    assert flows.report()["kept"] == []


def test_a_renewed_password_reaches_flows_that_people_changed(mosquitto: Mosquitto, kafka: Kafka, tmp_path: Path) -> None:
    flows = NodeRed(tmp_path / "node-red", mosquitto, kafka, topics_of_a_test(kafka))
    with running(flows):
        nodes = flows.flows()
        next(node for node in nodes if node["id"] == "iotlab-mosquitto")["keepalive"] = "30"
        flows.deploy(nodes)
        before = flows.token()
    mosquitto.set_password("node-red", "a-new-one")
    (flows.secrets / "mosquitto-node-red/password").write_text("a-new-one")
    (flows.secrets / "users/admin").write_text("another-editor-secret")
    with running(flows):  # start() waits until it is connected
        assert [unit["label"] for unit in flows.report()["kept"]] == ["mqtt-broker 'the lab's Mosquitto'"]
        assert flows.ask("GET", "/flows", token=before)[0] == 401, "a session of the old password goes on"
        assert flows.login("editor-secret")[0] == 403
        assert flows.login("another-editor-secret")[0] == 200
    for file in flows.data.rglob("*"):
        if file.is_file():
            assert "a-new-one" not in file.read_text(errors="replace"), file


def test_nobody_comes_in_without_the_login(mosquitto: Mosquitto, kafka: Kafka, tmp_path: Path) -> None:
    flows = NodeRed(tmp_path / "node-red", mosquitto, kafka, topics_of_a_test(kafka))
    with running(flows):
        for path in (
            "/flows",
            "/settings",
            "/nodes",
            "/flow/iotlab-iotkit",
            "/context/global",
            "/diagnostics",
            "/library/local/flows/",
        ):
            assert flows.ask("GET", path, token="")[0] == 401, path
            assert flows.ask("GET", path, token="made-up")[0] == 401, path
        assert flows.ask("POST", "/flows", [], token="")[0] == 401
        assert flows.ask("POST", "/nodes", {"module": "node-red-node-random"})[0] >= 400, "a palette was installed"
        assert flows.login("wrong")[0] == 403
        assert flows.ask("GET", "/flows")[0] == 200


def test_an_old_flow_is_imported_and_runs(mosquitto: Mosquitto, kafka: Kafka, tmp_path: Path) -> None:
    topics = topics_of_a_test(kafka)
    own = topics[wiring.BROKER_MESSAGE.name]
    flows = NodeRed(tmp_path / "node-red", mosquitto, kafka, topics, carries=False)
    old = flow_import.read((ROOT / "tests/support/old-flow.json").read_text(), "old-flow.json")
    begin: Node = {"z": "t1", "fromOffset": "earliest", "wires": [["log"]]}
    more: list[Node] = [
        begin | {"id": "in", "type": "kafka in", "topics": own, "groupId": f"g-{own}"},
        begin | {"id": "group", "type": "Kafka Consumer Group", "broker": "k1", "topics": [own], "groupId": f"h-{own}"},
        {"id": "log", "z": "t1", "type": "debug", "active": True, "console": True, "complete": "payload", "x": 1, "wires": []},
    ]
    text = json.dumps([*old, *more]).replace(f'"{wiring.BROKER_MESSAGE.name}"', f'"{own}"')
    with running(flows):
        camunda = flow_import.Camunda(wiring.CAMUNDA.url, "worker", "worker-secret")
        with session(flows.port, "admin", ADMIN_PASSWORD) as editor:
            editor.add(flow_import.fit(json.loads(text), "old", types=editor.types(), camunda=camunda, topics=[own]).nodes)
        time.sleep(2.0)
        board = connect(mosquitto)
        board.publish("iotkit/sensor", b"0xBC,26.00,51.4,middle", 1).wait_for_publish(5.0)
        wait_until("the old flow wrote it", lambda: len(contents(kafka, own)) == 1)
        wait_until("both consumers read it", lambda: flows.log.read_text().count("0xBC,26.00,51.4,middle") == 2)
        kafka.kill()
        kafka.start()
        board.publish("iotkit/sensor", b"0xBC,31.00,51.4,high", 1).wait_for_publish(5.0)
        wait_until("and after Kafka was away", lambda: flows.log.read_text().count("0xBC,31.00,51.4,high") == 2)
        board.disconnect()
        board.loop_stop()
    ((key, _, headers),) = contents(kafka, own)[:1]
    assert (key, headers["topic"]) == ("iotkit/sensor", "iotkit/sensor"), "although the flow's change node overwrote msg.topic"


def _printed(flows: NodeRed, text: str) -> bool:
    return text in flows.log.read_text()


def test_a_reader_of_the_old_palette_begins_where_it_says(mosquitto: Mosquitto, kafka: Kafka, tmp_path: Path) -> None:
    topics = topics_of_a_test(kafka)
    own = topics[wiring.BROKER_MESSAGE.name]
    flows = NodeRed(tmp_path / "node-red", mosquitto, kafka, topics)
    Boards(kafka, own).publish([("iotkit/sensor", b"before")])
    added: list[Node] = []
    for begin, named in (("earliest", {"topics": own}), ("latest", {"topics": "", "topic": own})):  # the palettes differ
        place: Node = {"z": "iotlab-iotkit", "x": 100, "y": 300}
        reader: Node = named | {"type": "kafka in", "groupId": f"{begin}-{own}", "fromOffset": begin}
        shown: Node = {"type": "debug", "active": True, "console": True, "complete": "payload", "wires": []}
        added += [place | reader | {"id": f"in-{begin}", "wires": [[f"said-{begin}"]]}, place | shown | {"id": f"said-{begin}"}]
    with running(flows):
        flows.deploy([*flows.flows(), *added])
        wait_until("the oldest is read", partial(_printed, flows, "[debug:said-earliest] before"))
        time.sleep(3.0)
        Boards(kafka, own).publish([("iotkit/sensor", b"after")])
        for begin in ("earliest", "latest"):
            wait_until("the new one is read", partial(_printed, flows, f"[debug:said-{begin}] after"))
        assert not _printed(flows, "[debug:said-latest] before")


def test_the_doctors_login_is_let_in_leaves_no_session_and_nobody_else_gets_in(
    mosquitto: Mosquitto, kafka: Kafka, tmp_path: Path
) -> None:
    with running(NodeRed(tmp_path / "node-red", mosquitto, kafka, topics_of_a_test(kafka))) as flows:
        for _ in range(10):
            assert probes.node_red_login(flows.port, "admin", ADMIN_PASSWORD) == probes.Answer(
                accepted=True, reason="/settings answered 200"
            )
        sessions = flows.data / ".sessions.json"
        wait_until("every session is ended", lambda: not sessions.exists() or json.loads(sessions.read_text()) == {})
        assert probes.node_red_login(flows.port, "admin", "wrong").accepted is False
        assert probes.with_token(flows.port, "/settings", "").accepted is False
    assert probes.node_red_login(flows.port, "admin", ADMIN_PASSWORD).accepted is None


class Engine(BaseHTTPRequestHandler):
    """As much of Camunda as the flow asks: it counts and starts, and fails at first."""

    started: ClassVar[list[dict[str, Any]]] = []
    failures: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        wanted = parse_qs(urlsplit(self.path).query)["processInstanceBusinessKey"][0]
        self._answer({"count": sum(each["businessKey"] == wanted for each in self.started)})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.failures:
            self.failures.append(1)
            self.send_error(503)
            return
        self.started.append(body | {"path": self.path})
        self._answer({"id": "1"})

    def _answer(self, body: object) -> None:
        if self.headers["Authorization"] != f"Basic {b64encode(b'worker:worker-secret').decode()}":
            self.send_error(401)
            return
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def test_an_alert_starts_one_process_although_the_engine_failed_and_the_alert_came_twice(
    mosquitto: Mosquitto, kafka: Kafka, tmp_path: Path
) -> None:
    left_s = WINDOW_S - time.time() % WINDOW_S
    if left_s < 30:  # alerts on either side of a window's end are two incidents
        time.sleep(left_s + 1)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    flows = NodeRed(tmp_path / "node-red", mosquitto, kafka, topics_of_a_test(kafka))
    flows.write_config(camunda=f"http://127.0.0.1:{server.server_port}")
    with running(flows):
        board = connect(mosquitto)
        board.publish("iotkit/press-1/alert", b"alert: hall\0", 1).wait_for_publish(5.0)
        wait_until("the process is started at the second try", lambda: len(Engine.started) == 1)
        board.publish("iotkit/press-1/alert", b"alert: hall\0", 1).wait_for_publish(5.0)
        board.publish("iotkit/alert", b"alert: hall", 1).wait_for_publish(5.0)
        wait_until("another device's as well", lambda: len(Engine.started) == 2)
        time.sleep(1.0)
        board.disconnect()
        board.loop_stop()
    server.shutdown()
    first, second = Engine.started
    assert first["path"] == f"/engine-rest/process-definition/key/{wiring.MAINTENANCE_PROCESS}/start"
    assert first["businessKey"].startswith("press-1/hall/20")
    assert first["variables"]["device"] == {"value": "press-1", "type": "String"}
    assert second["variables"]["device"]["value"] == "node-red"
    assert set(first["variables"]) == {"device", "edge", "severity", "kind", "since", "readings", "dashboard"}
