"""InfluxDB 1.x over HTTP: what it refuses for good is told apart from what it may take later."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import urlencode

import urllib3
from runtime.errors import UnavailableError
from urllib3.exceptions import HTTPError

REFUSED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})


def _reason(body: bytes) -> str:
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    if isinstance(told, dict) and "error" in told:
        return str(told["error"])[:500]
    return body[:500].decode(errors="replace") or "no reason given"


class Influx:
    """One InfluxDB, connections kept."""

    def __init__(self, url: str, user: str | None, password: str | None, *, timeout_s: float, compress: bool) -> None:
        """`url` is http://host:port; without `user` no login is sent."""
        login = f"{user}:{password}" if user is not None else None
        self._url = url.rstrip("/")
        self._compress = compress
        self._headers = urllib3.make_headers(basic_auth=login) if login else {}
        timeout = urllib3.Timeout(connect=min(5.0, timeout_s), read=timeout_s)
        self._pool = urllib3.PoolManager(maxsize=2, timeout=timeout, retries=False)

    def write(self, database: str, lines: Sequence[bytes]) -> str | None:
        """Write lines; None if all are written, else why some are refused (the others are written).

        Raises:
            UnavailableError: nothing can be said of the lines; try again later.
        """
        body = b"\n".join(lines)
        headers = dict(self._headers)
        if self._compress:
            body = gzip.compress(body, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        url = f"{self._url}/write?{urlencode({'db': database, 'precision': 'ns'})}"
        try:
            answer = self._pool.request("POST", url, body=body, headers=headers)
        except HTTPError as failed:
            raise UnavailableError(f"InfluxDB does not answer: {failed}") from failed
        if answer.status == HTTPStatus.NO_CONTENT:
            return None
        reason = _reason(answer.data)
        if answer.status in REFUSED:
            return f"InfluxDB: {reason}"
        raise UnavailableError(f"InfluxDB answers {answer.status}: {reason}")

    def ping(self) -> str | None:
        """None if it answers, else why not."""
        try:
            answer = self._pool.request("GET", f"{self._url}/ping", timeout=2.0)
        except HTTPError as failed:
            return f"InfluxDB does not answer: {failed}"
        return None if answer.status == HTTPStatus.NO_CONTENT else f"InfluxDB answers {answer.status} to a ping"
