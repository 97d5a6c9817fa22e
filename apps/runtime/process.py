"""How an app starts and stops: one line of log a line, an Event that SIGTERM and SIGINT set, an exit code."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from pydantic import ValidationError

from runtime.settings import ConfigurationError


def log_to_stderr(level: str) -> None:
    """Log to standard error, one line each, time in UTC by the container's clock."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)


def stop_on_signals() -> threading.Event:
    """An event that is set by SIGTERM or SIGINT; a second signal ends the process at once."""
    stop = threading.Event()

    def _on_signal(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            sys.exit(128 + number)
        stop.set()

    signal.signal(signal.SIGTERM, _on_signal)
    signal.signal(signal.SIGINT, _on_signal)
    return stop


def _sentence(error: ValidationError) -> str:
    found = error.errors()[0]
    name = "_".join(str(part) for part in found["loc"])
    return f"{error.title}: {name}: {found['msg']}"


def exit_code_of(main: Callable[[], int | None]) -> int:
    """Run `main`; a configuration that cannot be used is told in one sentence, exit code 2."""
    try:
        return main() or 0
    except ValidationError as wrong:
        sys.stderr.write(_sentence(wrong) + "\n")
    except ConfigurationError as wrong:
        sys.stderr.write(f"{wrong}\n")
    return 2
