"""Pulumi's real engine on a program of the test's own, in a folder of its own."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from infra.lab.paths import ROOT
from tests.support.apiserver import tool
from tests.support.processes import end_all

WITHIN_S = 120
BYTECODE = ("PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE")  # where it lies, or not: as ./lab test was told
_HEADER = f"""
import json, pathlib, sys
sys.path.insert(0, {str(ROOT)!r})
import pulumi
"""
# The program takes its objects from a file, so that a test changes a field and runs it again.
_OBJECTS = """
settings = json.loads(pathlib.Path(__file__).with_name("objects.json").read_text())
class Provider(pulumi.ProviderResource):
    def __init__(self):
        super().__init__("kubernetes", "cluster", {"kubeconfig": settings["kubeconfig"]})
class Chart(pulumi.ComponentResource):
    def __init__(self, name, inputs, opts):
        super().__init__("kubernetes:helm.sh/v4:Chart", name, inputs, opts, remote=True)
provider = Provider()
options = pulumi.ResourceOptions(provider=provider)
for name, (token, inputs) in settings["objects"].items():
    pulumi.CustomResource(token, name, inputs, options)
for name, inputs in settings["charts"].items():
    Chart(name, inputs, pulumi.ResourceOptions(providers=[provider]))
"""


@dataclass(frozen=True, slots=True)
class Stack:
    """One project with one stack, file backend and passphrase in its own folder."""

    folder: Path
    env: dict[str, str]

    @classmethod
    def make(cls, folder: Path, plugin: str = "kubernetes") -> Stack:
        """Make an empty project in an empty folder; the plugins are those of this checkout, each started by every command."""
        (folder / "program").mkdir()
        (folder / "Pulumi.yaml").write_text(
            "name: test\nruntime: python\nmain: program\n"
            f"plugins: {{providers: [{{name: iotlab, path: {ROOT}/infra/lab/plugins/iotlab}}]}}\n"
        )
        return cls._initialised(folder, plugin, {})

    @classmethod
    def of_the_lab(cls, folder: Path, plugin: str, env: Mapping[str, str]) -> Stack:
        """Make an empty stack of the lab's own program, as it stands, with one of its stand-ins."""
        for name in ("Pulumi.yaml", "infra"):
            (folder / name).symlink_to(ROOT / name)
        return cls._initialised(folder, plugin, env)

    @classmethod
    def _initialised(cls, folder: Path, plugin: str, more: Mapping[str, str]) -> Stack:
        for name in ("state", "home"):
            (folder / name).mkdir()
        path = [Path(sys.executable).parent, ROOT / "infra/lab/plugins" / plugin, tool("pulumi").parent, "/usr/bin", "/bin"]
        env = {
            "PATH": ":".join(map(str, path)),
            "HOME": os.environ["HOME"],
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{folder}/state",
            "PULUMI_CONFIG_PASSPHRASE": secrets.token_hex(16),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }
        bytecode = {name: os.environ[name] for name in BYTECODE if name in os.environ}
        stack = cls(folder, env | bytecode | dict(more))
        stack.ok("stack", "init", "test")
        return stack

    def copy(self, folder: Path) -> Stack:
        """The same project, still empty, in another folder: half a second less than making it."""
        shutil.copytree(self.folder, folder, symlinks=True, dirs_exist_ok=True)
        own = {"PULUMI_STACK": "test", "PULUMI_HOME": str(folder / "home"), "PULUMI_BACKEND_URL": f"file://{folder}/state"}
        return Stack(folder, self.env | own)

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Set the stack's configuration of `iotlab:`, all of it."""
        file = self.folder / "Pulumi.test.yaml"
        kept = yaml.safe_load(file.read_text()) | {"config": {f"iotlab:{key}": value for key, value in settings.items()}}
        file.write_text(yaml.safe_dump(kept))

    def program(self, text: str) -> None:
        """Set the program; `pulumi` and the checkout are imported already."""
        (self.folder / "program/__main__.py").write_text(_HEADER + text)

    def objects(
        self, kubeconfig: Path, objects: dict[str, tuple[str, dict[str, Any]]], charts: dict[str, dict[str, Any]] | None = None
    ) -> None:
        """Set a program of Kubernetes objects, each a type token with its inputs, and of charts."""
        self.program(_OBJECTS)
        settings = {"kubeconfig": str(kubeconfig), "objects": objects, "charts": charts or {}}
        (self.folder / "program/objects.json").write_text(json.dumps(settings))

    def run(self, *words: str, timeout_s: float = WITHIN_S) -> subprocess.CompletedProcess[str]:
        """Run pulumi, output and errors in one text; nothing of it is left when it is late."""
        command = ["pulumi", *words, "--non-interactive", "--color=never"]
        with subprocess.Popen(
            command, cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        ) as engine:  # fmt: skip
            try:
                said, _ = engine.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                engines = psutil.Process(engine.pid)
                end_all([*engines.children(recursive=True), engines])
                raise
        return subprocess.CompletedProcess(command, engine.returncode, said)

    def started(self, *words: str) -> subprocess.Popen[bytes]:
        """Start pulumi and leave it running; the test ends it."""
        return subprocess.Popen(
            ["pulumi", *words, "--non-interactive"], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def ok(self, *words: str, timeout_s: float = WITHIN_S) -> str:
        """Run pulumi and insist that it succeeds."""
        done = self.run(*words, timeout_s=timeout_s)
        assert done.returncode == 0, f"pulumi {' '.join(words)}:\n{done.stdout}"
        return done.stdout

    def fails(self, *words: str, timeout_s: float = WITHIN_S) -> str:
        """Run pulumi, insist that it fails without a stack trace, and return what it says, white space as one blank."""
        done = self.run(*words, timeout_s=timeout_s)
        assert done.returncode != 0, f"pulumi {' '.join(words)} should have failed:\n{done.stdout}"
        assert "Traceback" not in done.stdout, done.stdout
        return " ".join(done.stdout.split())

    def up(self) -> str:
        """`pulumi up` without a preview of its own."""
        return self.ok("up", "--yes", "--skip-preview")

    def planned(self, *words: str) -> dict[str, str]:
        """What a preview plans, by resource name; nothing for what stays the same."""
        done = subprocess.run(
            ["pulumi", "preview", "--json", *words], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=WITHIN_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        steps = json.loads(done.stdout)["steps"]
        return {step["urn"].split("::")[-1]: step["op"] for step in steps if step["op"] not in {"same", "refresh"}}

    def resources(self) -> dict[str, dict[str, Any]]:
        """The state's resources by URN."""
        state = json.loads(self.ok("stack", "export"))
        return {item["urn"]: item for item in state["deployment"].get("resources") or ()}
