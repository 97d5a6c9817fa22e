"""InfluxDB asked from this machine: a forwarded port, the reader's generated login, one query at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3.exceptions import HTTPError

from infra import wiring
from infra.lab import web
from infra.lab.access import logins
from infra.lab.errors import LabError
from infra.lab.forwarding import forwarded

if TYPE_CHECKING:
    from infra.lab.lab import Lab

Ask = Callable[[str, str], list[dict[str, Any]]]


@contextmanager
def reader(lab: Lab) -> Iterator[Ask]:
    """Give a function `ask(database, query)` that returns rows as dictionaries.

    Raises:
        LabError: the port could not be forwarded, InfluxDB went away, or it refused the query; the message is its own.
    """
    login = logins(lab)["influxdb"]
    with forwarded(lab, wiring.INFLUXDB) as port:
        http = urllib3.PoolManager(timeout=10, retries=2)
        headers = urllib3.make_headers(basic_auth=f"{login['user']}:{login['password']}")
        url = f"http://127.0.0.1:{port}/query"

        def ask(database: str, query: str) -> list[dict[str, Any]]:
            try:
                said = http.request("GET", url, fields={"db": database, "q": query, "epoch": "ms"}, headers=headers).json()
            except (HTTPError, ValueError) as failed:
                raise LabError(f"InfluxDB does not answer ({web.why(failed)}); ./lab status says whether it runs.") from failed
            wrong = said.get("error") or next((part["error"] for part in said.get("results", ()) if "error" in part), None)
            if wrong:
                raise LabError(f"InfluxDB refused «{query}»: {wrong}")
            return [row for part in said["results"] for series in part.get("series", ()) for row in _rows(series)]

        yield ask


def _rows(series: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(series["columns"], values, strict=True)) for values in series["values"]]
