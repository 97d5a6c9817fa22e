#!/usr/bin/env python3
"""lab-stage: runs this machine's numbered stages in their order, and says how far it is.

    lab-stage run               run what is not done yet; a finished stage runs again only if what it is made from changed
    lab-stage status [--json]   0: all done, 1: one failed or was interrupted, 2: still going on

A stage is a script /usr/local/lib/iotlab/stages/NN-name.sh with its settings, KEY=value lines, in /etc/iotlab/stages/NN-name.env.
It may run any number of times, and says in comments of its own:

    # Remedy: what a person does when it fails (or, nearer to the fault, as its last line that begins with «remedy: »)
    # Runs: at every boot

The state is one file, /var/lib/iotlab/stages.json, replaced as a whole. Python's own library only: this runs before anything else
of the lab is on the machine.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LINES = 20  # of a stage's log that the state keeps
EXIT = {"done": 0, "failed": 1, "interrupted": 1}
GOING_ON = 2
FRESH: dict[str, Any] = {
    "state": "waiting",
    "since": None,
    "seconds": None,
    "exit_code": None,
    "inputs": "",
    "log": [],
    "remedy": "",
}
SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"


@dataclass(frozen=True, slots=True)
class Stage:
    """One script and its settings."""

    number: int
    name: str
    script: Path
    env: Path

    @property
    def label(self) -> str:
        """`NN-name`, as its files are called."""
        return self.script.stem

    def says(self, key: str) -> str:
        """What the script's comment `# Key: …` says."""
        marked = f"# {key}: "
        return next((line.removeprefix(marked) for line in self.script.read_text().splitlines() if line.startswith(marked)), "")

    def settings(self) -> dict[str, str]:
        """The lines KEY=value of its settings; a value ends with its line and is taken as it is."""
        lines = self.env.read_text().splitlines() if self.env.is_file() else []
        return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))

    def inputs(self, library: Path) -> str:
        """The hash of all it is made from."""
        found = hashlib.sha256()
        for file in (self.script, self.env, library):
            found.update(file.read_bytes() if file.is_file() else b"")
            found.update(b"\0")
        if self.says("Runs") == "at every boot":
            found.update(Path("/proc/sys/kernel/random/boot_id").read_bytes())
        return found.hexdigest()


