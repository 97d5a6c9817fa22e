"""What a build leaves in /run goes with the lab, unless a build is at work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.lab.cluster import leftovers
from infra.lab.cluster.layout import RUNROOT
from infra.lab.toolchain.parts import BUILDAH_FOLDERS


@pytest.fixture
def runroot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run/containers"
    (folder / "overlay-layers").mkdir(parents=True)
    monkeypatch.setattr(leftovers, "RUNROOT", folder)
    return folder


def test_buildah_keeps_its_notes_where_they_are_looked_for() -> None:
    assert f"--runroot {RUNROOT}" in BUILDAH_FOLDERS


def test_what_buildah_left_is_found_and_removed_with_its_parent(runroot: Path) -> None:
    assert leftovers.runroot_left()
    leftovers.remove_runroot()
    assert not runroot.parent.exists()
    assert not leftovers.runroot_left()


def test_notes_of_a_buildah_at_work_are_no_leftover(runroot: Path) -> None:
    words = [sys.executable, "-c", "input()", "--runroot", str(runroot)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, env=dict(os.environ)) as build:
        try:
            assert not leftovers.runroot_left()
            leftovers.remove_runroot()
            assert runroot.exists()
        finally:
            build.kill()
