"""The canary's InfluxDB side: ask for one point until it is there."""

from __future__ import annotations

import json
import time
from http import HTTPStatus

import urllib3
from urllib3.exceptions import HTTPError

ASK_EVERY_S = 0.05


class InfluxError(Exception):
    """InfluxDB cannot be asked; the message says why."""


class InfluxProbe:
    """One InfluxDB, as one user or as nobody."""

    def __init__(self, url: str, login: tuple[str, str] | None) -> None:
        """`login` is user and password."""
        self._url = f"{url.rstrip('/')}/query"
        self._headers = urllib3.make_headers(basic_auth=":".join(login)) if login else {}
        self._pool = urllib3.PoolManager(retries=False, timeout=5.0)

    def ask(self, query: str, database: str = "") -> tuple[int, bytes]:
        """HTTP status and body.

        Raises:
            InfluxError: no answer.
        """
        fields = {"q": query, **({"db": database} if database else {})}
        try:
            answer = self._pool.request("GET", self._url, fields=fields, headers=self._headers)
        except HTTPError as failed:
            raise InfluxError(f"it does not answer ({type(failed).__name__})") from failed
        return answer.status, answer.data

    def has(self, database: str, measurement: str, car: str) -> bool:
        """Whether `measurement` has a point of `car`.

        Raises:
            InfluxError: no answer, or one that says no.
        """
        status, body = self.ask(f'SELECT "speed" FROM "{measurement}" WHERE "car" = \'{car}\'', database)
        if status != HTTPStatus.OK:
            raise InfluxError(f"it answers {status}: {body[:200].decode(errors='replace').strip()}")
        result = json.loads(body)["results"][0]
        if "error" in result:
            raise InfluxError(str(result["error"]))
        return bool(result.get("series"))

    def wait_for(self, database: str, measurement: str, car: str, timeout_s: float) -> float | None:
        """When the point was there (monotonic), or None if it was not in time.

        Raises:
            InfluxError: it cannot be asked.
        """
        until_s = time.monotonic() + timeout_s
        while not self.has(database, measurement, car):
            if time.monotonic() >= until_s:
                return None
            time.sleep(ASK_EVERY_S)
        return time.monotonic()


def refusal(url: str) -> str | None:
    """None if InfluxDB refuses someone without a login, else what it did instead."""
    try:
        status, _body = InfluxProbe(url, None).ask("SHOW DATABASES")
    except InfluxError as said:
        return f"influxdb cannot be asked: {said}; run ./lab logs influxdb"
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return None
    return f"influxdb answers {status} to someone without a login; look at its configuration, then run ./lab up"
