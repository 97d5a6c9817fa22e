"""The emulated machine, as far as its stages before the bundle: some minutes."""

from pathlib import Path

import pytest

from tests.support.vm_fixtures import host, machine, say, session

__all__ = ["host", "machine", "say", "session"]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """None: the stage that takes it fails at once, and nothing goes on beside the tests, nor has to be built for them."""
    file = tmp_path_factory.mktemp("stick") / "lab.tar.zst"
    file.write_text("no bundle\n")
    return file
