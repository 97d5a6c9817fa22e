"""The registry of the lessons, run with its chart's own settings and prepared as its pod is."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import urllib3
import yaml

from infra import accounts, wiring
from infra.lab.bundle.credentials import Login
from infra.lab.bundle.manifest import Manifest
from infra.lab.bundle.push import Registry
from infra.lab.cluster import config
from infra.lab.errors import UserError
from infra.registries import RegistryAddress
from infra.scales import S
from tests.support import tools
from tests.support.charts import CHARTS, rendered
from tests.support.containerd import Containerd
from tests.support.processes import Process, free_port
from tests.support.registry import MANIFEST, layer, make_images
from tests.support.students import Student

LIMIT_MB = S.budgets["registry"].limit_mb
LARGE = 100 << 20


@dataclass
class Pod:
    """The pod as processes: the init container's program, then the server, each time that it starts."""

    folder: Path
    password: str = field(default_factory=lambda: secrets.token_hex(16))
    port: int = field(default_factory=free_port)
    server: Process = field(init=False)

    def __post_init__(self) -> None:
        (settings,) = [found for found in rendered("registry-S") if found["kind"] == "ConfigMap"]
        loaded = yaml.safe_load(settings["data"]["config.yml"])
        loaded["storage"]["filesystem"]["rootdirectory"] = str(self.folder / "data")
        loaded["auth"]["htpasswd"]["path"] = str(self.folder / "run/htpasswd")
        loaded["http"]["addr"] = self.address
        for made in ("data", "run", "users"):
            (self.folder / made).mkdir()
        self.settings.write_text(yaml.safe_dump(loaded))
        (self.folder / "users" / accounts.REGISTRY_USER).write_text(self.password)
        words: list[str | Path] = [tools.docker_registry(), "serve", self.settings]
        self.server = Process("registry", words, self.folder, {"GOMEMLIMIT": f"{LIMIT_MB * 3 // 4}MiB"})

    @property
    def settings(self) -> Path:
        return self.folder / "config.yml"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def login(self) -> Login:
        return Login(accounts.REGISTRY_USER, self.password)

    def start(self) -> str:
        found = [tools.unpacked("apache2-utils", "usr/bin/htpasswd").parent, tools.docker_registry().parent]
        env = os.environ | {
            "PATH": os.pathsep.join([*map(str, found), os.environ["PATH"]]),
            "REGISTRY_DATA": str(self.folder / "data"),
        }
        program = CHARTS / "registry/image/registry-prepare"
        words = [program, self.settings, self.folder / "users", self.folder / "run"]
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        self.server.start()
        self.server.wait_for_port(self.port)
        return done.stderr

    def restart(self) -> str:
        self.server.terminate()
        return self.start()

    def ask(self, method: str, path: str, login: Login | None = None) -> urllib3.BaseHTTPResponse:
        headers = urllib3.make_headers(basic_auth=f"{login.user}:{login.password}") if login else {}
        return urllib3.request(
            method, f"http://{self.address}{path}", headers=dict(headers) | {"Accept": MANIFEST}, retries=False
        )

    def push(self, images: Manifest, login: Login | None) -> None:
        Registry(RegistryAddress.parse(f"http://{self.address}"), login).push(images)

    def disk(self) -> int:
        return sum(file.stat().st_size for file in (self.folder / "data").rglob("data"))


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    (tmp_path / "pod").mkdir()
    running = Pod(tmp_path / "pod")
    try:
        running.start()
        yield running
    finally:
        running.server.close()


@pytest.fixture
def images(tmp_path: Path) -> Manifest:
    return make_images(tmp_path / "images", {"hello": [layer("hello")]})


def _manifest(images: Manifest) -> str:
    return f"/v2/hello/manifests/{images.image('hello').digest}"


@pytest.mark.parametrize("password", [None, "", "wrong"])
def test_nobody_enters_without_the_generated_login(pod: Pod, images: Manifest, password: str | None) -> None:
    login = None if password is None else Login(accounts.REGISTRY_USER, password)
    assert pod.ask("GET", "/v2/", login).status == 401
    assert pod.ask("GET", "/v2/_catalog", login).status == 401
    with pytest.raises(UserError, match="does not let this machine send images"):
        pod.push(images, login)


