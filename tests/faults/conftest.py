"""The fault tier: the bridge between real brokers while something breaks, and what became of every message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.chain import Chain, as_charted
from tests.support.apps import fixture_folder
from tests.support.brokers import Kafka, Mosquitto, influx, kafka

__all__ = ["fixture_folder", "influx", "kafka"]
LINES = pytest.StashKey[list[str]]()
Tell = Callable[[str], None]


def pytest_configure(config: pytest.Config) -> None:
    """Nothing was told yet."""
    config.stash[LINES] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line a fault, also of those that passed."""
    terminalreporter.section("faults")
    for line in terminalreporter.config.stash[LINES]:
        terminalreporter.write_line(line)


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Notes a fault's line, to be shown at the end."""
    return request.config.stash[LINES].append


@pytest.fixture(autouse=True)
def _kafka_serves_the_next(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that fails while Kafka is dead leaves it dead."""
    yield
    if "kafka" in request.fixturenames:
        server: Kafka = request.getfixturevalue("kafka")
        if not server.alive:
            server.start()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """One with the chart's limits and flush window."""
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    server = Mosquitto(folder, **as_charted())
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def chain(mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path) -> Chain:
    """Mosquitto, a bridge that does not run yet, and topics of its own."""
    return Chain(mosquitto, kafka, fixture_folder)
