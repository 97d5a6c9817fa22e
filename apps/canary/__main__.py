"""`python -m canary once [--json]` flies once, `topics` looks at Kafka's topics, `serve` flies all the time, `load` measures."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping

from runtime.process import exit_code_of, log_to_stderr
from runtime.settings import from_environment

from canary import load, standing
from canary.flight import fly, look_at_topics
from canary.logins import logins
from canary.report import Report
from canary.serve import serve
from canary.settings import CanarySettings


def _tell(report: Report, services: Mapping[str, str], *, as_json: bool) -> int:
    if as_json:  # the answer is in the object, so that whoever runs us remotely gets it in every case
        sys.stdout.write(json.dumps(report.as_json() | {"services": services}) + "\n")
        return 0
    sys.stdout.write("\n".join(report.lines()) + "\n")
    return 0 if report.ok else 1


def main() -> int:
    """Run what the command line asks for."""
    options = argparse.ArgumentParser(prog="canary", description="Sends a reading through every hop.")
    options.add_argument("mode", choices=("once", "topics", "serve", "load"))
    options.add_argument("--json", action="store_true", help="once, topics: print one JSON object, exit code 0 whatever it says")
    load.add_options(options)
    chosen = options.parse_args()
    settings = from_environment(CanarySettings)
    log_to_stderr(settings.log_level)
    match chosen.mode:
        case "once":
            return _tell(fly(settings, logins(settings)), standing.services(settings.metrics_port), as_json=chosen.json)
        case "topics":
            return _tell(look_at_topics(settings), {}, as_json=chosen.json)
        case "load":
            sys.stdout.write(json.dumps(load.run(settings, logins(settings), load.Rates.of(chosen))) + "\n")
        case _:
            serve(settings)
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
