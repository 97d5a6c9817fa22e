"""A bench from the command line: its contenders one after another, then table or JSON."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import report
from tests.support.brokers import Kafka

Measure = Callable[[str, Path], report.Result]  # of the contender of that name, in a folder of its own
FEWEST_CARS = 10


@contextmanager
def one_kafka() -> Iterator[Kafka]:
    """A Kafka for all contenders of a run."""
    with tempfile.TemporaryDirectory(prefix="iotlab-bench-") as made:
        kafka = Kafka(Path(made))
        try:
            kafka.start()
            yield kafka
        finally:
            kafka.close()


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for; no contender named: all of them."""

    contenders: tuple[str, ...]
    cars: int
    as_json: bool


def asked(contenders: Iterable[str], cars: int, most_cars: int = 0) -> Asked:
    """Words are contenders, or how many cars if a bench lets that be chosen: `cars` otherwise.

    Raises:
        SystemExit: a word that is neither.
    """
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    chosen = tuple(word for word in words if not word.isdecimal())
    counts = [int(word) for word in words if word.isdecimal()]
    known = tuple(contenders)
    if unknown := set(chosen) - set(known):
        sys.exit(f"there is no contender '{unknown.pop()}' in this bench; they are {', '.join(known)}")
    if not all(FEWEST_CARS <= count <= most_cars for count in counts):
        sys.exit(
            f"this bench has {cars} cars, and takes {FEWEST_CARS} to {most_cars}"
            if most_cars
            else "the cars of this bench are fixed; leave the number out"
        )
    return Asked(chosen or known, counts[0] if counts else cars, "--json" in sys.argv)


def run(wanted: Asked, measure: Measure, load: dict[str, Any]) -> None:
    """Measure who is wanted; `load` says with what."""
    results = {}
    with tempfile.TemporaryDirectory(prefix="iotlab-bench-") as made:
        for number, name in enumerate(wanted.contenders):
            folder = Path(made) / str(number)
            folder.mkdir()
            results[name] = measure(name, folder)
            sys.stderr.write(f"{name}: {results[name]}\n")
    found = report.Report(results, load)
    sys.stdout.write(found.as_json() if wanted.as_json else found.as_table())
