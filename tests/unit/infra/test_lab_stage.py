"""lab-stage as a machine runs it, with stages of the test's own: in order, resumed, never twice, and plain about what failed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from infra.cloud.user_data import PARTS

PROGRAM = str(PARTS / "scripts/lab_stage.py")
WITHIN_S = 20


class Machine:
    """A folder that stands for a machine's file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lines = root / "lines"
        self.lines.touch()
        self.state_file = root / "var/lib/iotlab/stages.json"
        self.env = {"PATH": os.environ["PATH"], "LAB_STAGE_ROOT": str(root)}
        self.started: list[subprocess.Popen[bytes]] = []
        for folder in ("usr/local/lib/iotlab/stages", "etc/iotlab/stages"):
            (root / folder).mkdir(parents=True)

    def stage(self, label: str, body: str, settings: str = "") -> None:
        """Lay down a stage; `note X` appends a line to the file of lines."""
        text = f'#!/bin/bash\nset -eu\nnote() {{ echo "$1" >> {self.lines}; }}\n{body}\n'
        (self.root / f"usr/local/lib/iotlab/stages/{label}.sh").write_text(text)
        (self.root / f"etc/iotlab/stages/{label}.env").write_text(settings)

    def run(self) -> int:
        return subprocess.run([sys.executable, PROGRAM, "run"], env=self.env, check=False, timeout=WITHIN_S).returncode

    def start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, PROGRAM, "run"], env=self.env, start_new_session=True)
        self.started.append(process)
        return process

    def status(self) -> tuple[int, dict[str, Any]]:
        words = [sys.executable, PROGRAM, "status", "--json"]
        done = subprocess.run(words, env=self.env, capture_output=True, check=False, timeout=WITHIN_S)
        loaded: dict[str, Any] = json.loads(done.stdout)
        return done.returncode, loaded

    def told(self) -> str:
        words = [sys.executable, PROGRAM, "status"]
        return subprocess.run(words, env=self.env, capture_output=True, text=True, check=False, timeout=WITHIN_S).stdout

    def noted(self) -> list[str]:
        return self.lines.read_text().split()

    def wait_for(self, line: str) -> None:
        until_s = time.monotonic() + WITHIN_S
        while line not in self.noted():
            assert time.monotonic() < until_s, f"nobody noted {line}"
            time.sleep(0.02)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    for process in made.started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def states(found: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["state"] for entry in found["stages"]}


def test_stages_run_in_the_order_of_their_numbers_and_a_second_run_does_nothing(machine: Machine) -> None:
    machine.stage("20-later", "note later")
    machine.stage("10-first", "note first")
    assert machine.status()[1]["state"] == "waiting"
    assert machine.run() == 0
    before = machine.state_file.read_text()
    assert machine.run() == 0
    assert machine.noted() == ["first", "later"]
    assert machine.state_file.read_text() == before
    code, found = machine.status()
    assert (code, found["of"], found["done"], found["state"], found["stage"]) == (0, 2, 2, "done", "")
    assert [(entry["n"], entry["exit_code"]) for entry in found["stages"]] == [(1, 0), (2, 0)]


def test_only_a_stage_whose_script_or_settings_changed_runs_again(machine: Machine) -> None:
    machine.stage("10-first", 'note "first-$SIZE"', "SIZE=1\n")
    machine.stage("20-later", "note later")
    machine.run()
    machine.stage("10-first", 'note "first-$SIZE"', "SIZE=2\n")
    machine.run()
    machine.stage("20-later", "note otherwise")
    machine.run()
    assert machine.noted() == ["first-1", "later", "first-2", "otherwise"]


def test_settings_are_taken_as_they_are_and_nothing_else_of_the_caller_reaches_a_stage(machine: Machine) -> None:
    machine.env["SECRET"] = "word"
    body = '[ -z "${SECRET:-}" ]; printf "%s\\n" "$URL"'
    machine.stage("10-first", body, "# a remark\nURL=https://x/y?a=1&b='$(id)' z\n")
    assert machine.run() == 0
    assert machine.status()[1]["stages"][0]["log"] == ["https://x/y?a=1&b='$(id)' z"]


