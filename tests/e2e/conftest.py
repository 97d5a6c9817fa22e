"""The running lab. With CI=true the tests start it from `down` and end with `down`; else a lab that runs goes on running."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.lab import UP_WITHIN_S, HostTraces, git_status, lab, lab_json, lab_ok


@pytest.fixture(scope="session")
def was_up() -> bool:
    """Whether a lab ran before the tests came."""
    return bool(lab_json("status")["cluster"]["running"])


@pytest.fixture(scope="session")
def ours(was_up: bool) -> bool:
    """Whether this run may stop the lab and start it again."""
    return not was_up or os.environ.get("CI") == "true"


@pytest.fixture(scope="session")
def traces_before(was_up: bool, ours: bool) -> HostTraces | None:
    """The host before the lab came; unknown (None) when a lab was up that isn't ours to stop."""
    if was_up and ours:
        print("\nan earlier run of this user left a lab running: it is stopped first")
        lab_ok("down")
    return HostTraces.now() if ours else None


@pytest.fixture(scope="session")
def _tree_unchanged() -> Iterator[None]:
    before = git_status()
    yield
    assert git_status() == before, "a command of the lab changed the checkout"


@pytest.fixture(scope="session")
def running(traces_before: HostTraces | None, ours: bool, _tree_unchanged: None) -> Iterator[None]:
    """A lab brought to this checkout's state."""
    del traces_before  # it must have been looked at before anything starts
    done = lab("up", timeout_s=UP_WITHIN_S)
    print(done.stderr)
    assert done.returncode == 0, f"lab up ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    yield
    if ours:
        lab_ok("down", timeout_s=300)
