"""AWS on loopback: moto's server in this process, with a gate in front that can refuse what would change something."""

from __future__ import annotations

import base64
import io
import logging
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Final
from unittest import mock
from urllib.parse import parse_qs

import boto3
from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import AMIS
from moto.iam.access_control import PermissionResult
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import FakeBucket
from werkzeug.serving import make_server

from tests.support.ssh_machine import ADDRESS, SshMachine

REGION = "eu-central-1"
# imported before the first request: on a busy machine that waited over 30 s
SERVICES: Final = ("ec2", "iam", "s3", "scheduler", "sts")
ACCOUNT = "123456789012"
RUNNING = 16  # and below: pending
ANYONE = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
CANONICAL = "099720109477"
UBUNTU = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server"
NEWEST = "ami-0a00000000000002b"
_RANDOM = re.compile(r"-[0-9a-f]{7}\b|clientToken\W+[\w-]+", re.IGNORECASE)
HELD_AT_MOST_S = 60.0
REFUSED_AFTER_S = 0.3  # an engine starts nothing more after the first refusal: what can go on beside it is under way by then
_READS = ("Describe", "Get", "List", "Head")
_Environ = dict[str, Any]
_App = Callable[[_Environ, Callable[..., Any]], Iterable[bytes]]

# moto knows Ubuntu up to 16.04 only. The last one is newer, but somebody else's with Canonical's name.
AMIS.extend(
    {
        "ami_id": image,
        "name": f"{UBUNTU}-{day:%Y%m%d}",
        "description": "Canonical, Ubuntu, 24.04",
        "owner_id": owner,
        "creation_date": f"{day:%Y-%m-%d}T00:00:00.000Z",
        "virtualization_type": "hvm",
        "architecture": "x86_64",
        "root_device_type": "ebs",
        "public": True,
    }
    for image, day, owner in (
        ("ami-0a00000000000001a", date(2026, 3, 1), CANONICAL),
        (NEWEST, date(2026, 10, 1), CANONICAL),
        ("ami-0a00000000000003c", date(2026, 11, 1), "666666666666"),
    )
)


def _asked(environ: _Environ) -> tuple[str, str]:
    """What a request wants - an action of AWS's query protocol, or a verb and a path - and by what it is known again.

    Names get random digits until they are in the state, and a request a token of its own: both don't count.
    """
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)  # to be read again
    text = body.decode(errors="replace")
    if target := environ.get("HTTP_X_AMZ_TARGET"):  # AWS's JSON protocol
        asked = str(target).rpartition(".")[2]
    elif "Action=" in text and environ["PATH_INFO"] == "/":
        asked = parse_qs(text)["Action"][0]
    else:
        verb, query = str(environ["REQUEST_METHOD"]), environ.get("QUERY_STRING")
        asked = f"{'Get' if verb in {'GET', 'HEAD'} else verb} {environ['PATH_INFO']}{'?' + query if query else ''}"
    return asked, _RANDOM.sub("", f"{asked} {text}")


class Emulator:
    """One account with one region's Ubuntu image; `changes` is what was asked of it that is no question.

    Whatever instance is started is `machine`, a process behind the one elastic address that there is.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing is refused. In `folder` lies the machine."""
        self.changes: list[str] = []
        self.refused: set[str] = set()
        self._clients: dict[str, Any] = {}
        self._refuses: re.Pattern[str] | None = None
        self._lock = threading.Lock()
        self._holds = ""
        self.holding, self._let_go = threading.Event(), threading.Event()
        self.machine = SshMachine(folder, self._instance)
        self._moto: _App = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def env(self) -> dict[str, str]:
        """What leads the program and its plugins here."""
        return {"AWS_ENDPOINT_URL": self.address, "IOTLAB_ENTRY_PORT": str(self.machine.port)}

    def reset(self) -> None:
        """Empty the account, but for what AWS itself has in it; of the machine before nothing is left to say."""
        moto_api_backend.reset()
        shutil.rmtree(self.machine.control, ignore_errors=True)
        self.changes.clear()
        self.refuse(None)
        self.release()
        self.boots = True  # or the console stays empty

    def refuse(self, pattern: str | None) -> None:
        """From now on refuse every change that matches, the first time that it is asked for; None refuses nothing."""
        self._refuses = re.compile(pattern) if pattern is not None else None
        self.refused.clear()

    def hold(self, action: str) -> None:
        """Carry out the next change that begins so, and keep its answer until `release`; `holding` is set meanwhile."""
        self._holds = action
        self.holding.clear()
        self._let_go.clear()

    def release(self) -> None:
        """Give the answer that is held, if any, and hold no more."""
        self._holds = ""
        self._let_go.set()

    def client(self, service: str) -> Any:
        """boto3's client, to look and to change things behind the program's back."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service, endpoint_url=self.address, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
            )
        return self._clients[service]

    def _instance(self) -> tuple[str, bytes]:
        """The instance that was started last, and its user data; empty if there is none."""
        found = [one for one in ec2_backends[ACCOUNT][REGION].all_instances() if one.state_code <= RUNNING]
        if not found:
            return "", b""
        instance = max(found, key=lambda one: one.launch_time)
        return str(instance.id), base64.b64decode(str(instance.user_data))

    def serve(self) -> None:
        """Answer until `stop`."""
        self._server.serve_forever()

    def stop(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: _Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        asked, identity = _asked(environ)
        if asked == "GetConsoleOutput" and self.machine:
            return self._console(start)
        if not asked.startswith(_READS):
            if self._refused_now(asked, identity):
                time.sleep(REFUSED_AFTER_S)
                start("503 Service Unavailable", [("Content-Length", "0")])
                return []
            self.changes.append(asked)
        answer = self._moto(environ, start)
        if self._holds and asked.startswith(self._holds):
            self._holds = ""
            self.holding.set()
            self._let_go.wait(HELD_AT_MOST_S)
        return answer

    def _refused_now(self, asked: str, identity: str) -> bool:
        with self._lock:
            refused = bool(self._refuses and self._refuses.match(asked) and identity not in self.refused)
            if refused:
                self.refused.add(identity)
            return refused

    def _console(self, start: Callable[..., Any]) -> Iterable[bytes]:
        shown = self.machine.console() if self.boots else ""
        said = f"<GetConsoleOutputResponse><output>{shown}</output></GetConsoleOutputResponse>"
        start("200 OK", [("Content-Type", "text/xml"), ("Content-Length", str(len(said)))])
        return [said.encode()]


@contextmanager
def emulator(folder: Path) -> Iterator[Emulator]:
    """Run one for the time of the body; its machine lies in `folder`."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    running = Emulator(folder)
    for service in SERVICES:
        create_backend_app(service)
    running.reset()
    thread = threading.Thread(target=running.serve, daemon=True)
    thread.start()
    try:
        # moto reads no conditions, so a policy that refuses what comes without TLS would refuse everything
        with ExitStack() as patched:
            patched.enter_context(mock.patch.object(FakeBucket, "get_permission", return_value=PermissionResult.NEUTRAL))
            patched.enter_context(mock.patch("moto.ec2.models.elastic_ip_addresses.random_ip", return_value=ADDRESS))
            yield running
    finally:
        running.machine.off()
        running.stop()
        thread.join()