class Stages:
    """The stages of the machine under `root`, and their state."""

    def __init__(self, root: Path) -> None:
        """`root` is / but in tests."""
        self.scripts = root / "usr/local/lib/iotlab"
        self.settings = root / "etc/iotlab/stages"
        self.folder = root / "var/lib/iotlab"
        self.file = self.folder / "stages.json"

    def all(self) -> list[Stage]:
        """The stages in their order."""
        scripts = sorted((self.scripts / "stages").glob("[0-9][0-9]-*.sh"))
        return [
            Stage(number, script.stem.split("-", 1)[1], script, self.settings / f"{script.stem}.env")
            for number, script in enumerate(scripts, 1)
        ]

    def log(self, stage: Stage) -> Path:
        """Where the stage's last run says what it does."""
        return self.folder / f"logs/{stage.label}.log"

    def entries(self) -> list[dict[str, Any]]:
        """What is known of each stage; «waiting» before its first run."""
        try:
            known = {entry["name"]: entry for entry in json.loads(self.file.read_text())["stages"]}
        except (OSError, ValueError, KeyError, TypeError):
            known = {}  # none yet, or not ours: every stage may run again
        return [FRESH | known.get(stage.name, {}) | {"n": stage.number, "name": stage.name} for stage in self.all()]

    def write(self, entries: list[dict[str, Any]]) -> None:
        """Replace the state as a whole: who reads it sees the old one or the new one."""
        scratch = self.file.with_suffix(".new")
        with scratch.open("w") as file:
            json.dump(summary(entries), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        scratch.chmod(0o644)
        scratch.replace(self.file)

    @contextmanager
    def alone(self) -> Iterator[int]:
        """Wait until no other run goes on. A stage inherits the lock: one that outlives a killed run is waited for, too."""
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        held = os.open(self.folder / "stages.lock", os.O_CREAT | os.O_RDONLY, 0o644)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield held
        finally:
            os.close(held)

    @property
    def running(self) -> bool:
        """Whether a run goes on."""
        try:
            held = os.open(self.folder / "stages.lock", os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(held)
        return False

    def now(self) -> dict[str, Any]:
        """The state as of now: a stage that runs with its latest lines, interrupted where nothing runs, due where it changed."""
        entries = self.entries()
        running = self.running
        for entry, stage in zip(entries, self.all(), strict=True):
            if entry["state"] == "done" and self.changed(entry, stage):
                entry.update(FRESH)
            if entry["state"] == "running":
                entry["log"] = tail(self.log(stage))
                if not running:
                    entry.update(state="interrupted", remedy="sudo lab-stage run goes on with it")
        return summary(entries) | {"running": running}

    def changed(self, entry: dict[str, Any], stage: Stage) -> bool:
        """Whether a stage's next run is due; settings are root's, so anybody else hears what the last run left."""
        try:
            return bool(entry["inputs"] != stage.inputs(self.scripts / "lib.sh"))
        except PermissionError:
            return False


def summary(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The state as a whole: that of the first stage which is not done."""
    ahead = [entry for entry in entries if entry["state"] != "done"]
    return {
        "machine": socket.gethostname(),
        "of": len(entries),
        "done": len(entries) - len(ahead),
        "state": ahead[0]["state"] if ahead else "done" if entries else "waiting",
        "stage": ahead[0]["name"] if ahead else "",
        "stages": entries,
    }


def tail(file: Path) -> list[str]:
    """The last lines of a log."""
    return file.read_text(errors="replace").splitlines()[-LINES:] if file.is_file() else []


def clock() -> str:
    """The time of day with its date, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def run_one(stages: Stages, stage: Stage, held: int) -> dict[str, Any]:
    """Run one stage to its end; what is known of it then."""
    started, since = time.monotonic(), clock()
    log = stages.log(stage)
    env = {"PATH": SEARCHED, "HOME": "/root", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    env |= {"IOTLAB_LIB": str(stages.scripts)} | stage.settings()
    with log.open("w") as output:
        words = ["/bin/bash", str(stage.script)]
        kept = [held]
        done = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False, pass_fds=kept)
    lines = tail(log)
    nearer = [line.removeprefix("remedy: ") for line in lines if line.startswith("remedy: ")]
    return {
        "state": "failed" if done.returncode else "done",
        "since": since,
        "seconds": round(time.monotonic() - started, 1),
        "exit_code": done.returncode,
        "log": lines,
        "remedy": (nearer or [stage.says("Remedy") or f"read {log}"])[-1] if done.returncode else "",
    }


def run(stages: Stages) -> int:
    """Run what is not done, in order, up to the first that fails."""
    with stages.alone() as held:
        entries = stages.entries()
        for entry, stage in zip(entries, stages.all(), strict=True):
            if entry["state"] == "done" and not stages.changed(entry, stage):
                continue
            inputs = stage.inputs(stages.scripts / "lib.sh")
            say(f"stage {stage.number} of {len(entries)}, {stage.name}: begins")
            entry.update(FRESH, state="running", since=clock())
            stages.write(entries)
            entry.update(run_one(stages, stage, held), inputs=inputs)
            stages.write(entries)
            if entry["state"] == "failed":
                say(f"stage {stage.number}, {stage.name}: failed with code {entry['exit_code']}; {entry['remedy']}")
                return EXIT["failed"]
            say(f"stage {stage.number}, {stage.name}: done in {entry['seconds']:.0f} s")
        stages.write(entries)  # which of them there are may have changed, though none had to run
    return EXIT["done"]


def say(line: str) -> None:
    """One line for the journal."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def show(found: dict[str, Any]) -> None:
    """The state for a person."""
    ahead = f", {found['stage']} {found['state']}" if found["stage"] else ""
    say(f"{found['machine']}: {found['done']} of {found['of']} stages done{ahead}")
    for entry in found["stages"]:
        since = f"since {entry['since']}" if entry["since"] else ""
        took = since if entry["seconds"] is None else f"{entry['seconds']:.0f} s"
        code = f", exit code {entry['exit_code']}" if entry["exit_code"] else ""
        say(f"  {entry['n']:>2} {entry['name']:<12} {entry['state']:<11} {took}{code}".rstrip())
        if entry["state"] in {"failed", "interrupted", "running"}:
            for line in entry["log"]:
                say(f"     | {line}")
            if entry["remedy"]:
                say(f"     what to do: {entry['remedy']}")
    if found["state"] == "failed":
        say("  after that: sudo lab-stage run")


def main(words: list[str]) -> int:
    """Run the command; its exit code."""
    parser = argparse.ArgumentParser(prog="lab-stage", description="The stages that make this machine a lab.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("run", help="run what is not done yet")
    verbs.add_parser("status", help="say how far it is").add_argument("--json", action="store_true", help="as one JSON object")
    asked = parser.parse_args(words)
    root = Path(os.environ.get("LAB_STAGE_ROOT") or "/")
    stages = Stages(root)
    if asked.verb == "run":
        if root == Path("/") and os.geteuid():
            sys.stderr.write("lab-stage: run needs root: sudo lab-stage run\n")
            return 2
        return run(stages)
    found = stages.now()
    if asked.json:
        say(json.dumps(found, indent=1))
    else:
        show(found)
    return EXIT.get(found["state"], GOING_ON)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
