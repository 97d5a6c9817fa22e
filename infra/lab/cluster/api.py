"""A small client of the cluster's API: read, server-side apply. No kubectl, so that it costs milliseconds."""

from __future__ import annotations

import datetime as dt
import json
import ssl
from collections.abc import Callable, Mapping
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

from infra.lab.cluster.layout import API_PORT, NODE
from infra.lab.errors import LabError

FIELD_MANAGER = "iotlab-cluster"
OK = range(200, 300)
PLURALS = {
    "APIService": "apiservices",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "ConfigMap": "configmaps",
    "Deployment": "deployments",
    "Namespace": "namespaces",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "StorageClass": "storageclasses",
}


def object_path(manifest: Mapping[str, Any]) -> str:
    """Where an object lives in the API."""
    version = manifest["apiVersion"]
    prefix = f"/apis/{version}" if "/" in version else f"/api/{version}"
    metadata = manifest["metadata"]
    inside = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"{prefix}{inside}/{PLURALS[manifest['kind']]}/{metadata['name']}"


class AwayError(LabError):
    """The API server doesn't answer, or not in time: on a slow machine it may a moment later."""


class Api:
    """The API server of the embedded cluster, as its administrator."""

    def __init__(self, address: str, pki: Path, timeout_s: float = 30.0) -> None:
        """`address` is the node's; `pki` the folder with the administrator's certificate."""
        self._address = address
        self._timeout_s = timeout_s
        try:
            self._context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
            self._context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        except OSError as missing:
            raise LabError(f"the cluster's certificates in {pki} can't be read: {missing}") from missing

    def _call(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> tuple[int, bytes]:
        connection = HTTPSConnection(self._address, API_PORT, timeout=self._timeout_s, context=self._context)
        try:
            connection.request(method, path, body, {"Content-Type": kind, "Accept": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException) as failure:
            raise AwayError(f"the cluster's API at {self._address}:{API_PORT} doesn't answer: {failure}") from failure
        finally:
            connection.close()

    def ready(self) -> bool:
        """Whether the API server says so."""
        try:
            return self._call("GET", "/readyz")[0] in OK
        except LabError:
            return False

    def get(self, path: str) -> dict[str, Any] | None:
        """One object or list; None when it isn't there."""
        status, text = self._call("GET", path)
        if status not in OK:
            return None
        found: dict[str, Any] = json.loads(text)
        return found

    def apply(self, manifest: Mapping[str, Any]) -> bool:
        """Make an object what the manifest says; True, once it is.

        Raises:
            AwayError: nobody answered.
            LabError: with the API's own words.
        """
        path = f"{object_path(manifest)}?fieldManager={FIELD_MANAGER}&force=true"
        status, text = self._call("PATCH", path, json.dumps(manifest).encode(), "application/apply-patch+yaml")
        if status not in OK:
            why = json.loads(text).get("message", "") if text.startswith(b"{") else text.decode(errors="replace")
            raise LabError(f"the cluster refused {manifest['kind']} {manifest['metadata']['name']}: {why}")
        return True


def answered(asked: Callable[[], bool]) -> bool:
    """Whether it is so; an API server that is too slow to say it is asked again (seen on an emulated machine, 2026-11)."""
    try:
        return asked()
    except AwayError:
        return False


def _since(moment: str) -> float:
    return dt.datetime.fromisoformat(moment).timestamp()


def node_ready(api: Api, started: float) -> bool:
    """Whether kubelet has said «Ready» since `started`; what it said before the last stop doesn't count."""
    node = api.get(f"/api/v1/nodes/{NODE}") or {}
    for condition in node.get("status", {}).get("conditions", []):
        if condition["type"] == "Ready":
            return condition["status"] == "True" and _since(condition["lastHeartbeatTime"]) >= int(started)
    return False


def deployment_ready(api: Api, namespace: str, name: str, started: float) -> bool:
    """Whether the deployment is what was applied last, and each of its pods has been started since `started` and is ready."""
    found = api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
    if found is None or found["status"].get("observedGeneration") != found["metadata"]["generation"]:
        return False
    wanted = found["spec"]["replicas"]
    if any(found["status"].get(field) != wanted for field in ("replicas", "updatedReplicas", "availableReplicas")):
        return False
    pods = api.get(f"/api/v1/namespaces/{namespace}/pods?labelSelector=app.kubernetes.io/name={name}") or {}
    return all(_container_ready(one, started) for pod in pods["items"] for one in pod["status"].get("containerStatuses", []))


def _container_ready(container: Mapping[str, Any], started: float) -> bool:
    running = container["state"].get("running")
    return bool(container["ready"] and running and _since(running["startedAt"]) >= int(started))
