"""`./lab fleet run` and `play` as a person starts them, beside brokers of the test's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.lab.paths import ROOT
from tests.support.brokers import PASSWORDS, Mosquitto

LAB = (sys.executable, "-c", "from infra.lab.cli import main; main()", "fleet")


class Run:
    """`./lab fleet` with some words, as a process of its own."""

    def __init__(self, folder: Path, brokers: list[Mosquitto], *words: str, password: str = "") -> None:
        """Starts it; the lab's state is in `folder`, and the devices may have another password than theirs."""
        more = [word for broker in brokers for word in ("--broker", broker.uri)]
        for user in ("fleet", "lab"):
            file = folder / f"password-{user}"
            file.write_text((password if user == "fleet" else "") or PASSWORDS[user])
            more += ["--login", f"{user}:{file}"]
        env = os.environ | {"IOTLAB_STATE": str(folder / "state")}
        self._process = subprocess.Popen(
            [*LAB, *words, *more], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, dict[str, Any], str]:
        """Wait for it: exit code, the JSON object, what it told people."""
        out, err = self._process.communicate(timeout=120.0)
        return self._process.returncode, json.loads(out) if out else {}, err

    def close(self) -> None:
        """End it if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@contextmanager
def running(folder: Path, brokers: list[Mosquitto], *words: str, password: str = "") -> Iterator[Run]:
    run = Run(folder, brokers, *words, "--json", password=password)
    try:
        yield run
    finally:
        run.close()
