"""Node-RED's editor as a program sees it: its admin API, with the administrator's login."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError

from infra.lab import web
from infra.lab.errors import LabError
from infra.services.flows import BROKER, CLUSTER

ANSWER_WITHIN_S = 30.0
ONE_REQUEST = {"Connection": "close"}  # Node.js ends an idle connection after 5 s, and a POST into that moment is lost


class RefusedError(LabError):
    """It answers, and does not do it."""


class Editor:
    """One session."""

    def __init__(self, port: int, user: str, password: str) -> None:
        """`port` is on loopback.

        Raises:
            RefusedError: the login is refused, or what answers is no Node-RED.
            LabError: nothing answers.
        """
        self._url = f"http://127.0.0.1:{port}"
        self._http = urllib3.PoolManager(timeout=ANSWER_WITHIN_S, retries=False)
        self._headers = dict(ONE_REQUEST)
        fields = {"client_id": "node-red-admin", "grant_type": "password", "scope": "*", "username": user, "password": password}
        said = self.ask("POST", "/auth/token", urlencode(fields), {"Content-Type": "application/x-www-form-urlencoded"})
        try:
            self._token = json.loads(said)["access_token"]
        except (ValueError, KeyError, TypeError) as strange:
            raise RefusedError(f"/auth/token of {self._url} answered no token, so it is no Node-RED: {strange!r}.") from strange
        self._headers |= {"Authorization": f"Bearer {self._token}", "Node-RED-API-Version": "v2", "Accept": "application/json"}

    def ask(self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None) -> bytes:
        """One request within the session, `body` is JSON; the answer's body.

        Raises:
            RefusedError: it answers anything but 200.
            LabError: it does not answer.
        """
        told = self._headers | {"Content-Type": "application/json"} | (headers or {})
        try:
            answer = self._http.request(method, self._url + path, headers=told, body=body or None)
        except HTTPError as failed:
            raise LabError(f"Node-RED does not answer ({web.why(failed)}); ./lab logs node-red says why.") from failed
        if answer.status != HTTPStatus.OK:
            said = answer.data.decode(errors="replace")[:200]
            raise RefusedError(f"Node-RED refused {method} {path}: {answer.status} {said}")
        return bytes(answer.data)

    def end(self) -> None:
        """End the session; the token is worth nothing afterwards."""
        self.ask("POST", "/auth/revoke", json.dumps({"token": self._token}))

    def types(self) -> set[str]:
        """The node types that there are."""
        return {kind for module in json.loads(self.ask("GET", "/nodes")) if module["enabled"] for kind in module["types"]}

    def add(self, nodes: list[dict[str, Any]]) -> None:
        """Add nodes to what runs; whatever runs already goes on undisturbed.

        Raises:
            LabError: the lab's own servers are no longer among the flows, or somebody deployed at the same moment.
        """
        now = json.loads(self.ask("GET", "/flows"))
        if not {BROKER, CLUSTER} <= {node["id"] for node in now["flows"]}:
            raise LabError(
                "the nodes that say where Mosquitto and Kafka are were deleted; ./lab node-red reset brings them back."
            )
        body = {"rev": now["rev"], "flows": [*now["flows"], *nodes]}
        self.ask("POST", "/flows", json.dumps(body), {"Node-RED-Deployment-Type": "nodes"})


@contextmanager
def session(port: int, user: str, password: str) -> Iterator[Editor]:
    """An editor that leaves no session behind, unless Node-RED ends before it; then it ends by itself after twelve hours."""
    editor = Editor(port, user, password)
    try:
        yield editor
    finally:
        with suppress(LabError):  # what was done is done: said to have failed, a person would do it again
            editor.end()
