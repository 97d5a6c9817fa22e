"""What the image of Jupyter does at its start: it keeps what somebody changed, and no server runs without a token."""

from __future__ import annotations

import json
import runpy
import sys
import types
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from infra import versions
from infra.lab.paths import ROOT

IMAGE = ROOT / "charts/jupyter/image"
PROVISION = runpy.run_path(str(IMAGE / "provision.py"))


def notebook(file: Path, *sources: str, ran: bool = False) -> Path:
    cells = [
        {"cell_type": "code", "source": source.splitlines(keepends=True), "outputs": [{"text": "1"}] if ran else []}
        for source in sources
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"cells": cells}))
    return file


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Where the image has its notebooks, and the home."""
    notebook(tmp_path / "image/a.ipynb", "one\n", "two")
    return tmp_path / "image", tmp_path / "home"


def provision(folders: tuple[Path, Path]) -> dict[str, str]:
    return dict(PROVISION["provision"](*folders))


def test_a_notebook_that_is_not_there_is_laid_there(folders: tuple[Path, Path]) -> None:
    assert provision(folders) == {"a.ipynb": "new"}
    assert (folders[1] / "work/a.ipynb").read_bytes() == (folders[0] / "a.ipynb").read_bytes()
    assert provision(folders) == {"a.ipynb": "current"}


def test_an_unchanged_one_is_updated_and_having_run_it_is_no_change(folders: tuple[Path, Path]) -> None:
    provision(folders)
    theirs = notebook(folders[1] / "work/a.ipynb", "one\n", "two", ran=True)
    assert provision(folders) == {"a.ipynb": "current"}
    assert "outputs" in theirs.read_text()
    notebook(folders[0] / "a.ipynb", "one\n", "three")
    assert provision(folders) == {"a.ipynb": "updated"}
    assert "three" in theirs.read_text()


def test_a_changed_one_is_kept_and_its_diff_is_told(folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    provision(folders)
    theirs = notebook(folders[1] / "work/a.ipynb", "one\n", "mine")
    notebook(folders[0] / "a.ipynb", "one\n", "three")
    for _ in range(2):
        PROVISION["main"](list(map(str, folders)))
        said = capsys.readouterr().out
        assert "a.ipynb: kept\n" in said
        assert "  -three\n  +mine\n" in said
    assert "mine" in theirs.read_text()
    PROVISION["main"](["--kept", *map(str, folders)])
    assert json.loads(capsys.readouterr().out)["a.ipynb"][-2:] == ["-three", "+mine"]


def test_one_that_was_there_before_the_lab_is_kept(folders: tuple[Path, Path]) -> None:
    notebook(folders[1] / "work/a.ipynb", "from home")
    assert provision(folders) == {"a.ipynb": "kept"}


def test_a_kept_one_comes_anew_once_it_is_moved_away(folders: tuple[Path, Path]) -> None:
    provision(folders)
    theirs = notebook(folders[1] / "work/a.ipynb", "mine")
    assert provision(folders) == {"a.ipynb": "kept"}
    theirs.rename(theirs.with_name("mine.ipynb"))
    assert provision(folders) == {"a.ipynb": "new"}
    assert provision(folders) == {"a.ipynb": "current"}


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"cells": 1}', '{"cells": [{}]}', "\xff"])
def test_a_file_that_is_no_notebook_any_more_is_kept_too(folders: tuple[Path, Path], broken: str) -> None:
    provision(folders)
    (folders[1] / "work/a.ipynb").write_text(broken)
    assert provision(folders) == {"a.ipynb": "kept"}


@pytest.mark.parametrize("broken", ["", "{", "[]"])
def test_a_lost_record_overwrites_nothing(folders: tuple[Path, Path], broken: str) -> None:
    provision(folders)
    notebook(folders[1] / "work/a.ipynb", "mine")
    (folders[1] / PROVISION["RECORD"]).write_text(broken)
    assert provision(folders) == {"a.ipynb": "kept"}


def server_settings(token_file: Path, home: Path) -> Any:
    """What the server's configuration file sets."""
    settings = mock.MagicMock()
    module: Any = types.ModuleType("traitlets.config")
    module.get_config = lambda: settings
    env = {"HOME": str(home), "LAB_TOKEN_FILE": str(token_file), "LAB_ADDRESS": "127.0.0.1", "LAB_PORT": "1", "LAB_HOSTS": "a,b"}
    with mock.patch.dict(sys.modules, {"traitlets.config": module}), mock.patch.dict("os.environ", env):
        runpy.run_path(str(IMAGE / "jupyter_server_config.py"))
    return settings


def test_the_token_is_that_of_the_file_and_other_pages_are_kept_out(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{'x' * 32}\n")
    settings = server_settings(tmp_path / "token", tmp_path)
    assert settings.IdentityProvider.token == "x" * 32
    assert settings.ServerApp.allow_origin == ""
    assert settings.ServerApp.allow_remote_access is False
    assert settings.ServerApp.allow_unauthenticated_access is False
    assert settings.ServerApp.local_hostnames == ["a", "b"]


@pytest.mark.parametrize("word", ["", "\n", "short", None])
def test_no_server_starts_with_no_token_or_one_that_can_be_guessed(tmp_path: Path, word: str | None) -> None:
    if word is not None:
        (tmp_path / "token").write_text(word)
    with pytest.raises(SystemExit, match=r"^jupyter: the token"):
        server_settings(tmp_path / "token", tmp_path)


def test_the_version_in_the_bundle_is_the_one_that_is_pinned() -> None:
    pins = (ROOT / "charts/images/jupyterlab/requirements.txt").read_text()
    assert f"\njupyterlab=={versions.JUPYTERLAB} \\\n" in pins
    assert "://" not in pins
