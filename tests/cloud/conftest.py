"""One emulated account for the tier. A module has it to itself, with a stack of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cloud_lab import CloudLab, cloud_lab
from tests.support.cloud_stack import CloudStack
from tests.support.emulator import Emulator, emulator


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """AWS on loopback."""
    with emulator(tmp_path_factory.mktemp("machine")) as running:
        yield running


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands for a bundle: nothing in this tier unpacks it."""
    file = tmp_path_factory.mktemp("bundle") / "lab.tar.zst"
    file.write_bytes(b"a bundle")
    return file


@pytest.fixture(scope="module")
def stack(account: Emulator, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> CloudStack:
    """A stack that is filled in but not up, in an empty account."""
    account.reset()
    return CloudStack(tmp_path_factory.mktemp("stack"), account, bundle)


@pytest.fixture(scope="module")
def lab(stack: CloudStack) -> CloudStack:
    """A stack that is up."""
    stack.account.refuse(None)
    stack.up()
    return stack


@pytest.fixture(scope="module")
def filled(account: Emulator, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudLab]:
    """A stack that is filled in but not up, in an empty account."""
    account.reset()
    with cloud_lab(tmp_path_factory.mktemp("state"), account, bundle) as lab:
        yield lab


@pytest.fixture(scope="module")
def said_by_up(filled: CloudLab) -> str:
    """What the first `up` says of it."""
    return filled.ok("up")


@pytest.fixture(scope="module")
def up(filled: CloudLab, said_by_up: str) -> CloudLab:
    """The same, up."""
    assert said_by_up
    return filled