def test_a_failed_stage_stops_those_behind_it_and_says_its_last_lines_and_the_remedy(machine: Machine) -> None:
    machine.stage("10-first", "note first")
    machine.stage("20-broken", "# Remedy: mend it, then sudo lab-stage run\nfor n in $(seq 30); do echo line $n; done; exit 7")
    machine.stage("30-behind", "note behind")
    assert machine.run() == 1
    code, found = machine.status()
    assert (code, found["state"], found["stage"], found["done"]) == (1, "failed", "broken", 1)
    assert states(found) == {"first": "done", "broken": "failed", "behind": "waiting"}
    broken = found["stages"][1]
    assert (broken["exit_code"], broken["remedy"]) == (7, "mend it, then sudo lab-stage run")
    assert broken["log"] == [f"line {n}" for n in range(11, 31)]
    told = machine.told()
    for words in (
        "1 of 3 stages done, broken failed",
        "exit code 7",
        "| line 30",
        "what to do: mend it, then sudo lab-stage run",
    ):
        assert words in told
    machine.stage("20-broken", "note mended")
    assert machine.run() == 0
    assert machine.noted() == ["first", "mended", "behind"]


def test_a_remedy_that_the_stage_itself_prints_is_nearer_to_the_fault(machine: Machine) -> None:
    machine.stage("10-first", "# Remedy: general\necho 'remedy: replace the stick'; exit 1")
    machine.run()
    assert machine.status()[1]["stages"][0]["remedy"] == "replace the stick"


def test_what_was_killed_with_its_stage_is_interrupted_and_goes_on_from_that_stage(machine: Machine) -> None:
    machine.stage("10-first", "note first")
    machine.stage("20-long", f"note begun; echo half; [ -e {machine.root}/well ] || sleep 600; note through")
    killed = machine.start()
    machine.wait_for("begun")
    code, found = machine.status()
    assert (code, found["state"], found["stages"][1]["log"]) == (2, "running", ["half"])
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    code, found = machine.status()
    assert (code, found["state"], found["stage"]) == (1, "interrupted", "long")
    (machine.root / "well").touch()
    assert machine.run() == 0
    assert machine.noted() == ["first", "begun", "begun", "through"]


def test_a_stage_that_outlives_its_killed_run_is_waited_for(machine: Machine) -> None:
    body = f"note begun; until [ -e {machine.root}/go ]; do sleep 0.02; done; note through"
    machine.stage("10-long", body)
    killed = machine.start()
    machine.wait_for("begun")
    killed.kill()
    killed.wait()
    assert machine.status()[1]["state"] == "running"
    second = machine.start()
    time.sleep(0.5)
    assert machine.noted() == ["begun"]
    (machine.root / "go").touch()
    assert second.wait(WITHIN_S) == 0
    assert machine.noted() == ["begun", "through", "begun", "through"]


def test_two_runs_at_once_run_each_stage_once(machine: Machine) -> None:
    machine.stage("10-first", "note first; sleep 0.3")
    runs = [machine.start(), machine.start()]
    assert [run.wait(WITHIN_S) for run in runs] == [0, 0]
    assert machine.noted() == ["first"]


def test_a_stage_of_every_boot_runs_once_a_boot(machine: Machine) -> None:
    machine.stage("10-first", "# Runs: at every boot\nnote first")
    machine.run()
    machine.run()
    assert machine.noted() == ["first"]
    state = json.loads(machine.state_file.read_text())
    state["stages"][0]["inputs"] = "of another boot"
    machine.state_file.write_text(json.dumps(state))
    machine.run()
    assert machine.noted() == ["first", "first"]


@pytest.mark.parametrize("text", ["", "{", '{"stages": 7}', "[]"])
def test_a_state_file_that_cannot_be_read_makes_every_stage_run_again(machine: Machine, text: str) -> None:
    machine.stage("10-first", "note first")
    machine.run()
    machine.state_file.write_text(text)
    assert machine.status()[1]["state"] == "waiting"
    assert machine.run() == 0
    assert machine.noted() == ["first", "first"]


def test_a_machine_without_stages_is_not_called_done(machine: Machine) -> None:
    code, found = machine.status()
    assert (code, found["state"]) == (2, "waiting")


def test_a_stage_that_is_due_again_is_waiting_before_anybody_runs_it(machine: Machine) -> None:
    machine.stage("10-one", "note one")
    machine.stage("20-two", "note two", "KEY=1\n")
    assert machine.run() == 0
    machine.stage("20-two", "note two", "KEY=2\n")
    code, told = machine.status()
    assert (code, told["state"], told["stage"], told["done"], told["running"]) == (2, "waiting", "two", 1, False)
    assert machine.run() == 0
    assert machine.noted() == ["one", "two", "two"]
    assert machine.status()[1]["state"] == "done"


def test_it_says_whether_a_run_goes_on(machine: Machine) -> None:
    machine.stage("10-one", "note begun; sleep 30")
    machine.start()
    machine.wait_for("begun")
    told = machine.status()[1]
    assert (told["state"], told["running"]) == ("running", True)
