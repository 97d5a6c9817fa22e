"""What people changed is kept, and `up` says what and how it differs."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from infra.lab.errors import LabError
from infra.lab.kept import IN_NODE_RED, MOST_LINES, flow_report, kept_flows, kept_notebooks, told, told_of_flows


def lab(said: str | LabError, *, jupyter: bool = True) -> Any:
    def run(*words: str) -> str:
        assert words[:2] == ("exec", "jupyter-0")
        if isinstance(said, LabError):
            raise said
        return said

    return SimpleNamespace(settings=SimpleNamespace(has=lambda _: jupyter), kube=SimpleNamespace(run=run))


def test_a_changed_notebook_is_told_with_its_diff() -> None:
    lines = told(kept_notebooks(lab(json.dumps({"a.ipynb": ["-ours", "+mine"]}))))
    assert lines[0].startswith("Kept: a.ipynb was changed in Jupyter.")
    assert lines[1:] == ["  -ours", "  +mine"]


def test_a_long_diff_is_cut_and_says_so() -> None:
    lines = told({"a.ipynb": ["+x"] * (MOST_LINES + 3)})
    assert len(lines) == MOST_LINES + 2
    assert lines[-1] == "  … and 3 more lines"


@pytest.mark.parametrize("said", ["", "{", LabError("kubectl exec: gone")])
def test_a_server_that_gives_no_answer_is_the_doctors_to_tell(said: str | LabError) -> None:
    assert kept_notebooks(lab(said)) == {}


def test_a_lab_without_jupyter_is_not_asked() -> None:
    assert kept_notebooks(lab(LabError("nobody to ask"), jupyter=False)) == {}


CHANGED = {"unit": "a", "label": "tab 'IoTKit to Kafka'", "changes": ["debug 'readings' differs:", "  complete: 'a' -> 'b'"]}


def asked(said: str | LabError, *, node_red: bool = True) -> Any:
    def run(*words: str) -> str:
        assert words == (*IN_NODE_RED, "node", "provision.js", "--report")
        if isinstance(said, LabError):
            raise said
        return said

    return SimpleNamespace(settings=SimpleNamespace(has=lambda _: node_red), kube=SimpleNamespace(run=run))


def test_changed_flows_are_told_with_their_difference() -> None:
    report = {"kept": [CHANGED], "warnings": ["nothing carries MQTT to Kafka"]}
    assert told_of_flows(kept_flows(asked(json.dumps(report)))) == [
        "Node-RED: nothing carries MQTT to Kafka",
        "Kept: tab 'IoTKit to Kafka' was changed in Node-RED. For the lab's own ones: ./lab node-red reset",
        "  debug 'readings' differs:",
        "    complete: 'a' -> 'b'",
    ]


def test_a_long_difference_of_flows_is_cut_and_status_shows_it_all() -> None:
    report = {"kept": [CHANGED | {"changes": ["+x"] * (MOST_LINES + 3)}], "warnings": []}
    assert told_of_flows(report)[-1] == "  … and 3 more lines; all of them: ./lab node-red status"
    assert len(told_of_flows(report, most_lines=None)) == MOST_LINES + 4


@pytest.mark.parametrize("said", ["", "provision: no such file", LabError("kubectl exec: gone")])
def test_up_goes_on_without_a_report_of_flows_and_says_why(said: str | LabError) -> None:
    with pytest.raises(LabError, match=r"gone|look at \./lab logs node-red") as failed:
        flow_report(asked(said))
    assert told_of_flows(kept_flows(asked(said))) == [
        f"Node-RED: what people changed in its flows could not be asked: {failed.value}"
    ]


def test_a_lab_without_node_red_is_not_asked() -> None:
    assert kept_flows(asked(LabError("nobody to ask"), node_red=False)) == {}
