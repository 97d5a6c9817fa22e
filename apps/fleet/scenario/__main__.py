"""`python -m fleet.scenario PLAN`: the run; it starts this again as `PLAN counter` and `PLAN clients NUMBER`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from runtime.process import log_to_stderr
from runtime.settings import ConfigurationError

from fleet.scenario.clients import Clients
from fleet.scenario.conductor import Conductor, RunError
from fleet.scenario.counter import Counting
from fleet.scenario.plan import Plan, read_plan
from fleet.scenario.talk import Words, say


def main() -> int:
    """Carry out what the words of the command line say; a failure is said as everything else, in one sentence."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started this; the end of standard input means stop
    log_to_stderr("WARNING")
    file, *words = sys.argv[1:]
    try:
        _play(Path(file), words)
    except (RunError, ConfigurationError) as failed:
        say("failed", why=str(failed))
        return 1
    return 0


def _play(file: Path, words: list[str]) -> None:
    plan = read_plan(file, Plan)
    match words:
        case ["counter"]:
            Counting(plan).run(Words())
        case ["clients", number]:
            Clients(plan, int(number)).run(Words())
        case _:
            say("result", **Conductor(plan, file, Words()).run())


if __name__ == "__main__":
    sys.exit(main())
