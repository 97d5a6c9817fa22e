"""Node-RED as a process, with the image's settings and nodes, provisioned as the chart's init container does it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

from infra import wiring
from infra.lab.bundle import node
from infra.lab.console import Steps
from infra.lab.paths import ROOT, Paths
from infra.scales import S
from infra.services import node_red
from infra.services._access import Access
from infra.services.flows import BROKER, CLUSTER
from tests.support.brokers import PASSWORDS, Kafka, Mosquitto
from tests.support.processes import Process, free_port, wait_until

IMAGE = ROOT / "charts/node-red/image"
ADMIN_PASSWORD = "editor-secret"
CONFIGURED = ("admin", "carrier", "kafka", "topics", "deadLetterTopic", "edge", "logins")  # as in the chart's _config.tpl
Node = dict[str, Any]


def runtime() -> tuple[Path, Path]:
    """Node.js and the npm packages, the same as in the image."""
    paths = Paths.from_environment()
    return node.node(paths, Steps(paths)) / "bin/node", node.node_modules(paths, Steps(paths))


class NodeRed(Process):
    """One Node-RED; its folder holds the volume, so it finds its flows and outbox again."""

    def __init__(self, folder: Path, mosquitto: Mosquitto, kafka: Kafka, topics: dict[str, str], *, carries: bool = True) -> None:
        """`topics` says which topic of this test stands for which of the lab's. Nothing runs before `start`."""
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data, self.config, self.secrets = (folder / name for name in ("data", "config", "secrets"))
        for made in (self.data, self.config, self.secrets):
            made.mkdir(parents=True)
        program = folder / "opt"
        self.node, modules = runtime()
        shutil.copytree(IMAGE, program, ignore=shutil.ignore_patterns("node_modules"))
        (program / "node_modules").symlink_to(modules)
        self.topics = topics
        self._servers = (mosquitto, kafka)
        self.write_config(carries=carries)
        for name, text in {
            "camunda-worker/password": "worker-secret",
            "users/admin": ADMIN_PASSWORD, "key/key": "a-key-of-the-test", "mosquitto-node-red/password": PASSWORDS["node-red"],
        }.items():  # fmt: skip
            (self.secrets / name).parent.mkdir(exist_ok=True)
            (self.secrets / name).write_text(f"{text}\n")
        env = {
            "NODE_RED_CONFIG": str(self.config), "NODE_RED_SECRETS": str(self.secrets), "NODE_RED_DATA": str(self.data),
            "NODE_RED_HOST": "127.0.0.1", "NODE_RED_PORT": str(self.port), "HOME": str(folder),
        }  # fmt: skip
        self._own_env = env
        words: list[str | Path] = [
            self.node,
            "--max-old-space-size=160",
            program / "node_modules/node-red/red.js",
            "--settings",
            program / "settings.js",
        ]
        super().__init__("node-red", words, folder, env)
        self.program = program
        # Node.js ends an idle connection after 5 s, and a request into that moment is lost
        self._http = urllib3.PoolManager(retries=False, timeout=20.0, headers={"Connection": "close"})
        self._token = ""

    def write_config(self, *, carries: bool = True, change: dict[str, Any] | None = None, camunda: str = "") -> None:
        """Write what the chart's ConfigMap holds, with this test's servers; `change` is laid over nodes by id.

        `camunda` is the URL of an engine whose processes an alert starts.
        """
        mosquitto, kafka = self._servers
        topics = self.topics
        reached = [Access(wiring.MOSQUITTO, (), "node-red", "mosquitto-node-red"), Access(wiring.KAFKA, ())]
        reached += [Access(wiring.CAMUNDA, (), "worker", "camunda-worker")] if camunda else []
        args = node_red.NodeRedArgs("", S, carries=carries, starts=bool(camunda), shows=wiring.DASHBOARD_URL)
        values = node_red.values(args, "", reached)
        text = json.dumps(values["flows"]).replace(wiring.CAMUNDA.url, camunda or wiring.CAMUNDA.url)
        for name, own in topics.items():
            text = text.replace(f'"{name}"', f'"{own}"')
        flows: list[Node] = json.loads(text)
        servers = {
            BROKER: {"broker": "127.0.0.1", "port": mosquitto.port},
            CLUSTER: {"host": "127.0.0.1", "port": kafka.port, "outboxMb": 8},
        }
        for made in flows:
            made.update(servers.get(made["id"], {}) | (change or {}).get(made["id"], {}))
        values |= {"topics": [*values["topics"], *topics.values()], "kafka": kafka.address}
        values |= {"deadLetterTopic": topics.get(wiring.DEAD_LETTER.name, "")}
        servers_own = {wiring.MOSQUITTO.host: "127.0.0.1", wiring.CAMUNDA.url: camunda}
        values["logins"] = [login | {"server": servers_own[login["server"]]} for login in values["logins"]]
        (self.config / "flows.json").write_text(json.dumps(flows))
        (self.config / "lab.json").write_text(json.dumps({key: values[key] for key in CONFIGURED}))

    def provision(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The init container."""
        command = [str(self.node), "provision.js", *words]
        return subprocess.run(command, cwd=self.program, env=self._own_env, capture_output=True, text=True, check=False)

    def start(self) -> None:
        """Provision, start, and wait until the flows run."""
        done = self.provision()
        assert done.returncode == 0, done.stdout + done.stderr
        self._token = ""  # a restart ends all sessions
        before = self._said("Started flows"), self._said("Connected to broker")
        super().start()
        self.wait_for_port(self.port, 60.0)
        wait_until("the flows run", lambda: self._said("Started flows") > before[0], 60.0)
        wait_until("it is at Mosquitto", lambda: self._said("Connected to broker") > before[1], 60.0)
        time.sleep(0.3)  # it subscribes after the line: before its first session nobody keeps what is published

    def _said(self, text: str) -> int:
        return self.log.read_text(errors="replace").count(text) if self.log.exists() else 0

    def ask(
        self, method: str, path: str, body: object = None, *, token: str | None = None, kind: str = "full"
    ) -> tuple[int, Any]:
        """A request to the admin API; with the administrator's token if none is given."""
        headers = {"Connection": "close", "Content-Type": "application/json", "Node-RED-Deployment-Type": kind}
        told = self.token() if token is None else token
        if told:
            headers["Authorization"] = f"Bearer {told}"
        answer = self._http.request(method, self.url + path, body=json.dumps(body) if body is not None else None, headers=headers)
        try:
            return answer.status, json.loads(answer.data or b"null")
        except ValueError:
            return answer.status, answer.data.decode()

    def login(self, password: str) -> tuple[int, Any]:
        """Ask for a token."""
        fields = {
            "client_id": "node-red-admin",
            "grant_type": "password",
            "scope": "*",
            "username": "admin",
            "password": password,
        }
        answer = self._http.request("POST", f"{self.url}/auth/token", fields=fields, encode_multipart=False)
        return answer.status, json.loads(answer.data) if answer.data.startswith(b"{") else answer.data.decode()

    def token(self) -> str:
        """The administrator's."""
        if not self._token:
            status, said = self.login(ADMIN_PASSWORD)
            assert status == 200, said
            self._token = said["access_token"]
        return self._token

    def flows(self) -> list[Node]:
        """What runs."""
        status, said = self.ask("GET", "/flows")
        assert status == 200, said
        found: list[Node] = said
        return found

    def deploy(self, flows: Sequence[Node], kind: str = "full") -> None:
        """Replace what runs, as the editor's button does; `kind` is full, flows or nodes."""
        status, said = self.ask("POST", "/flows", flows, kind=kind)
        assert status in {200, 204}, said

    def report(self) -> Any:
        """What `./lab up` and `./lab node-red status` ask for."""
        done = self.provision("--report")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)


@contextmanager
def running(flows: NodeRed) -> Iterator[NodeRed]:
    """Node-RED while the body runs."""
    flows.start()
    try:
        yield flows
    finally:
        flows.close()


def topics_of_a_test(kafka: Kafka) -> dict[str, str]:
    """Topics of its own for what the lab's flows write to."""
    return {
        wiring.BROKER_MESSAGE.name: kafka.topic(wiring.BROKER_MESSAGE.name),
        wiring.DEAD_LETTER.name: kafka.topic(wiring.DEAD_LETTER.name, 1),
    }
