"""What people changed in a running lab and `up` therefore left as it is, each with its difference from the lab's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from infra.lab.errors import LabError

if TYPE_CHECKING:
    from infra.lab.lab import Lab

IN_JUPYTER = ("exec", "jupyter-0", "-c", "jupyter", "--", "python3")
PROVISION = ("/opt/iotlab/provision.py", "--kept", "/opt/iotlab/notebooks", "/home/lab")
IN_NODE_RED = ("exec", "node-red-0", "--container", "node-red", "--")
MOST_LINES = 20  # of one difference, on a terminal


def kept(lab: Lab) -> list[str]:
    """What a person reads of it, line by line."""
    return [*told(kept_notebooks(lab)), *told_of_flows(kept_flows(lab))]


def kept_notebooks(lab: Lab) -> dict[str, list[str]]:
    """Changed notebook -> its unified diff; nothing where there is no Jupyter or it gives no answer (the doctor tells that)."""
    if not lab.settings.has("jupyter"):
        return {}
    try:
        found: dict[str, list[str]] = json.loads(lab.kube.run(*IN_JUPYTER, *PROVISION))
    except (LabError, ValueError):
        return {}
    return found


def told(kept: dict[str, list[str]]) -> list[str]:
    """What a person reads of changed notebooks."""
    lines = []
    for name, difference in kept.items():
        lines.append(
            f"Kept: {name} was changed in Jupyter. For the lab's own one rename yours, then kubectl delete pod jupyter-0"
        )
        lines += _cut(difference, MOST_LINES)
    return lines


def flow_report(lab: Lab) -> dict[str, Any]:
    """What the running pod says of its flows now: `kept`, changed units with their difference, and `warnings`.

    Raises:
        LabError: it gives no answer.
    """
    said = lab.kube.run(*IN_NODE_RED, "node", "provision.js", "--report")
    try:
        found: dict[str, Any] = json.loads(said)
    except ValueError as strange:
        raise LabError(f"Node-RED's pod reports no flows but {said[:200]!r}; look at ./lab logs node-red.") from strange
    return found


def kept_flows(lab: Lab) -> dict[str, Any]:
    """The same for `up`: nothing where there is no Node-RED, a warning where it gives no answer."""
    if not lab.settings.has("node-red"):
        return {}
    try:
        return flow_report(lab)
    except LabError as failed:
        return {"warnings": [f"what people changed in its flows could not be asked: {failed}"]}


def told_of_flows(report: dict[str, Any], most_lines: int | None = MOST_LINES) -> list[str]:
    """What a person reads of changed flows, and of those that cannot work; all lines without `most_lines`."""
    lines = [f"Node-RED: {warning}" for warning in report.get("warnings", ())]
    for unit in report.get("kept", ()):
        lines.append(f"Kept: {unit['label']} was changed in Node-RED. For the lab's own ones: ./lab node-red reset")
        lines += _cut(unit["changes"], most_lines, "; all of them: ./lab node-red status")
    return lines


def _cut(difference: Sequence[str], most: int | None, more: str = "") -> list[str]:
    lines = [f"  {line}" for line in difference[:most]]
    left = len(difference) - len(lines)
    return [*lines, f"  … and {left} more lines{more}"] if left else lines
