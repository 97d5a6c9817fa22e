"""The checkout in the bundle: what git keeps, links as links, and nothing that somebody only happens to have there."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from infra.lab.bundle import checkout
from infra.lab.errors import LabError
from infra.lab.paths import Paths


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "charts/one").mkdir(parents=True)
    (root / "lab").write_text("#!/bin/sh\n")
    (root / "lab").chmod(0o755)
    (root / "charts/common").mkdir()
    (root / "charts/common/_x.tpl").write_text("x")
    (root / "charts/one/common").symlink_to("../common")
    (root / "gone").write_text("x")
    git = ("git", "-C", str(root), "-c", "user.name=x", "-c", "user.email=x@example.org")
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "x")):
        subprocess.run([*git, *words], check=True)
    (root / "gone").unlink()
    (root / "secret.env").write_text("word")
    (root / ".venv").mkdir()
    (root / ".venv/big").write_text("x")
    return root


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or path.is_file()}


def test_it_has_what_git_keeps_and_nothing_else(root: Path, tmp_path: Path) -> None:
    (root / "lab").write_text("#!/bin/sh\n# changed, not committed\n")
    folder = checkout.copied(Paths(tmp_path / "cache", tmp_path / "state"), root)
    assert names(folder) == {"lab", "charts/common/_x.tpl", "charts/one/common"}
    assert "changed" in (folder / "lab").read_text()
    assert (folder / "lab").stat().st_mode & 0o111
    assert (folder / "charts/one/common").is_symlink()


def test_a_checkout_that_came_from_a_bundle_makes_the_same_again(root: Path, tmp_path: Path) -> None:
    paths = Paths(tmp_path / "cache", tmp_path / "state")
    first = checkout.copied(paths, root).rename(tmp_path / "unpacked")
    for made in (".venv/bin", "charts/__pycache__", ".mypy_cache/3.11"):
        (first / made).mkdir(parents=True)
        (first / made / "file").write_text("made")
    assert names(checkout.copied(paths, first)) == {"lab", "charts/common/_x.tpl", "charts/one/common"}


def test_a_broken_checkout_is_one_sentence(root: Path, tmp_path: Path) -> None:
    (root / ".git/HEAD").unlink()
    with pytest.raises(LabError, match="git cannot say which files"):
        checkout.copied(Paths(tmp_path / "cache", tmp_path / "state"), root)


def test_a_machine_unpacks_it_with_the_systems_tar(root: Path, tmp_path: Path) -> None:
    folder = checkout.copied(Paths(tmp_path / "cache", tmp_path / "state"), root)
    with tarfile.open(tmp_path / "bundle.tar.gz", "w:gz") as tar:
        tar.add(root / "lab", "parts/other")
        tar.add(folder, checkout.FOLDER)
    place = tmp_path / "place"
    place.mkdir()
    words = ["tar", "--extract", "--file", tmp_path / "bundle.tar.gz", "--directory", place, "--strip-components=1", "checkout"]
    subprocess.run([str(word) for word in words], check=True)
    assert names(place) == {"lab", "charts/common/_x.tpl", "charts/one/common"}
