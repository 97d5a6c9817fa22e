"""A JDK and Maven: only what is missing is installed, and only with the right to do so."""

from pathlib import Path

import pytest

from infra.lab.console import Steps
from infra.lab.errors import LabError, UserError
from infra.lab.paths import Paths
from infra.lab.toolchain import java


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An otherwise empty PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def put(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    return Steps(Paths(tmp_path / "cache", tmp_path / "state"))


def test_a_machine_with_jdk_and_maven_is_left_alone(programs: Path, steps: Steps) -> None:
    put(programs, "javac", "echo javac 21.0.2")
    put(programs, "mvn", "exit 0")
    java.ensure(steps)
    assert not steps.paths.logs.exists()


def test_an_old_jdk_counts_as_missing(programs: Path) -> None:
    put(programs, "javac", "echo javac 11.0.20 >&2")
    put(programs, "mvn", "exit 0")
    assert java.missing() == ["openjdk-17-jdk-headless"]


def test_without_root_the_command_to_run_is_told(programs: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    put(programs, "javac", "echo javac 17.0.1")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(UserError, match="needs root: sudo apt-get install maven"):
        java.ensure(steps)


def test_what_is_missing_is_installed_after_a_refresh_of_the_lists(
    programs: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(programs, "javac", "echo javac 17.0.1")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    update = f': > "{programs}/updated"'
    install = f'echo "#!/bin/sh" > "{programs}/mvn"; /bin/chmod 755 "{programs}/mvn"'
    put(programs, "apt-get", f'case "$*" in *update*) {update};; *) [ -e "{programs}/updated" ] || exit 100; {install};; esac')
    java.ensure(steps)
    assert java.missing() == []


def test_a_jdk_that_is_still_not_found_is_told(programs: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    put(programs, "mvn", "exit 0")
    put(programs, "apt-get", "exit 0")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(LabError, match=r"openjdk-17-jdk-headless was installed, but .*: check JAVA_HOME and PATH"):
        java.ensure(steps)
