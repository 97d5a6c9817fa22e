"""Engines of a killed `lab` are ended before the next one starts; a person's own is never touched."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from infra.lab import engines
from infra.lab.errors import UserError
from infra.lab.paths import Paths

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "cache", tmp_path / "state")


def of_a_shell(paths: Paths) -> dict[str, str]:
    return {"PATH": os.defpath, engines.HOME: str(paths.pulumi / "home")}


def test_an_orphaned_engine_is_ended_whoever_adopted_it_and_a_persons_own_is_not(paths: Paths, tmp_path: Path) -> None:
    elsewhere = {"PATH": os.defpath, engines.HOME: str(tmp_path), engines.MARK: "1"}
    with (
        subprocess.Popen(["sleep", "60"], env=of_a_shell(paths) | {engines.MARK: "1"}) as orphan,
        subprocess.Popen(["sleep", "60"], env=of_a_shell(paths)) as persons,
        subprocess.Popen(["sleep", "60"], env=elsewhere) as of_another_state,
    ):
        try:
            engines.end_orphans(paths)
            assert not psutil.pid_exists(orphan.pid), "it is gone when the next engine starts"
            assert persons.poll() is None
            assert of_another_state.poll() is None
        finally:
            for process in (orphan, persons, of_another_state):
                process.kill()


def test_an_orphan_that_does_not_end_is_killed(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "END_WITHIN_S", 0.3)
    env = of_a_shell(paths) | {engines.MARK: "1"}
    with subprocess.Popen([sys.executable, "-c", STUBBORN], env=env, stdout=subprocess.PIPE) as orphan:
        assert orphan.stdout
        orphan.stdout.readline()
        engines.end_orphans(paths)
        assert not psutil.pid_exists(orphan.pid)


def lock(paths: Paths, pid: int, stack: str = "local") -> None:
    file = paths.pulumi / f"backend/.pulumi/locks/organization/iotlab/{stack}/1.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"pid": pid, "hostname": socket.gethostname(), "username": "anna"}))


def test_the_lock_of_a_dead_engine_is_told_and_that_of_another_stack_is_not(paths: Paths) -> None:
    assert not engines.left_locks(paths, "local")
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    lock(paths, dead.pid, "other")
    assert not engines.left_locks(paths, "local")
    lock(paths, dead.pid)
    assert engines.left_locks(paths, "local")


def test_an_engine_that_a_person_started_is_waited_for(paths: Paths, tmp_path: Path) -> None:
    program = tmp_path / "pulumi"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as persons:
        lock(paths, persons.pid)
        try:
            with pytest.raises(UserError, match=rf"pulumi \(process {persons.pid}\) is at work on the stack 'local'"):
                engines.left_locks(paths, "local")
        finally:
            persons.kill()


def test_a_process_that_got_the_number_of_a_dead_engine_is_none(paths: Paths) -> None:
    lock(paths, os.getpid())
    assert engines.left_locks(paths, "local")
