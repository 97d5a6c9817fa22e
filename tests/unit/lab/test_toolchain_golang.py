"""Programs built with Go: pinned to the line, and untouched by what the machine has set."""

import os
from pathlib import Path

import pytest

from infra.lab.console import Steps
from infra.lab.errors import LabError
from infra.lab.paths import Paths
from infra.lab.toolchain import golang
from infra.lab.toolchain.golang import GoProgram, go_env, go_version, host_go
from infra.lab.toolchain.workshop import Workshop, last_line

FAKE_GO = """\
#!/bin/sh
[ "$1" = list ] && { echo "go: downloading"; echo "$MODULE_FOLDER"; exit; }
while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; last=$1; shift; done
[ "$last" = broken ] && { echo "main.go:3:1: syntax error" >&2; exit 1; }
echo "$GOFLAGS" > "$out"
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A workshop with one module and a compiler that writes its flags into the program."""
    monkeypatch.setattr(golang, "MODULES", tmp_path / "modules")
    monkeypatch.setenv("MODULE_FOLDER", str(tmp_path / "fetched"))
    (tmp_path / "fetched").mkdir()
    (tmp_path / "fetched" / "helper").write_text("#!/bin/sh\n")
    (tmp_path / "modules" / "tool").mkdir(parents=True)
    (tmp_path / "modules" / "tool" / "go.sum").write_text("a v1 h1:x\n")
    go = tmp_path / "go"
    go.write_text(FAKE_GO)
    go.chmod(0o755)
    paths = Paths(tmp_path / "cache", tmp_path / "state")
    return Workshop(paths, Steps(paths), "Toolchain: tool 1", lambda: go)


def test_a_program_is_built_linked_and_given_its_scripts(work: Workshop, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    recipe = GoProgram("tool", "tool", names=("tool-server",), copies=(("example.com/tool", "helper"),))
    (source,) = recipe.make(tmp_path / "made", work)
    programs = tmp_path / "made" / "bin"
    assert "-mod=readonly" in (programs / "tool-server").read_text()
    assert os.access(programs / "helper", os.X_OK)
    assert source.name == "go/tool"


def test_a_failed_build_names_step_command_and_log(work: Workshop, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    with pytest.raises(
        LabError, match=r"Build tool failed with code 1: main.go:3:1: syntax error\n  command: .*\n  log: .*build-tool.log"
    ):
        GoProgram("tool", "tool", "broken").make(tmp_path / "made", work)


def test_a_go_part_is_made_anew_when_one_pinned_line_changes(work: Workshop) -> None:
    before = GoProgram("tool", "tool").fingerprint()
    assert GoProgram("tool", "tool").fingerprint() == before
    (work.paths.cache.parent / "modules" / "tool" / "go.sum").write_text("a v1 h1:y\n")
    assert GoProgram("tool", "tool").fingerprint() != before


def test_a_machines_go_settings_do_not_reach_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOFLAGS", "GOTOOLCHAIN", "CGO_ENABLED", "GOWORK", "GOCACHE", "GOMODCACHE"):
        monkeypatch.setenv(name, "something")
    assert "something" not in go_env(tmp_path).values()


@pytest.mark.parametrize(("said", "version"), [("go1.26.8", (1, 26, 8)), ("go1.27rc1", (1, 27, 0)), ("nonsense", (0,))])
def test_the_version_of_a_go_is_read(tmp_path: Path, said: str, version: tuple[int, ...]) -> None:
    program = tmp_path / "go"
    program.write_text(f"#!/bin/sh\necho {said}\n")
    program.chmod(0o755)
    assert go_version(program) == version


def test_an_old_go_of_the_machine_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "go").write_text("#!/bin/sh\necho go1.19.8\n")
    (tmp_path / "go").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host_go() is None


@pytest.mark.parametrize(
    ("written", "shown"),
    [("", ""), ("one\ntwo\n", "two"), ("one\nhalf a li", "one"), ("one\n\n \n", "one"), ("x" * 99 + "\n", "x" * 60)],
)
def test_a_growing_log_shows_its_last_whole_line(tmp_path: Path, written: str, shown: str) -> None:
    log = tmp_path / "log"
    assert last_line(log) == ""
    log.write_text(written)
    assert last_line(log) == shown
