"""Steps and locks: what a person sees when a step fails, and who holds the lab."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from infra.lab.console import Steps
from infra.lab.errors import LabError, UserError
from infra.lab.lock import command_lock
from infra.lab.paths import Paths


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    return Steps(Paths(tmp_path / "cache", tmp_path / "state"))


def test_a_failed_step_names_step_command_log_and_last_line(steps: Steps) -> None:
    with pytest.raises(LabError) as failed:
        steps.run("Build it", ["sh", "-c", "echo first; echo the disk is full >&2; exit 3"])
    said = str(failed.value)
    assert "Build it failed with code 3: the disk is full" in said
    assert "command: sh -c" in said
    assert str(steps.paths.logs / "build-it.log") in said


def test_a_missing_program_is_named(steps: Steps) -> None:
    with pytest.raises(LabError, match="the program no-such-program is missing"):
        steps.run("Try", ["no-such-program"])


@pytest.mark.parametrize(("program", "said"), [("no-such-program", "is missing"), ("sh", "cannot be run: Permission denied")])
def test_a_program_that_the_system_refuses_is_named(
    steps: Steps, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    refused = PermissionError(errno.EACCES, os.strerror(errno.EACCES), program)  # so for any name, with a closed folder on PATH
    monkeypatch.setattr(subprocess, "run", Mock(side_effect=refused))
    with pytest.raises(LabError, match=f"Try: the program {program} {said}"):
        steps.run("Try", [program])


def test_a_step_that_never_ends_is_ended(steps: Steps) -> None:
    with pytest.raises(LabError, match=r"Wait: no end after 0 s: sleep 5"):
        steps.run("Wait", ["sleep", "5"], timeout_s=0.1)


def test_durations_are_remembered_for_the_next_time(steps: Steps) -> None:
    with steps.step("Think"):
        pass
    assert "Think" in (steps.paths.state / "durations.json").read_text()


def test_a_broken_durations_file_does_not_matter(steps: Steps) -> None:
    steps.paths.state.mkdir(parents=True)
    (steps.paths.state / "durations.json").write_text("{")
    with steps.step("Think"):
        pass


def test_a_second_command_is_refused_with_the_first_ones_process(steps: Steps) -> None:
    hold = (
        "import sys, time; from pathlib import Path; from infra.lab.lock import command_lock; from infra.lab.paths import Paths\n"
        "with command_lock(Paths(Path(sys.argv[1]), Path(sys.argv[2]))): print('held', flush=True); time.sleep(60)"
    )
    words = [sys.executable, "-c", hold, str(steps.paths.cache), str(steps.paths.state)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            with pytest.raises(UserError, match=f"process {other.pid}"), command_lock(steps.paths):
                pass
        finally:
            other.kill()
    with command_lock(steps.paths):
        pass