def test_the_probes_page_wants_no_login_and_says_nothing(pod: Pod) -> None:
    answer = pod.ask("GET", "/")
    assert (answer.status, answer.data) == (200, b"")


def test_an_image_that_was_pushed_is_still_there_after_a_restart(pod: Pod, images: Manifest) -> None:
    pod.push(images, pod.login)
    pod.restart()
    assert pod.ask("GET", _manifest(images), pod.login).status == 200
    assert json.loads(pod.ask("GET", "/v2/_catalog", pod.login).data) == {"repositories": ["hello"]}


def test_a_renewed_password_holds_from_the_next_start_and_the_old_one_no_more(pod: Pod) -> None:
    old = pod.login
    pod.password = secrets.token_hex(16)
    (pod.folder / "users" / accounts.REGISTRY_USER).write_text(pod.password)
    pod.restart()
    assert pod.ask("GET", "/v2/", pod.login).status == 200
    assert pod.ask("GET", "/v2/", old).status == 401


def test_what_was_deleted_is_freed_at_the_next_start(pod: Pod, images: Manifest) -> None:
    pod.push(images, pod.login)
    assert pod.disk()
    assert pod.ask("DELETE", _manifest(images), pod.login).status == 202
    assert pod.ask("GET", _manifest(images), pod.login).status == 404
    pod.restart()
    assert pod.disk() == 0


def test_an_upload_that_was_cut_off_before_any_image_was_whole_does_not_stop_the_registry(pod: Pod, images: Manifest) -> None:
    assert pod.ask("POST", "/v2/hello/blobs/uploads/", pod.login).status == 202
    pod.restart()
    pod.push(images, pod.login)
    assert pod.ask("GET", _manifest(images), pod.login).status == 200


def test_what_a_power_cut_left_empty_is_said_and_does_not_stop_the_registry(pod: Pod, images: Manifest, tmp_path: Path) -> None:
    pod.push(images, pod.login)
    (link,) = (pod.folder / "data").glob("docker/registry/v2/repositories/hello/_manifests/revisions/sha256/*/link")
    link.write_text("")
    assert "registry-prepare: deleted images still take their place" in pod.restart()
    other = make_images(tmp_path / "more", {"other": [layer("other")]})
    pod.push(other, pod.login)
    assert pod.ask("GET", f"/v2/other/manifests/{other.image('other').digest}", pod.login).status == 200


def test_a_node_pulls_by_the_name_that_people_push_to_and_with_the_login_of_the_pods_secret(
    pod: Pod, images: Manifest, tmp_path: Path
) -> None:
    pod.push(images, pod.login)
    hosts = tmp_path / "registries" / wiring.REGISTRY_NAME
    hosts.mkdir(parents=True)
    (hosts / "hosts.toml").write_text(config.registry_hosts(pod.address))
    (tmp_path / "node").mkdir()
    node = Containerd(tmp_path / "node", hosts.parent)
    reference = f"{wiring.REGISTRY_NAME}/hello:{images.image('hello').key}"
    try:
        node.start()
        assert "401" in node.pull(reference)
        assert "401" in node.pull(reference, (accounts.REGISTRY_USER, "wrong"))
        assert node.pull(reference, (accounts.REGISTRY_USER, pod.password)) == ""
        assert node.knows(reference)
    finally:
        node.close()


def test_a_student_builds_and_pushes_as_the_page_says(pod: Pod, tmp_path: Path) -> None:
    (tmp_path / "student").mkdir()
    student = Student(tmp_path / "student", pod.address)
    student.build("hello:1")
    assert "invalid username/password" in student.log_in("wrong")
    assert student.push("hello:1")
    assert student.log_in(pod.password) == ""
    assert student.push("hello:1") == ""
    assert json.loads(pod.ask("GET", "/v2/hello/tags/list", pod.login).data)["tags"] == ["1"]


def test_its_memory_stays_below_its_limit_whatever_is_pushed(pod: Pod, tmp_path: Path) -> None:
    large = make_images(tmp_path / "large", {name: [layer(name + "x" * LARGE)] for name in ("one", "two")})
    pod.push(large, pod.login)
    for image in large.images:
        assert pod.ask("GET", f"/v2/{image.name}/manifests/{image.digest}", pod.login).status == 200
    print(f"memory at its highest: {pod.server.memory_mb()} MB of {LIMIT_MB}")
    assert pod.server.memory_mb() < LIMIT_MB
