"""`/metrics`, `/healthz`, `/readyz` and `/last` of an app, served by a thread of its own."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

Check = Callable[[], str | None]  # None if all is well, else what is wrong
Last = Callable[[], Mapping[str, Mapping[str, str]]]  # what an app saw last, by the hop


class Heartbeat:
    """The main loop's sign of life: `/healthz` fails when it has not beaten for `limit_s`."""

    def __init__(self, limit_s: float = 60.0) -> None:
        """`limit_s`: how long the loop may be busy with one thing."""
        self._limit_s = limit_s
        self._last_s = time.monotonic()

    def beat(self) -> None:
        """The loop goes round."""
        self._last_s = time.monotonic()

    def check(self) -> str | None:
        """None, or how long the loop has been stuck."""
        silent_s = time.monotonic() - self._last_s
        return None if silent_s < self._limit_s else f"the main loop has not moved for {silent_s:.0f} s"


def _nothing() -> dict[str, dict[str, str]]:
    return {}


def _handler(healthy: Check, ready: Check, last: Last, registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version = "iotlab"
        sys_version = ""

        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/metrics":
                    self._answer(HTTPStatus.OK, generate_latest(registry), CONTENT_TYPE_LATEST)
                case "/healthz":
                    self._answer_check(healthy())
                case "/readyz":
                    self._answer_check(healthy() or ready())
                case "/last":
                    self._answer(HTTPStatus.OK, json.dumps(last()).encode(), "application/json")
                case _:
                    self._answer(HTTPStatus.NOT_FOUND, b"not found\n")

        def _answer_check(self, why: str | None) -> None:
            status = HTTPStatus.OK if why is None else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, f"{why or 'ok'}\n".encode())

        def _answer(self, status: HTTPStatus, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Probes every few seconds are no news."""

    return Handler


@contextmanager
def serving(
    port: int,
    healthy: Check,
    ready: Check,
    last: Last = _nothing,
    *,
    registry: CollectorRegistry = REGISTRY,
    address: str = "",
) -> Iterator[int]:
    """Serve the four paths while the body runs; yields the port, which the system chooses if `port` is 0."""
    server = ThreadingHTTPServer((address, port), _handler(healthy, ready, last, registry))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="status", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
