"""A stand-in for Camunda's REST with the few calls that our apps make: it keeps its data while it is away.

It answers as Camunda 7 does for these calls (status, JSON, locks by worker, retries); the engine itself is tested elsewhere.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.processes import free_port

USER, PASSWORD = "worker", "worker-secret"
LOGIN = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
STARTABLE = ("Maintenance", "LabCanary")
Answer = tuple[int, Any]
Login = tuple[str, str, str]  # the REST's URL, user, password


@dataclass
class Task:
    """An external task."""

    id: str
    topic: str
    business_key: str
    variables: dict[str, Any]
    worker: str = ""
    locked_until_s: float = 0.0
    retries: int | None = None
    message: str = ""
    done: dict[str, Any] | None = None

    def told(self) -> dict[str, Any]:
        """As fetchAndLock tells it."""
        return {
            "id": self.id,
            "topicName": self.topic,
            "businessKey": self.business_key,
            "variables": self.variables,
            "retries": self.retries,
            "workerId": self.worker,
        }


@dataclass
class FakeCamunda:
    """What was started and what is to be done; `serving` puts it on the network."""

    port: int = field(default_factory=free_port)
    started: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # business key, variables
    tasks: list[Task] = field(default_factory=list)
    loses_answers: int = 0  # so many starts are done, but their answer never arrives
    errors: list[int] = field(default_factory=list)  # each start is answered with the next of them, and not done
    refuses: str = ""  # business keys with this text are answered 400
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def login(self) -> Login:
        """As apps are told it."""
        return f"http://127.0.0.1:{self.port}/engine-rest", USER, PASSWORD

    def add(self, topic: str, business_key: str, **variables: Any) -> Task:
        """A task that waits for a worker."""
        told = {name: {"value": value, "type": "String"} for name, value in variables.items()}
        made = Task(f"task-{len(self.tasks)}", topic, business_key, told)
        self.tasks.append(made)
        return made

    def get(self, path: str, query: dict[str, list[str]]) -> Answer:
        """Answer a GET."""
        if path != "/history/process-instance/count" or query["processDefinitionKey"][0] not in STARTABLE:
            return 404, {"type": "RestException", "message": f"no {path}"}
        key = query["processInstanceBusinessKey"][0]
        return 200, {"count": sum(each == key for each, _ in self.started)}

    def post(self, path: str, body: dict[str, Any]) -> Answer:
        """Answer a POST."""
        if path in {f"/process-definition/key/{process}/start" for process in STARTABLE}:
            return self._start(body)
        if path == "/external-task/fetchAndLock":
            return 200, self._fetch(body)
        _, kind, identity, verb = path.split("/")
        task = next((each for each in self.tasks if each.id == identity and each.done is None), None)
        if kind != "external-task" or task is None:
            return 404, {"type": "RestException", "message": f"External task with id {identity} does not exist"}
        return self._told_of(task, verb, body)

    def _start(self, body: dict[str, Any]) -> Answer:
        if self.errors:
            return self.errors.pop(0), {"type": "RestException", "message": "not now"}
        if self.refuses and self.refuses in body["businessKey"]:
            return 400, {"type": "InvalidRequestException", "message": "Cannot instantiate process definition: it is refused"}
        self.started.append((body["businessKey"], body["variables"]))
        return 200, {"id": str(len(self.started)), "businessKey": body["businessKey"], "ended": False}

    def _fetch(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        wanted = {each["topicName"]: each["lockDuration"] / 1000 for each in body["topics"]}
        until_s = time.monotonic() + min(body["asyncResponseTimeout"] / 1000, 1.0)
        while True:
            with self.lock:
                now_s = time.monotonic()
                free = [
                    each
                    for each in self.tasks
                    if each.topic in wanted and each.done is None and each.locked_until_s <= now_s and each.retries != 0
                ]
                for task in free[: body["maxTasks"]]:
                    task.worker, task.locked_until_s = body["workerId"], now_s + wanted[task.topic]
                    return [task.told()]
            if now_s >= until_s:
                return []
            time.sleep(0.02)

    @staticmethod
    def _told_of(task: Task, verb: str, body: dict[str, Any]) -> Answer:
        if verb == "unlock":
            task.locked_until_s = 0.0
        elif body["workerId"] != task.worker or task.locked_until_s < time.monotonic():
            return 400, {"type": "RestException", "message": f"External task {task.id} cannot be done by {body['workerId']}"}
        elif verb == "complete":
            task.done = body["variables"]
        elif verb == "failure":
            task.message, task.retries = body["errorMessage"], body["retries"]
            task.locked_until_s = time.monotonic() + body["retryTimeout"] / 1000
        return 204, None


class _Handler(BaseHTTPRequestHandler):
    camunda: FakeCamunda
    protocol_version = "HTTP/1.1"

    def _answer(self, answer: Answer) -> None:
        status, told = answer
        body = b"" if told is None else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _asked(self) -> tuple[str, str] | None:
        if self.headers["Authorization"] != LOGIN:
            self._answer((401, None))
            return None
        parts = urlsplit(self.path)
        return parts.path.removeprefix("/engine-rest"), parts.query

    def do_GET(self) -> None:
        if asked := self._asked():
            with self.camunda.lock:
                self._answer(self.camunda.get(asked[0], parse_qs(asked[1])))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not (asked := self._asked()):
            return
        if asked[0].endswith("/fetchAndLock"):
            self._answer(self.camunda.post(asked[0], body))
            return
        with self.camunda.lock:
            answer = self.camunda.post(asked[0], body)
        if asked[0].endswith("/start") and self.camunda.loses_answers:
            self.camunda.loses_answers -= 1
            self.connection.close()
            return
        self._answer(answer)

    def log_message(self, *_arguments: object) -> None:
        """Tests have enough to read."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def serving(camunda: FakeCamunda) -> Iterator[FakeCamunda]:
    """It answers while the body runs; afterwards its port is closed and its data are kept."""
    server = _Server(("127.0.0.1", camunda.port), type("Handler", (_Handler,), {"camunda": camunda}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield camunda
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
