"""One long command at a time: a lock that says who holds it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from infra.lab.errors import UserError
from infra.lab.paths import Paths


@contextmanager
def command_lock(paths: Paths) -> Iterator[None]:
    """Hold the lab's command lock while the body runs; the kernel frees it when the process ends, however it ends.

    Raises:
        UserError: another command is at work; the message names its process.
    """
    paths.state.mkdir(parents=True, exist_ok=True)
    with (paths.state / "command.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            file.seek(0)
            raise UserError(f"another lab command is at work (process {file.read().strip() or '?'}); wait for it.") from held
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
