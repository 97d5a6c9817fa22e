"""The process engine as a real process on loopback: jars, classes, settings and flags are those of the image."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from urllib3 import BaseHTTPResponse

from infra import accounts
from infra.lab.bundle.jars import javac
from infra.lab.console import Steps
from infra.lab.paths import ROOT, Paths
from infra.scales import SCALES
from infra.services.camunda import HEAP_SHARE
from tests.support import tools
from tests.support.processes import Process, free_port, wait_until

CHART = ROOT / "charts/camunda"
IMAGE = CHART / "image"
MODELS = CHART / "processes"
LIMIT_MB = SCALES["S"].budgets["camunda"].limit_mb
USERS = tuple(user.name for user in accounts.CAMUNDA_USERS)
# The call of the contract, word for word.
START = '{"variables":{"rnr":{"value":"123","type":"long"},"rbetrag":{"value":"200.00","type":"String"}}}'
Json = dict[str, Any]


def classpath(folder: Path) -> str:
    """The image's own classes, compiled into `folder`, its resources and its jars."""
    jars = tools.jars_of("camunda")
    javac(Steps(Paths.from_environment()), sorted((IMAGE / "java").rglob("*.java")), jars, folder)
    return f"{IMAGE / 'resources'}:{folder}:{jars}/*"


class Camunda(Process):
    """One engine; its folder keeps the database and the passwords."""

    def __init__(self, folder: Path) -> None:
        """Compiles its classes and makes passwords; nothing runs before `start`."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.classpath = classpath(folder / "classes")
        self.secrets = folder / "secrets"
        self._data = folder / "data"
        for made in (self.secrets, self._data, folder / "tmp"):
            made.mkdir()
        for name in USERS:
            self.set_password(name, f"{name}-secret")
        values = json.loads((CHART / "values.schema.json").read_text())["properties"]
        flags = str(values["jvmFlags"]["default"]).split()
        env = {
            "CAMUNDA_PORT": str(self.port),
            "CAMUNDA_ADDRESS": "127.0.0.1",
            "CAMUNDA_DATA": str(self._data),
            "CAMUNDA_SECRETS": str(self.secrets),
            "CAMUNDA_USERS": " ".join(f"{user.name}={user.role}" for user in accounts.CAMUNDA_USERS),
        }
        heap = f"-Xmx{int(LIMIT_MB * HEAP_SHARE)}m"
        words = [tools.java(), heap, *flags, f"-Djava.io.tmpdir={folder / 'tmp'}", "-cp", self.classpath, "iotlab.Engine"]
        super().__init__("camunda", words, folder, env)

    def set_password(self, user: str, password: str) -> None:
        """As a changed Secret would: the engine reads it at its next start."""
        (self.secrets / user).write_text(password)

    def password(self, user: str) -> str:
        """What `set_password` set last."""
        return (self.secrets / user).read_text()

    def start(self) -> None:
        """Start and wait until it serves."""
        super().start()
        self.wait_for_port(self.port, 180)
        wait_until("the engine is healthy", lambda: self.ask("GET", "/healthz").status == 200, 60)

    def ask(self, method: str, path: str, login: str = "", body: Json | None = None) -> BaseHTTPResponse:
        """One request; `login` is `user:password`."""
        headers = urllib3.make_headers(basic_auth=login) if login else {}
        return urllib3.request(method, self.url + path, headers=headers, json=body, redirect=False, retries=False, timeout=60)

    def rest(self, method: str, path: str, body: Json | None = None, *, user: str = "worker", status: int = 200) -> Any:
        """One request to the REST API with `user`'s password; insists on the status and returns the JSON."""
        answer = self.ask(method, f"/engine-rest{path}", f"{user}:{self.password(user)}", body)
        assert answer.status == status, answer.data.decode()
        return json.loads(answer.data) if answer.data else None

    def deploy(self, folder: Path) -> subprocess.CompletedProcess[str]:
        """What the chart's job does with a folder of models."""
        java = [tools.java(), "-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", self.classpath]
        user = next(user.name for user in accounts.CAMUNDA_USERS if user.role == "deployer")
        words = [*java, "iotlab.Deploy", f"{self.url}/engine-rest", user, str(self.secrets / user), str(folder)]
        return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)

    def version(self, process: str) -> int:
        """The newest version of a process that the engine has."""
        return int(self.rest("GET", f"/process-definition/key/{process}")["version"])

    def database_mb(self) -> int:
        """The size of the database's file, MB."""
        return sum(file.stat().st_size for file in self._data.iterdir()) >> 20

    def memory_mb(self) -> int:
        """The process's memory at its highest, MB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM"))


@pytest.fixture(scope="module")
def camunda(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Camunda]:
    """An engine with the lab's models."""
    engine = Camunda(tmp_path_factory.mktemp("camunda"))
    try:
        engine.start()
        done = engine.deploy(MODELS)
        assert done.returncode == 0, done.stdout + done.stderr
        yield engine
    finally:
        engine.close()
