"""The Kubernetes API over HTTPS: the few requests the plugin needs, with errors as exceptions that know their cause."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

import urllib3

from infra.lab.errors import LabError
from infra.lab.plugins.kubernetes.kubeconfig import Cluster

Object = dict[str, Any]
FORBIDDEN, NOT_FOUND, CONFLICT, INVALID = 403, 404, 409, 422
_REFUSED: Final = 400  # and above
# One connection per waiting object, and no waiting for a free one.
_CONNECTIONS: Final = 64
_TIMEOUT: Final = urllib3.Timeout(connect=15, read=30)  # TLS is part of connecting: seconds, while every pod starts at once
# A server that is starting or restarting answers again within seconds; a refused connection is told after that.
_RETRIES: Final = urllib3.Retry(
    total=3, read=1, backoff_factor=0.5, status_forcelist=(429, 503), allowed_methods=None, raise_on_status=False, redirect=0
)  # fmt: skip


class UnreachableError(LabError):
    """No answer from the API server."""


class ApiError(LabError):
    """The API server refused a request; `status` and `causes` say why."""

    def __init__(self, status: int, body: Object) -> None:
        """`body` is the server's `Status` object."""
        super().__init__(str(body.get("message") or f"the API server answered {status}"))
        self.status = status
        self.reason = str(body.get("reason") or "")
        details = body.get("details") or {}
        self.kind = str(details.get("kind") or "")
        self.causes: list[Object] = list(details.get("causes") or ())


@dataclass(frozen=True, slots=True)
class Kind:
    """How the server names one kind of object in its paths."""

    api_version: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """The path of one object, or of all in a namespace."""
        root = "api" if "/" not in self.api_version else "apis"
        parts = [root, self.api_version]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts += [self.plural] + ([quote(name, safe="")] if name else [])
        return "/" + "/".join(parts)


class Api:
    """One cluster's API. Safe to use from many threads."""

    def __init__(self, cluster: Cluster) -> None:
        """No request is made yet."""
        self.namespace = cluster.namespace
        self._server = cluster.server
        self._lock = threading.Lock()
        self._kinds: dict[str, dict[str, Kind]] = {}
        name = cluster.server_name
        tls_names: dict[str, Any] = {"server_hostname": name, "assert_hostname": name} if name else {}
        self._pool = urllib3.PoolManager(
            maxsize=_CONNECTIONS,
            ssl_context=cluster.tls,
            headers=cluster.headers,
            timeout=_TIMEOUT,
            retries=_RETRIES,
            **tls_names,
        )

    def _send(
        self, method: str, path: str, body: Object | None, query: dict[str, str], content_type: str
    ) -> urllib3.BaseHTTPResponse:
        url = f"{self._server}{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        headers = {**self._pool.headers, "Accept": "application/json", "Content-Type": content_type}
        try:
            response = self._pool.request(method, url, body=data, headers=headers)
        except urllib3.exceptions.HTTPError as failed:
            cause = type(getattr(failed, "reason", None) or failed).__name__
            raise UnreachableError(f"The Kubernetes API at {self._server} doesn't answer ({cause}).") from failed
        if response.status >= _REFUSED:
            raise ApiError(response.status, _status_body(response.data))
        return response

    def request(
        self, method: str, path: str, body: Object | None = None, *, content_type: str = "application/json", **query: str
    ) -> Object:
        """Send one request and return the object that comes back.

        Raises:
            ApiError: the server refused it.
            UnreachableError: there was no answer.
        """
        loaded: Object = json.loads(self._send(method, path, body, query, content_type).data)
        return loaded

    def kind(self, api_version: str, kind: str) -> Kind | None:
        """How the server names a kind; None if it has no such kind (yet)."""
        with self._lock:
            known = self._kinds.get(api_version, {}).get(kind)
            if known is None:
                self._kinds[api_version] = self._discover(api_version)
                known = self._kinds[api_version].get(kind)
            return known

    def _discover(self, api_version: str) -> dict[str, Kind]:
        try:
            found = self.request("GET", f"/{'apis' if '/' in api_version else 'api'}/{api_version}")
        except ApiError as error:
            if error.status == NOT_FOUND:
                return {}
            raise
        return {
            item["kind"]: Kind(api_version, item["name"], item["namespaced"])
            for item in found["resources"]
            if "/" not in item["name"]
        }

    def get(self, api_version: str, kind: str, namespace: str | None, name: str) -> Object | None:
        """One object, or None if there is none of that name or kind."""
        found = self.kind(api_version, kind)
        if found is None:
            return None
        try:
            return self.request("GET", found.path(namespace, name))
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def every(self, api_version: str, kind: str, namespace: str | None, **query: str) -> list[Object]:
        """All objects of a kind in a namespace, e.g. with `labelSelector`."""
        found = self.kind(api_version, kind)
        return list(self.request("GET", found.path(namespace), None, **query).get("items") or ()) if found else []

    def delete(self, api_version: str, kind: str, namespace: str | None, name: str, body: Object | None = None) -> None:
        """Ask for an object's deletion; one that is gone, going or another one by its uid is left alone."""
        found = self.kind(api_version, kind)
        if found is None:
            return
        try:
            self.request("DELETE", found.path(namespace, name), body)
        except ApiError as error:
            if error.status not in {NOT_FOUND, CONFLICT}:
                raise

    def log(self, namespace: str, pod: str, container: str, *, lines: int, previous: bool) -> str:
        """The last lines a container wrote; nothing if there are none to be had."""
        path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/log"
        query = {"container": container, "tailLines": str(lines), "previous": str(previous).lower()}
        try:
            data: bytes = self._send("GET", path, None, query, "application/json").data
        except LabError:
            return ""
        return data.decode(errors="replace").strip()

    def version(self) -> str:
        """The server's version, such as v1.34.4."""
        return str(self.request("GET", "/version")["gitVersion"])

    def group_versions(self) -> list[str]:
        """Every API group and version the server serves."""
        groups = self.request("GET", "/apis")["groups"]
        return ["v1", *(version["groupVersion"] for group in groups for version in group["versions"])]


def _status_body(data: bytes) -> Object:
    try:
        body = json.loads(data)
    except ValueError:
        return {"message": data.decode(errors="replace").strip()[:300]}
    return body if isinstance(body, dict) else {}
