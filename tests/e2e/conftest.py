"""The running lab.

A lab that is up is brought to this checkout's state and otherwise left alone. Where none is up, or with CI=true, the tests
start one with a state folder of their own, so that nobody's data are touched, and remove it with its data at the end.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.lab.cluster import lock
from infra.lab.paths import Paths
from tests.support.lab import UP_WITHIN_S, HostTraces, git_status, lab, lab_json, lab_ok

STATE = "IOTLAB_STATE"


def _runs() -> bool:
    return bool(lab_json("status")["cluster"]["running"])


def _stop_earlier(own: Path, say: Callable[[str], None]) -> None:
    """Stop a lab that an earlier run of this user left, its own or these tests'; anybody else's makes `up` refuse."""
    owner = lock.read()
    if owner and owner.state in {str(own), str(Paths.from_environment().state)}:
        say(f"\nan earlier run left {owner} running: it is stopped first\n")
        lab_ok("down", env={STATE: owner.state})


@pytest.fixture(scope="session")
def ours() -> bool:
    """Whether this run may stop the lab and start it again: it is its own."""
    return os.environ.get("CI") == "true" or not _runs()


@pytest.fixture(scope="session")
def state(ours: bool, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The state folder of the lab under test."""
    if not ours:
        yield Paths.from_environment().state
        return
    own = Paths.from_environment().cache / "tests/e2e-state"
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        _stop_earlier(own, print)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STATE, str(own))
        lab_ok("down", "--purge")
        shutil.rmtree(own, ignore_errors=True)
        yield own
        lab_ok("down", "--purge")
        shutil.rmtree(own)


@pytest.fixture(scope="session")
def traces_before(state: Path, ours: bool) -> HostTraces | None:
    """The host before the lab came; unknown (None) in a lab that isn't ours to stop."""
    del state
    return HostTraces.now() if ours else None


@pytest.fixture(scope="session")
def _tree_unchanged() -> Iterator[None]:
    before = git_status()
    yield
    assert git_status() == before, "a command of the lab changed the checkout"


@pytest.fixture(scope="session")
def running(state: Path, traces_before: HostTraces | None, _tree_unchanged: None) -> None:
    """A lab brought to this checkout's state."""
    del state, traces_before  # looked at before anything starts
    done = lab("up", timeout_s=UP_WITHIN_S)
    print(done.stderr)
    assert done.returncode == 0, f"lab up ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
