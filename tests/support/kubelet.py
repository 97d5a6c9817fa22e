"""Plays kubelet on an API server without nodes: sets every pod of a namespace to one state."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from infra.lab.errors import LabError
from infra.lab.plugins.kubernetes.api import Api

_EVERY_S = 0.2


def running() -> dict[str, Any]:
    """A pod that is ready."""
    conditions = [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}]
    return {"phase": "Running", "conditions": conditions, "containerStatuses": [_container({"running": {}}, 0)]}


def waiting(reason: str, message: str, restarts: int = 0) -> dict[str, Any]:
    """A pod whose container waits for `reason`."""
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [_container(state, restarts)]}


def _container(state: dict[str, Any], restarts: int) -> dict[str, Any]:
    last = {"terminated": {"exitCode": 3, "reason": "Error"}} if restarts else {}
    image = {"image": "none", "imageID": "none"}
    return {"name": "main", "ready": "running" in state, "state": state, "restartCount": restarts, "lastState": last, **image}


def _binding(pod: str, node: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pod},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    }


@contextmanager
def kubelet(api: Api, namespace: str, status_by_image: dict[str, dict[str, Any]], *, node: str | None = None) -> Iterator[None]:
    """Keep the status of all pods of `namespace` as given for their image while the block runs.

    With `node`, play the scheduler too: a Service has endpoints only for pods that are on a node.
    """
    over = threading.Event()

    def pods() -> list[dict[str, Any]]:
        with suppress(LabError):  # a server that is busy answers the next time
            return list(api.every("v1", "Pod", namespace))
        return []

    def play() -> None:
        while not over.wait(_EVERY_S):
            for pod in pods():
                status = status_by_image[pod["spec"]["containers"][0]["image"]]
                path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}"
                try:
                    if node and not pod["spec"].get("nodeName"):
                        api.request("POST", f"{path}/binding", _binding(pod["metadata"]["name"], node))
                    api.request("PATCH", f"{path}/status", {"status": status}, content_type="application/merge-patch+json")
                except LabError:
                    continue  # the pod went meanwhile

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
