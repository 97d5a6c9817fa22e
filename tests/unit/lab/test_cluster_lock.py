"""One lab a machine: the lock names its owner and ends with its process."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.lab.cluster import layout, lock
from infra.lab.paths import ROOT

HOLD = """
import sys, time
from pathlib import Path
from infra.lab.cluster.lock import Lock
print(Lock(Path(sys.argv[1])).take(Path("/state")), flush=True)
time.sleep(60)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "iotlab.lock"


def test_nobody_owns_a_machine_without_a_lab(file: Path) -> None:
    assert lock.read(file) is None


def test_the_holder_is_named_and_nobody_else_gets_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "PATIENCE_S", 0.2)
    held = lock.Lock(file)
    assert held.take(Path("/state"))
    owner = lock.read(file)
    assert owner is not None
    assert (owner.pid, owner.checkout, owner.state) == (os.getpid(), str(ROOT), "/state")
    assert not lock.Lock(file).take(Path("/other"))
    held.release()
    assert not file.exists()


def test_a_killed_holder_holds_nothing(file: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(file)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert lock.read(file) is not None
        holder.send_signal(signal.SIGKILL)
    assert lock.read(file) is None
    held = lock.Lock(file)
    assert held.take(Path("/state"))
    held.release()


def test_a_file_of_somebody_else_is_no_owner(file: Path) -> None:
    file.write_text(json.dumps({"what": 1}))
    assert lock.read(file) is None


def test_an_owner_reads_like_a_sentence() -> None:
    owner = lock.Owner("maria", "/home/maria/iot", "/state", 42, time.time())
    assert str(owner) == "maria's lab from /home/maria/iot (process 42)"


def test_programs_of_the_system_are_found_without_a_full_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    layout.search_also(tmp_path)
    layout.search_also(tmp_path)
    assert os.environ["PATH"].split(":") == ["/usr/bin", "/usr/sbin", "/sbin", str(tmp_path)]
