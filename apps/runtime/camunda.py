"""Camunda's REST: what it refuses for good is told apart from what it may do later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError

from runtime.errors import UnavailableError

# what may heal by itself: a password being renewed, a process not deployed yet, too much at once
LATER = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)


class RefusedError(Exception):
    """Camunda will not do this, however often it is asked; the message says why."""


def _reason(body: bytes) -> str:
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    if isinstance(told, dict) and "message" in told:
        return str(told["message"])[:500]
    return body[:200].decode(errors="replace") or "no reason given"


class Camunda:
    """The REST of one engine, connections kept."""

    def __init__(self, url: str, user: str | None, password: str | None, timeout_s: float = 10.0) -> None:
        """`url` is http://host:port/engine-rest; without `user` no login is sent."""
        login = f"{user}:{password}" if user is not None else None
        self._url = url.rstrip("/")
        self._headers = urllib3.make_headers(basic_auth=login) if login else {}
        self._timeout_s = timeout_s
        self._pool = urllib3.PoolManager(maxsize=2, retries=False)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Ask; the answer's JSON.

        Raises:
            UnavailableError: it is away or cannot do it now.
            RefusedError: it says why it never will.
        """
        return self._ask("GET", f"{path}?{urlencode(query)}" if query else path, None, self._timeout_s)

    def post(self, path: str, body: Mapping[str, Any], *, wait_s: float = 0.0) -> Any:
        """Tell it to do something; the answer's JSON, None if there is none. `wait_s`: how long it may take by design.

        Raises:
            UnavailableError: it is away or cannot do it now; whether it was done is not known.
            RefusedError: it says why it never will.
        """
        return self._ask("POST", path, json.dumps(body).encode(), self._timeout_s + wait_s)

    def _ask(self, method: str, path: str, body: bytes | None, read_s: float) -> Any:
        headers = self._headers | ({"Content-Type": "application/json"} if body is not None else {})
        timeout = urllib3.Timeout(connect=5.0, read=read_s)
        try:
            answer = self._pool.request(method, f"{self._url}{path}", body=body, headers=headers, timeout=timeout)
        except HTTPError as failed:
            raise UnavailableError(f"Camunda does not answer: {failed}") from failed
        if answer.status == HTTPStatus.NO_CONTENT:
            return None
        if answer.status == HTTPStatus.OK:
            try:
                return json.loads(answer.data) if answer.data else None
            except ValueError as broken:
                raise UnavailableError(f"Camunda's answer is no JSON: {answer.data[:80]!r}") from broken
        reason = _reason(answer.data)
        if answer.status in LATER or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise UnavailableError(f"Camunda answers {answer.status}: {reason}")
        raise RefusedError(f"Camunda answers {answer.status}: {reason}")
