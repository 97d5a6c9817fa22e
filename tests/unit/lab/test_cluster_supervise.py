"""Parts are started in order, restarted when they die, and counted; containers that can't hear are not waited for."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra.lab.cluster import cgroups
from infra.lab.cluster.inner import leader
from infra.lab.cluster.supervise import ending, limit_log

RUN = """
import json, os, signal, sys, time
from pathlib import Path
from types import SimpleNamespace
from infra.lab.cluster import supervise
from infra.lab.cluster.parts import Part
from infra.lab.cluster.supervise import Supervisor

# a clock that runs ten times as fast: pauses are as long as ever, and nobody waits for them
supervise.time = SimpleNamespace(time=time.time, sleep=time.sleep, monotonic=lambda: 10 * time.monotonic())

home = Path(sys.argv[1])
parts = (Part("one", ("sh", "-c", "echo started; exec sleep 60")), Part("two", ("sleep", "60"), "etcd"), Part("gone", ("false",)))
supervisor = Supervisor(parts, home, home / "status.json", {"PATH": os.environ["PATH"]}, lambda what: (home / what).exists())

def tick(until, limit_s=10.0):
    deadline = time.monotonic() + limit_s
    while not until() and time.monotonic() < deadline:
        supervisor.reap()
        supervisor.start_due()
        time.sleep(0.01)

one, two, gone = supervisor.children
tick(lambda: one.pid and gone.restarts >= 2)
said = {"two_waits": two.pid == 0, "gone_exit": gone.last_exit, "gone_pause_s": gone.pause_s}
(home / "etcd").touch()
tick(lambda: two.pid)
said["two_started"] = bool(two.pid)
first = one.pid
os.kill(first, signal.SIGKILL)
tick(lambda: one.pid and one.pid != first)
said["one"] = [one.restarts, one.last_exit, one.pid != first]
said["file"] = json.loads((home / "status.json").read_text())["parts"][0]["restarts"]
for child in supervisor.children:
    supervisor.stop(child.part.name)
said["left"] = [child.pid for child in supervisor.children]
said["restarts_after_stop"] = one.restarts
print(json.dumps(said))
"""

STATUS = "Name:\t{name}\nNSpid:\t812\t{inner}\nSigBlk:\t{blocked}\nSigCgt:\t{caught}\n"


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The supervisor reaps every child of its process, so it gets a process of its own."""
    home = tmp_path_factory.mktemp("supervisor")
    done = subprocess.run([sys.executable, "-c", RUN, str(home)], capture_output=True, text=True, check=True, timeout=30)
    assert "started" in (home / "one.log").read_text()
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_killed_part_is_restarted_and_counted(said: dict[str, object]) -> None:
    assert said["one"] == [1, "signal SIGKILL", True]
    assert said["file"] == 1


def test_a_part_waits_for_what_it_needs(said: dict[str, object]) -> None:
    assert said["two_waits"] is True
    assert said["two_started"] is True


def test_a_part_that_keeps_ending_is_restarted_ever_later(said: dict[str, object]) -> None:
    assert said["gone_exit"] == "code 1"
    assert said["gone_pause_s"] == 2.0


def test_stopping_ends_all_and_is_no_restart(said: dict[str, object]) -> None:
    assert said["left"] == [0, 0, 0]
    assert said["restarts_after_stop"] == 1


def test_endings_are_told_in_words() -> None:
    assert ending(signal.SIGKILL) == "signal SIGKILL"
    assert ending(2 << 8) == "code 2"


def test_a_long_log_is_put_aside_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "etcd.log"
    handle = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(handle, b"x" * 200)
    limit_log(log, limit_bytes=100)
    os.write(handle, b"after")
    os.close(handle)
    assert log.read_bytes() == b"after"
    assert (tmp_path / "etcd.log.1").stat().st_size == 200


def test_a_short_or_missing_log_stays(tmp_path: Path) -> None:
    limit_log(tmp_path / "none.log")
    (tmp_path / "short.log").write_text("short")
    limit_log(tmp_path / "short.log")
    assert (tmp_path / "short.log").read_text() == "short"


def status(inner: int, caught: int = 0, blocked: int = 0) -> str:
    return STATUS.format(name="java", inner=inner, caught=f"{caught:016x}", blocked=f"{blocked:016x}")


@pytest.mark.parametrize(("caught", "blocked", "hears"), [(0x4000, 0, True), (0, 0x4000, True), (0x8000, 0x2000, False)])
def test_a_containers_first_process_is_asked_only_if_it_hears(caught: int, blocked: int, *, hears: bool) -> None:
    found = leader(812, status(1, caught, blocked), "5:pids:/iotlab/kubepods/pod1/abc")
    assert found is not None
    assert (found.pid, found.name, found.hears) == (812, "java", hears)


def test_other_processes_are_no_containers_first() -> None:
    assert leader(812, status(7), "5:pids:/iotlab/kubepods/pod1/abc") is None
    assert leader(812, status(1), "5:pids:/iotlab/parts") is None


def test_cgroups_of_version_1_are_found_with_their_controllers() -> None:
    text = (
        "30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
        "31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
        "32 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
    )
    one, two = cgroups.hierarchies(text)
    assert (one.version, set(one.controllers)) == (1, {"cpu", "cpuacct"})
    assert (two.version, two.controllers) == (1, frozenset())
    assert one.root == Path("/sys/fs/cgroup/cpu,cpuacct/iotlab")


def test_the_one_tree_of_version_2_is_found() -> None:
    (tree,) = cgroups.hierarchies("30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n")
    assert (tree.version, tree.root) == (2, Path("/sys/fs/cgroup/iotlab"))
