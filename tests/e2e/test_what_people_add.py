"""What people add to a running lab by a verb: devices to the fleet, a flow to Node-RED. Both are taken away again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
import urllib3

from infra import wiring
from infra.lab.editor import ONE_REQUEST
from infra.lab.lab import Lab
from tests.support.lab import ROOT, lab, lab_json, lab_ok, until

pytestmark = pytest.mark.usefixtures("running")

EDITOR = f"http://127.0.0.1:{wiring.node_port('node-red')}"


def boards() -> int:
    """How many simulated boards the fleet's pod says it has."""
    page = Lab().kube.page("fleet", wiring.METRICS_PORT, "metrics")
    (line,) = [line for line in page.splitlines() if line.startswith('fleet_devices{kind="iotkit"}')]
    return int(float(line.split()[-1]))


def test_boards_are_added_to_the_fleet_and_taken_away_again() -> None:
    before = boards()
    lab_ok("fleet", "add", "iotkit", "2")
    try:
        assert lab_json("fleet", "list")["iotkit"] == before + 2
        until(lambda: boards() == before + 2, 60)
    finally:
        lab_ok("fleet", "remove", "iotkit", "2")
    until(lambda: boards() == before, 60)


def test_more_boards_than_can_be_removed_is_the_users_fault() -> None:
    done = lab("fleet", "remove", "iotkit", "1000")
    assert done.returncode == 2
    assert "there are only" in done.stderr


@pytest.fixture
def ask() -> Iterator[Any]:
    """Node-RED's admin API with the login that `./lab access` prints."""
    if not Lab().settings.has("node-red"):
        pytest.skip("the stack `local` has no node-red: add it to its services")
    entry = lab_json("access")["node-red"]
    fields = {"client_id": "node-red-admin", "grant_type": "password", "scope": "*"}
    login = fields | {"username": entry["user"], "password": entry["password"]}
    http = urllib3.PoolManager(timeout=30)
    token = http.request("POST", f"{EDITOR}/auth/token", fields=login, encode_multipart=False, headers=ONE_REQUEST).json()
    headers = ONE_REQUEST | {"Authorization": f"Bearer {token['access_token']}"}
    yield lambda method, path, **more: http.request(method, EDITOR + path, headers=headers, **more)
    http.request("POST", f"{EDITOR}/auth/revoke", headers=headers, fields={"token": token["access_token"]})


def test_an_old_flow_comes_in_with_the_labs_servers_and_a_wrong_one_is_refused(ask: Any, ours: bool, tmp_path: Any) -> None:
    if not ours:
        pytest.skip("an editor in which a person works is left alone: stop this lab (./lab down) to have it tried in another")
    before = {node["id"] for node in ask("GET", "/flows").json()}
    lab_ok("node-red", "import", str(ROOT / "tests/support/old-flow.json"))
    added = [node for node in ask("GET", "/flows").json() if node["id"] not in before]
    tabs = [node["id"] for node in added if node["type"] == "tab"]
    try:
        assert len(tabs) == 1
        foreign = [node for node in added if any(host in json.dumps(node) for host in ("example.org", "10.1.2.3", "192.168.1.9"))]
        assert foreign == []
        (called,) = [node["url"] for node in added if node["type"] == "http request"]
        assert called.startswith(wiring.CAMUNDA_REST)
    finally:
        for tab in tabs:
            ask("DELETE", f"/flow/{tab}")
    assert {node["id"] for node in ask("GET", "/flows").json() if node["type"] == "tab"} <= before
    unknown = tmp_path / "unknown.json"
    unknown.write_text(
        (ROOT / "tests/support/old-flow.json").read_text().replace('"topic": "broker_message"', '"topic": "brokr"')
    )
    done = lab("node-red", "import", str(unknown))
    assert done.returncode == 2
    assert "brokr" in done.stderr
    assert wiring.BROKER_MESSAGE.name in done.stderr


def test_a_changed_flow_is_kept_and_told_with_its_difference_until_it_is_reset(ask: Any, ours: bool) -> None:
    if not ours:
        pytest.skip("an editor in which a person works is left alone: stop this lab (./lab down) to have it tried in another")
    flows = ask("GET", "/flows").json()
    (shown,) = [node for node in flows if node["id"] == "iotlab-iotkit-debug"]
    was, shown["complete"] = shown["complete"], "true"
    assert ask("POST", "/flows", json=flows).status == HTTPStatus.NO_CONTENT
    try:
        told = lab("up").stderr + lab("node-red", "status").stderr
        assert told.count(f"complete: {was!r} -> 'true'") == 2, told
    finally:
        lab_ok("node-red", "reset")
    assert "are as the lab made them" in lab("node-red", "status").stderr
