"""The emulated machine until its own lab is up: the better part of an hour, and only where nothing else runs beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.vm_disk import core_bundle
from tests.support.vm_fixtures import host, lab, machine, say, session

__all__ = ["host", "lab", "machine", "say", "session"]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the set `core` needs."""
    file = core_bundle(tmp_path_factory.mktemp("stick")).file
    yield file
    file.unlink()
