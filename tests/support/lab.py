"""Runs the lab command as a person would, and remembers what the host looked like before."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from infra import wiring
from infra.lab.paths import Paths
from tests.support.processes import wait_until

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "lab"
UP_WITHIN_S = 45 * 60


def lab(*words: str, timeout_s: float = 300, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `./lab …` and return what it printed and its exit code."""
    return subprocess.run(
        [str(LAB), *words], cwd=ROOT, env=os.environ | (env or {}), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=timeout_s, check=False,
    )  # fmt: skip


def lab_ok(*words: str, timeout_s: float = 300, env: dict[str, str] | None = None) -> str:
    """Run `./lab …`, insist that it succeeds, and return its standard output."""
    done = lab(*words, timeout_s=timeout_s, env=env)
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


def until(true: Callable[[], bool], within_s: float = 20.0) -> None:
    """Wait until it holds; asking a lab costs a process each time."""
    wait_until("what the test waits for", true, within_s, 0.2)


def _in_kafka(program: str, *words: str, timeout_s: float = 90) -> str:
    server = ("--bootstrap-server", wiring.KAFKA.address)
    return kubectl("exec", "kafka-0", "--", program, *server, *words, timeout_s=timeout_s)


def message_count(topic: str) -> int:
    """How many records were ever written to a topic."""
    said = _in_kafka("kafka-get-offsets.sh", "--topic", topic)
    return sum(int(line.rsplit(":", 1)[1]) for line in said.split())


def records(topic: str) -> list[dict[str, Any]]:
    """Every record that a topic has now, of transactions the committed ones: `value` and `headers` as text."""
    said = kubectl("exec", "deployment/canary", "--", "python", "-c", READ, wiring.KAFKA.address, topic, timeout_s=120)
    return [json.loads(line) for line in said.splitlines()]


READ = """
import json, sys
from confluent_kafka import Consumer, TopicPartition
server, topic = sys.argv[1:]
reader = Consumer({"bootstrap.servers": server, "group.id": "looks", "enable.auto.commit": False, "enable.partition.eof": True})
left = set(reader.list_topics(topic, timeout=20).topics[topic].partitions)
reader.assign([TopicPartition(topic, number, 0) for number in left])
while left:
    message = reader.poll(30)
    if message is None:
        sys.exit("Kafka gave no answer within 30 s")
    if message.error():
        left.discard(message.partition())
        continue
    headers = {name: (value or b"").decode(errors="replace") for name, value in message.headers() or ()}
    print(json.dumps({"value": (message.value() or b"").decode(errors="replace"), "headers": headers}))
"""


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
            listening=frozenset(listening()),
            cgroups=frozenset(str(path) for path in Path("/sys/fs/cgroup").glob("*/iotlab*"))
            | frozenset(str(path) for path in Path("/sys/fs/cgroup").glob("iotlab*")),
        )


def _rules() -> list[str]:
    """Firewall rules of the host; none if nothing on it can have set any."""
    found = []
    for program in ("iptables-save", "ip6tables-save"):
        own = Paths.from_environment().bin / program
        save = str(own) if own.exists() else shutil.which(program)
        if save is not None:
            saved = subprocess.run([save], capture_output=True, text=True, check=False).stdout
            found += [f"{program}: {rule}" for rule in rules_in(saved)]
    return found


def rules_in(saved: str) -> list[str]:
    """Rules, chains of one's own and policies other than ACCEPT, each with its table, from what iptables-save prints."""
    found, table = [], ""
    for line in saved.splitlines():
        words = line.split()
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A") or (line.startswith(":") and words[1] != "ACCEPT"):
            found.append(f"{table} {line if line.startswith('-A') else ' '.join(words[:2])}")  # a chain's counters change
    return found


def listening() -> list[str]:
    """Where processes of the lab listen on the host."""
    sockets = [socket for socket in psutil.net_connections("inet") if socket.status == psutil.CONN_LISTEN]
    return ["{}:{}".format(*socket.laddr) for socket in sockets if socket.pid is not None and _of_the_lab(socket.pid)]


def _of_the_lab(pid: int) -> bool:
    """Whether a process is one of the lab's modules, or a program of its toolchain or with its state."""
    paths = Paths.from_environment()
    try:
        words = psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:
        return False
    return any(word.startswith(("infra.lab", f"{paths.cache}/", f"{paths.state}/")) for word in words)
