"""Pulumi's engines at work on this lab's state: those whose `lab` was killed are ended, a person's own is waited for."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from pathlib import Path

import psutil

from infra.lab.errors import UserError
from infra.lab.paths import Paths

MARK = "IOTLAB_ENGINE"  # in the environment of what the lab starts itself
HOME = "PULUMI_HOME"
END_WITHIN_S = 60.0  # an engine that is told to end still writes down what it has made


def _orphans(paths: Paths) -> dict[int, psutil.Process]:
    """Engines of this state that some `lab` has started, their plugins included. Its lock is ours, so none of them lives."""
    marks = {HOME: str(paths.pulumi / "home"), MARK: "1"}.items()
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if marks <= process.environ().items():
                found[process.pid] = process
    return found


def end_orphans(paths: Paths) -> None:
    """End engines of this state whose `lab` was killed, whoever adopted them; those that a person started go on.

    Only with the lab's lock in hand, and before this command has started an engine of its own.
    """
    found = _orphans(paths)
    for process in found.values():
        with suppress(psutil.Error):
            if process.ppid() not in found:  # an engine ends its plugins itself
                process.terminate()
    _, still = psutil.wait_procs(list(found.values()), END_WITHIN_S)
    for process in still:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(still, END_WITHIN_S)


def left_locks(paths: Paths, stack: str) -> bool:
    """Whether an engine that is gone has left its lock on `stack`.

    Raises:
        UserError: an engine that a person started is at work on that stack.
    """
    files = list((paths.pulumi / "backend/.pulumi/locks").glob(f"**/{stack}/*.json"))
    for file in files:
        _refuse_living(file, stack)
    return bool(files)


def _refuse_living(file: Path, stack: str) -> None:
    try:
        held = json.loads(file.read_text())
        pid, host = int(held["pid"]), str(held["hostname"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    if host == socket.gethostname() and _is_engine(pid):
        raise UserError(f"pulumi (process {pid}) is at work on the stack '{stack}': wait for its end, or stop it with Ctrl-C.")


def _is_engine(pid: int) -> bool:
    try:
        return psutil.Process(pid).name().startswith("pulumi")
    except psutil.Error:
        return False
