"""`./lab node-red`: bring a flow into the lab, say what people changed in the lab's own flows, and restore those."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from infra import accounts, wiring
from infra.lab import flow_import
from infra.lab.access import logins
from infra.lab.console import console
from infra.lab.editor import Editor, session
from infra.lab.errors import UserError
from infra.lab.flow_import import Camunda
from infra.lab.forwarding import outside_port
from infra.lab.kept import IN_NODE_RED, flow_report, told_of_flows
from infra.lab.lab import LOCAL, Lab, lab_here
from infra.lab.options import StackName

SERVICE = wiring.NODE_RED.host
POD = f"{SERVICE}-0"

node_red_app = typer.Typer(help="Flows of Node-RED.", no_args_is_help=True)


@contextmanager
def editor(lab: Lab) -> Iterator[Editor]:
    """A session with the running lab's."""
    login = logins(lab)[SERVICE]
    with outside_port(lab, SERVICE) as port, session(port, login["user"], login["password"]) as opened:
        yield opened


def _need(stack: str, verb: str) -> Lab:
    lab = lab_here(stack, f"node-red {verb}")
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
    lab = _need(stack, f"import {shlex.quote(str(file))}")
    with editor(lab) as open_editor:
        made = flow_import.fit(nodes, file.stem, types=open_editor.types(), camunda=_camunda(lab))
        open_editor.add(made.nodes)
    for title, sentences in (("Mapped", made.mapped), ("Ignored", made.ignored), ("Note", made.notes)):
        for sentence in sentences:
            console.print(f"{title}: {sentence}", markup=False, soft_wrap=True)
    tabs = [node["label"] for node in made.nodes if node["type"] == "tab"]
    console.print(f"{len(made.nodes)} nodes run, on {', '.join(tabs) or 'no tab'}; look at them: ./lab access", markup=False)


@node_red_app.command()
def status(stack: StackName = LOCAL) -> None:
    """Say how the lab's own flows differ from what the lab makes, and what of all flows cannot work."""
    report = flow_report(_need(stack, "status"))
    for line in told_of_flows(report, most_lines=None) or ["The lab's own flows are as the lab made them."]:
        console.print(line, markup=False, soft_wrap=True)


@node_red_app.command()
def reset(stack: StackName = LOCAL) -> None:
    """Restore the lab's own flows; tabs that people made stay."""
    lab = _need(stack, "reset")
    lab.kube.run(*IN_NODE_RED, "node", "provision.js", "--reset")
    lab.kube.run("delete", "pod", POD)  # its flows are read at the start
    lab.kube.run("rollout", "status", f"statefulset/{SERVICE}", "--timeout=120s", timeout_s=120)
    console.print("The lab's own flows are as the lab makes them.")
