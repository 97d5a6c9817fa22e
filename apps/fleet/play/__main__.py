"""`python -m fleet.play PLAN`: play a file and say what was sent."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from runtime.process import log_to_stderr
from runtime.settings import ConfigurationError

from fleet.play.plan import PlayPlan
from fleet.play.player import Player, PlayError
from fleet.play.rows import FileError
from fleet.scenario.plan import read_plan
from fleet.scenario.talk import Words, say


def main() -> int:
    """Play; a failure is said as everything else, in one sentence."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started this; the end of standard input means stop
    log_to_stderr("WARNING")
    try:
        say("result", **Player(read_plan(Path(sys.argv[1]), PlayPlan)).run(Words()))
    except FileError as wrong:
        say("refused", why=str(wrong))
    except (ConfigurationError, PlayError) as failed:
        say("failed", why=str(failed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
