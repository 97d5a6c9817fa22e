"""The lab's notebooks with the solutions of their exercises, and what runs one to its end where Jupyter is installed."""

from __future__ import annotations

import json
from typing import Any

from infra.lab.bundle.notebooks import build, code_cells, folders
from tests.support.lab import ROOT

NAMES = tuple(folder.name for folder in folders())
SOURCES = {folder.name: folder for folder in folders()}
EXERCISES = {
    name: tuple(cell.name for cell in code_cells(folder).values() if cell.kind == "exercise") for name, folder in SOURCES.items()
}
PLOTS = {
    "01-1-MQTT": {"mqtt-encoder"},
    "01-2-Kafka": {"kafka-latency"},
    "01-3-Actuator": {"actuator-flap"},
    "01-4-Kubernetes": {"kubernetes-self-healing"},
    "02-1-FanData": {"fans-values", "fans-threshold"},
    "02-2-MLTempHumSensor": {"iotkit-readings", "iotkit-neighbours"},
    "02-3-Greenhouse": {"greenhouse-moisture", "greenhouse-filled"},
    "Microservices-BPMN-microk8s": {"bpmn-history"},
}
# Reads a notebook on standard input and runs it in a folder of its own; prints its plots with their sizes, and what failed.
RUNNER = """
import json, shutil, sys, tempfile
from pathlib import Path
import nbformat
from nbclient import NotebookClient
notebook = nbformat.reads(sys.stdin.read(), as_version=4)
folder = Path(tempfile.mkdtemp(prefix=".test-", dir=Path.home()))
try:
    NotebookClient(notebook, timeout=300, allow_errors=True, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [(cell.id, out) for cell in notebook.cells for out in cell.get("outputs", ())]
    print(json.dumps({
        "failed": {name: "".join(out.traceback)[-1500:] for name, out in outputs if out.output_type == "error"},
        "said": {name: "".join(o.text for n, o in outputs if n == name and o.output_type == "stream") for name, _ in outputs},
        "plots": {file.stem: file.stat().st_size for file in folder.glob("plots/*.png")},
    }))
finally:
    shutil.rmtree(folder)
"""


def solutions(name: str) -> dict[str, str]:
    """Exercise -> the cell that solves it."""
    return {cell.name: cell.source for cell in code_cells(ROOT / "tests/solutions" / name).values()}


def solved(name: str) -> str:
    """The notebook with every exercise solved."""
    notebook: dict[str, Any] = json.loads(build(SOURCES[name]))
    answers = solutions(name)
    for cell in notebook["cells"]:
        cell["source"] = answers.get(cell["id"], cell["source"])
    return json.dumps(notebook)
