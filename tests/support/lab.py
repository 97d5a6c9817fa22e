"""Runs the lab command as a person would, and remembers what the host looked like before."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import wiring

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "lab"
UP_WITHIN_S = 45 * 60


def lab(*words: str, timeout_s: float = 300, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `./lab …` and return what it printed and its exit code."""
    return subprocess.run(
        [str(LAB), *words], cwd=ROOT, env=os.environ | (env or {}), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=timeout_s, check=False,
    )  # fmt: skip


def lab_ok(*words: str, timeout_s: float = 300) -> str:
    """Run `./lab …`, insist that it succeeds, and return its standard output."""
    done = lab(*words, timeout_s=timeout_s)
    assert done.returncode == 0, f"lab {' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def lab_json(*words: str) -> dict[str, Any]:
    """Run `./lab … --json` and return the object, whatever the exit code."""
    done = lab(*words, "--json")
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded


def lab_env() -> dict[str, str]:
    """The environment that `eval "$(./lab env)"` gives a shell."""
    script = f'eval "$({LAB} env)" && env -0'
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return dict(entry.split("=", 1) for entry in done.stdout.split("\0") if "=" in entry)


def kubectl(*words: str, timeout_s: float = 60) -> str:
    """Run the lab's kubectl in the lab's namespace."""
    done = subprocess.run(
        ["kubectl", *words],
        env=lab_env(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
    return done.stdout


def git_status() -> str:
    """What git has to say about the checkout."""
    said = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True)
    return said.stdout


@dataclass(frozen=True)
class HostTraces:
    """What a lab may not leave behind on the host's side."""

    links: frozenset[str]
    mounts: frozenset[str]
    rules: frozenset[str]
    listening: frozenset[str]
    cgroups: frozenset[str]

    @classmethod
    def now(cls) -> HostTraces:
        """Look at the host."""
        return cls(
            links=frozenset(path.name for path in Path("/sys/class/net").iterdir()),
            mounts=frozenset(line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()),
            rules=frozenset(_rules()),
            listening=frozenset(_listening()),
            cgroups=frozenset(str(path) for path in Path("/sys/fs/cgroup").glob("*/iotlab*"))
            | frozenset(str(path) for path in Path("/sys/fs/cgroup").glob("iotlab*")),
        )


def _rules() -> list[str]:
    """Firewall rules of the host, read from the kernel; none if no table was ever loaded."""
    files = [Path("/proc/net/ip_tables_names"), Path("/proc/net/ip6_tables_names")]
    return [f"{file.name}:{table}" for file in files if file.exists() for table in file.read_text().split()]


def _listening() -> list[str]:
    """The lab's own ports on which something listens on the host."""
    listen = "0A"
    ours = {f"{port.node_port:04X}" for port in wiring.EXPOSED}
    lines = [line.split() for file in ("/proc/net/tcp", "/proc/net/tcp6") for line in Path(file).read_text().splitlines()[1:]]
    return [words[1] for words in lines if words[3] == listen and words[1].rsplit(":", 1)[1] in ours]
