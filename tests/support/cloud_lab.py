"""The lab command on a stack that makes machines, run as a person runs it, with an emulated account."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from tests.support.cloud_stack import KEY
from tests.support.emulator import ANYONE, REGION, Emulator
from tests.support.lab import LAB, ROOT

STACK = "emulated-by-test"
FILE = ROOT / f"Pulumi.{STACK}.yaml"
PLUGIN = ROOT / "infra/lab/plugins/aws"
WITHIN_S = 300


class CloudLab:
    """A stack that is filled in, with a state of its own."""

    def __init__(self, state: Path, account: Emulator, bundle: Path) -> None:
        """Nothing is made yet."""
        self.account = account
        self.state = state
        self.cloud: dict[str, Any] = {
            "region": REGION,
            "ownerCidr": "203.0.113.7/32",
            "owner": "ada@example.org",
            "expires": datetime.now(UTC).date() + timedelta(days=30),  # as people write it: without quotes
            "sshKeys": [KEY],
            "bundle": str(bundle),
            "monthlyLimit": 120,
        }
        self.machines = ["lab"]
        self.env = os.environ | ANYONE | account.env | {
            "AWS_EC2_METADATA_DISABLED": "true",
            "IOTLAB_STATE": str(state),
            "IOTLAB_SEALED": "1",
            "PATH": f"{os.environ['PATH']}{os.pathsep}{PLUGIN}",
            "COLUMNS": "200",
        }  # fmt: skip
        self.configure()

    def configure(self, **cloud: Any) -> None:
        """Change keys of `iotlab:cloud`; the others stay."""
        self.cloud |= cloud
        config = {"iotlab:services": ["core"], "iotlab:machines": self.machines, "iotlab:cloud": self.cloud}
        FILE.write_text(yaml.safe_dump({"config": config}))

    def run(self, verb: str, *words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run `./lab VERB -s …`; `env` is laid over its environment. No answer of it is ever a stack trace."""
        done = subprocess.run(
            [LAB, *verb.split(), "-s", STACK, *words], cwd=ROOT, env=self.env | dict(env or {}), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=WITHIN_S, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def started(self, verb: str, *words: str) -> subprocess.Popen[str]:
        """Start it in a process group of its own, as a terminal does, and leave it running."""
        return subprocess.Popen(
            [LAB, *verb.split(), "-s", STACK, *words], cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def ok(self, verb: str, *words: str) -> str:
        """Run it, insist that it succeeds, and return all that a person sees, white space as one blank."""
        done = self.run(verb, *words)
        assert done.returncode == 0, f"{verb} {' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return " ".join((done.stderr + done.stdout).split())

    def fails(self, code: int, verb: str, *words: str, env: Mapping[str, str] | None = None) -> str:
        """Run it, insist on the exit code, and return all that a person sees, white space as one blank."""
        done = self.run(verb, *words, env=env)
        assert done.returncode == code, f"{verb} {' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return " ".join((done.stderr + done.stdout).split())

    def json(self, verb: str, *words: str) -> dict[str, Any]:
        """Run it with --json, whatever its exit code."""
        loaded: dict[str, Any] = json.loads(self.run(verb, *words, "--json").stdout)
        return loaded

    def instance(self) -> dict[str, Any]:
        """The only machine that isn't terminated, as AWS has it."""
        states = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
        found = self.account.client("ec2").describe_instances(Filters=states)["Reservations"]
        (one,) = [machine for reservation in found for machine in reservation["Instances"]]
        machine: dict[str, Any] = one
        return machine


@contextmanager
def cloud_lab(state: Path, account: Emulator, bundle: Path) -> Iterator[CloudLab]:
    """One for the time of the body; its stack's file lies in the checkout meanwhile, where the lab looks for it."""
    try:
        yield CloudLab(state, account, bundle)
    finally:
        FILE.unlink(missing_ok=True)
