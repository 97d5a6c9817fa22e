"""The toolchain: what is missing is made, once, and a failure says what and where."""

import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from infra.lab.console import Steps
from infra.lab.errors import LabError, UserError
from infra.lab.paths import Paths
from infra.lab.toolchain import Toolchain
from infra.lab.toolchain.parts import PARTS, Check, Part
from infra.lab.toolchain.store import Source
from infra.lab.toolchain.workshop import Workshop


@dataclass(frozen=True)
class Script:
    """A recipe that writes a shell script and counts how often it was asked."""

    name: str
    text: str = "exit 0"
    made: list[str] = field(default_factory=list)

    def fingerprint(self) -> str:
        return f"{self.name} {self.text}"

    def make(self, into: Path, _work: Workshop) -> tuple[Source, ...]:
        self.made.append(self.name)
        (into / "bin").mkdir(exist_ok=True)
        (into / "bin" / self.name).write_text(f"#!/bin/sh\n{self.text}\n")
        (into / "bin" / self.name).chmod(0o755)
        return (Source(f"{self.name}.pkg", "1", "00" * 32),)


class Broken(Script):
    """A recipe that fails."""

    def make(self, _into: Path, _work: Workshop) -> tuple[Source, ...]:
        raise LabError(f"Build {self.name} failed")


def part(recipe: Script, version: str = "1", disk_gb: float = 0.0) -> Part:
    return Part(recipe.name, version, "download", disk_gb, (recipe,), {recipe.name: Check(("--version",))})


Lab = Callable[..., Toolchain]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("IOTLAB_SEALED", "1")
    paths = Paths(tmp_path / "cache", tmp_path / "state")
    return lambda *parts: Toolchain(paths, Steps(paths), known=parts)


def test_missing_parts_are_made_once(lab: Lab) -> None:
    one, two = Script("one"), Script("two")
    toolchain = lab(part(one), part(two))
    assert toolchain.missing() == ["one", "two"]
    toolchain.ensure()
    toolchain.ensure()
    assert (toolchain.missing(), one.made, two.made) == ([], ["one"], ["two"])
    assert sorted(path.name for path in toolchain.paths.bin.iterdir()) == ["one", "two"]
    assert [(info.part, info.origin, info.fault) for info in toolchain.describe()] == [
        ("one", "package", None),
        ("two", "package", None),
    ]
    assert toolchain.sources()["one"][0].name == "one.pkg"
    assert toolchain.verify() == []


def test_only_the_parts_asked_for_are_made(lab: Lab) -> None:
    toolchain = lab(part(Script("one")), part(Script("two")))
    toolchain.ensure("two")
    assert toolchain.missing() == ["one"]


def test_an_unknown_part_is_refused_with_the_known_ones(lab: Lab) -> None:
    with pytest.raises(UserError, match="there is no part 'three': the toolchain has one, two"):
        lab(part(Script("one")), part(Script("two"))).ensure("three")


def test_a_damaged_part_is_made_again_and_said_so(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    one = Script("one")
    toolchain = lab(part(one))
    toolchain.ensure()
    (toolchain.store.folder(part(one).key) / "bin" / "one").unlink()
    toolchain.ensure()
    assert one.made == ["one", "one"]
    assert "one in the cache can't be used (bin/one is gone): it is made again" in " ".join(capsys.readouterr().err.split())


def test_a_failed_part_leaves_the_finished_ones_for_the_next_run(lab: Lab) -> None:
    one = Script("one")
    with pytest.raises(LabError, match="Build two failed"):
        lab(part(one), part(Broken("two"))).ensure()
    toolchain = lab(part(one), part(Script("two")))
    assert toolchain.missing() == ["two"]
    toolchain.ensure()
    assert one.made == ["one"]


def test_gos_caches_that_a_killed_run_left_are_removed_unless_they_shall_stay(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    toolchain = lab(part(Script("one")))
    toolchain.ensure()
    module = toolchain.paths.cache / "go/modules/example.com/tool@v1"
    module.mkdir(parents=True)
    (module / "main.go").write_text("package main")
    module.chmod(0o555)  # as Go leaves them
    monkeypatch.setenv("IOTLAB_KEEP_GO_CACHE", "1")
    toolchain.ensure()
    assert module.is_dir()
    monkeypatch.delenv("IOTLAB_KEEP_GO_CACHE")
    toolchain.ensure()
    assert not (toolchain.paths.cache / "go").exists()


def test_a_program_that_does_not_run_is_never_finished(lab: Lab) -> None:
    lost = "echo 'error while loading shared libraries: libx.so.1' >&2; exit 127"
    toolchain = lab(part(Script("one", lost)))
    with pytest.raises(LabError, match=r"one was made but does not run: .*/bin/one --version says: error while loading"):
        toolchain.ensure()
    assert toolchain.missing() == ["one"]


def test_too_little_disk_is_refused_before_anything_starts(lab: Lab) -> None:
    one = Script("one")
    with pytest.raises(UserError, match=r"GB free, making the toolchain needs 1000000000.0: make room, or set IOTLAB_CACHE"):
        lab(part(one, disk_gb=5e8), part(Script("two"), disk_gb=5e8)).ensure()
    assert one.made == []


def test_another_machine_is_refused(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(UserError, match="Linux on x86_64, this is Linux on riscv64"):
        lab(part(Script("one"))).ensure()


def test_parts_of_a_bundle_spare_the_making(lab: Lab, tmp_path: Path) -> None:
    one = Script("one")
    packer = lab(part(one))
    packer.ensure()
    for folder in packer.folders():
        shutil.copytree(folder, tmp_path / "bundle" / folder.name, symlinks=True)
    shutil.rmtree(packer.paths.cache)
    taker = lab(part(one))
    assert taker.adopt(tmp_path / "bundle") == ["one"]
    taker.ensure()
    assert one.made == ["one"]
    assert taker.describe()[0].origin == "bundle"


def test_the_labs_programs_come_first_on_the_path(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    toolchain = lab()
    monkeypatch.setenv("PATH", f"/usr/bin:{toolchain.paths.bin}")
    first, second, *others = toolchain.env()["PATH"].split(":")
    assert first == str(toolchain.paths.bin)
    assert second.endswith(".venv/bin")
    assert others == ["/usr/bin"]


def test_a_key_changes_with_version_recipe_and_nothing_else() -> None:
    keys = {part(Script("one")).key, part(Script("one"), "2").key, part(Script("one", "exit 1")).key}
    assert len(keys) == 3
    assert part(Script("one")).key in keys


def test_every_part_of_the_table_is_pinned_and_no_program_comes_twice() -> None:
    programs = [program for known in PARTS for program in known.checks]
    assert len(programs) == len(set(programs))
    assert len({known.key for known in PARTS}) == len(PARTS)
    for download in (download for known in PARTS for download in known.official):
        assert download.url.startswith("https://")
        assert download.checksums.startswith("https://")
        assert download.version in download.url
