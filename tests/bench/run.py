"""A bench from the command line: its contenders one after another beside one Kafka, then table or JSON."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.bench import report
from tests.support.brokers import Kafka

Measure = Callable[[str, Kafka, Path], report.Result]  # of the contender of that name, in a folder of its own


def run(contenders: Iterable[str], measure: Measure, load: dict[str, Any]) -> None:
    """Measure all of them, or those that are named; `load` says with what."""
    chosen = [word for word in sys.argv[1:] if word != "--json"] or list(contenders)
    results = {}
    with tempfile.TemporaryDirectory(prefix="iotlab-bench-") as made:
        (Path(made) / "kafka").mkdir()
        kafka = Kafka(Path(made) / "kafka")
        try:
            kafka.start()
            for number, name in enumerate(chosen):
                folder = Path(made) / str(number)
                folder.mkdir()
                results[name] = measure(name, kafka, folder)
                sys.stderr.write(f"{name}: {results[name]}\n")
        finally:
            kafka.close()
    found = report.Report(results, load)
    sys.stdout.write(found.as_json() if "--json" in sys.argv else found.as_table())
