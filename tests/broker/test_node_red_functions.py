"""The functions of Node-RED's alert flow in Node.js itself, with what Node-RED gives them."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from infra.services.flows import flows
from tests.support.node_red import runtime

MOST_WAITING = 1000  # of infra/services/node_red_incident.js
HARNESS = """
const [code, topic, payload, kept] = JSON.parse(require('node:fs').readFileSync(0, 'utf8'))
const errors = [], node = { warn () {}, error: text => errors.push(text) }
const flow = { get: name => kept[name], set: (name, value) => { kept[name] = value } }
const msg = { payload, mqtt: { topic, arrival: 1600000000000 } }
const made = new Function('msg', 'flow', 'node', code)(msg, flow, node)
console.log(JSON.stringify({ made, kept, errors }))
"""


def _done(function: str, topic: str, payload: str, kept: dict[str, Any]) -> dict[str, Any]:
    code = next(made["func"] for made in flows(carries=False, starts=True) if made["id"] == f"iotlab-alert-{function}")
    given = json.dumps([code, topic, payload, kept])
    done = subprocess.run([runtime()[0], "-e", HARNESS], input=given, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize(
    ("function", "payload", "keeps"),
    [("incident", "alert: hall", "waiting"), ("readings", "0xBC,21.00,51.4,low", "readings")],
)
def test_a_command_is_no_message_of_a_board(function: str, payload: str, keeps: str) -> None:
    kind = payload.split(":", maxsplit=1)[0] if ":" in payload else "sensor"
    assert next(iter(_done(function, f"iotkit/hall-3/{kind}", payload, {})["kept"][keeps])).startswith("hall-3")
    assert _done(function, f"iotkit/actors/{kind}", payload, {}) == {"made": None, "kept": {}, "errors": []}


def test_incidents_that_wait_for_camunda_have_a_limit_and_what_is_dropped_is_told() -> None:
    waiting: dict[str, Any] = {f"d/{number}/t": {} for number in range(MOST_WAITING - 1)}
    last = _done("incident", "iotkit/hall-3/alert", "alert: hall", {"waiting": waiting})
    assert last["made"]
    assert len(last["kept"]["waiting"]) == MOST_WAITING
    dropped = _done("incident", "iotkit/hall-3/alert", "alert: door", {"waiting": last["kept"]["waiting"]})
    assert dropped["made"] is None
    assert len(dropped["kept"]["waiting"]) == MOST_WAITING
    (told,) = dropped["errors"]
    assert "hall-3/door/" in told
    assert "is dropped" in told
