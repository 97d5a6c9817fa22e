"""`./lab node-red`: bring a flow into the lab, say what people changed in the lab's own flows, and restore those."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
import urllib3
from urllib3.exceptions import HTTPError

from infra import accounts, wiring
from infra.lab import flow_import, web
from infra.lab.access import logins
from infra.lab.console import console
from infra.lab.errors import LabError, UserError
from infra.lab.flow_import import Camunda
from infra.lab.forwarding import outside_port
from infra.lab.lab import LOCAL, Lab
from infra.services.flows import BROKER, CLUSTER

SERVICE = wiring.NODE_RED.host
POD = f"{SERVICE}-0"
REPORT = "/data/provisioning.json"
IN_POD = ("exec", POD, "--container", SERVICE, "--")
OK = 200

node_red_app = typer.Typer(help="Flows of Node-RED.", no_args_is_help=True)
StackName = Annotated[str, typer.Option("--stack", "-s", help="Which Pulumi.<stack>.yaml.")]


class Editor:
    """Node-RED's admin API with the administrator's login."""

    def __init__(self, port: int, user: str, password: str) -> None:
        """`port` is on loopback.

        Raises:
            LabError: it does not answer, or refuses the login.
        """
        self._url = f"http://127.0.0.1:{port}"
        self._http = urllib3.PoolManager(timeout=30, retries=2)
        fields = {"client_id": "node-red-admin", "grant_type": "password", "scope": "*", "username": user, "password": password}
        said = json.loads(self._ask("POST", "/auth/token", fields=fields))
        self._headers = {"Authorization": f"Bearer {said['access_token']}", "Node-RED-API-Version": "v2"}

    def _ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: str = "", fields: dict[str, str] | None = None
    ) -> bytes:
        try:
            if fields:
                answer = self._http.request(method, self._url + path, fields=fields, encode_multipart=False)
            else:
                answer = self._http.request(method, self._url + path, headers=headers, body=body or None)
        except HTTPError as failed:
            raise LabError(f"Node-RED does not answer ({web.why(failed)}); ./lab logs {SERVICE} says why.") from failed
        if answer.status != OK:
            raise LabError(f"Node-RED refused {method} {path}: {answer.status} {answer.data.decode(errors='replace')[:200]}")
        return bytes(answer.data)

    def types(self) -> set[str]:
        """The node types that there are."""
        listed = json.loads(self._ask("GET", "/nodes", self._headers | {"Accept": "application/json"}))
        return {kind for module in listed if module["enabled"] for kind in module["types"]}

    def add(self, nodes: list[dict[str, Any]]) -> None:
        """Add nodes to what runs; whatever runs already goes on undisturbed.

        Raises:
            LabError: the lab's own servers are no longer among the flows, or somebody deployed at the same moment.
        """
        now = json.loads(self._ask("GET", "/flows", self._headers))
        if not {BROKER, CLUSTER} <= {node["id"] for node in now["flows"]}:
            raise LabError(
                "the nodes that say where Mosquitto and Kafka are were deleted; ./lab node-red reset brings them back."
            )
        headers = self._headers | {"Content-Type": "application/json", "Node-RED-Deployment-Type": "nodes"}
        body = json.dumps({"rev": now["rev"], "flows": [*now["flows"], *nodes]})
        self._ask("POST", "/flows", headers, body)


@contextmanager
def editor(lab: Lab) -> Iterator[Editor]:
    """The running lab's."""
    login = logins(lab)[SERVICE]
    with outside_port(lab, SERVICE) as port:
        yield Editor(port, login["user"], login["password"])


def _need(stack: str) -> Lab:
    lab = Lab(stack)
    if not lab.settings.has(SERVICE):
        raise UserError(f"the stack '{stack}' has no {SERVICE}; add it to iotlab:services and run ./lab up.")
    lab.need_up()
    return lab


def _camunda(lab: Lab) -> Camunda | None:
    if not lab.settings.has(wiring.CAMUNDA.host):
        return None
    secret = lab.kube.secret(f"{wiring.CAMUNDA.host}-{accounts.CAMUNDA_WORKER}")
    return Camunda(wiring.CAMUNDA.url, accounts.CAMUNDA_WORKER, secret["password"])


@node_red_app.command("import", epilog="Example: ./lab node-red import old-flow.json")
def import_(file: Annotated[Path, typer.Argument(help="A flow that Node-RED exported.")], stack: StackName = LOCAL) -> None:
    """Add an exported flow; its MQTT, Kafka and Camunda become the lab's, with their logins."""
    nodes = flow_import.read(file.read_text(errors="replace"), file.name)
    lab = _need(stack)
    with editor(lab) as open_editor:
        made = flow_import.fit(nodes, file.stem, types=open_editor.types(), camunda=_camunda(lab))
        open_editor.add(made.nodes)
    for note in made.notes:
        console.print(note, markup=False, soft_wrap=True)
    tabs = [node["label"] for node in made.nodes if node["type"] == "tab"]
    console.print(f"{len(made.nodes)} nodes run, on {', '.join(tabs) or 'no tab'}; look at them: ./lab access", markup=False)


def changed(lab: Lab) -> list[str]:
    """Sentences on what people changed in the lab's own flows, and what that stops; none where there are no flows."""
    if not lab.settings.has(SERVICE):
        return []
    report = json.loads(lab.kube.run(*IN_POD, "cat", REPORT))
    kept = [f"{unit['label']} is kept as people changed it: {change}" for unit in report["kept"] for change in unit["changes"]]
    return [*report["warnings"], *kept]


@node_red_app.command()
def status(stack: StackName = LOCAL) -> None:
    """Say what people changed in the lab's own flows, as the last start found it."""
    told = changed(_need(stack))
    for sentence in told or ["The lab's own flows are as the lab made them."]:
        console.print(sentence, markup=False, soft_wrap=True)


@node_red_app.command()
def reset(stack: StackName = LOCAL) -> None:
    """Restore the lab's own flows; tabs that people made stay."""
    lab = _need(stack)
    lab.kube.run(*IN_POD, "node", "provision.js", "--reset")
    lab.kube.run("delete", "pod", POD)  # its flows are read at the start
    lab.kube.run("rollout", "status", f"statefulset/{SERVICE}", "--timeout=120s", timeout_s=120)
    console.print("The lab's own flows are as the lab makes them.")
