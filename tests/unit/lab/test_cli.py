"""A failure of the command is one sentence and an exit code, whoever refused."""

import errno
import os
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from infra.lab import cli


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str]:
    monkeypatch.setattr(sys, "argv", ["lab", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code, capsys.readouterr().err


def test_a_state_folder_that_is_a_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").touch()
    monkeypatch.setenv("IOTLAB_STATE", str(tmp_path / "state"))
    code, said = run(monkeypatch, capsys, "down")
    assert (code, said.count("\n")) == (2, 1)
    assert f"lab: {tmp_path}/state cannot be used: File exists; " in said


@pytest.mark.parametrize("variable", ["IOTLAB_STATE", "IOTLAB_CACHE"])
def test_a_folder_that_cannot_be_made_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str
) -> None:
    monkeypatch.setenv("IOTLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("IOTLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(variable, "/proc/nowhere")
    code, said = run(monkeypatch, capsys, "up", "--bundle", str(tmp_path / "none.tar"))
    assert code == 2
    assert "lab: /proc/nowhere cannot be used: No such file or directory; " in said


@pytest.mark.parametrize(
    ("failed", "code", "said"),
    [
        (
            PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/x/y"),
            2,
            "/x/y cannot be used: Permission denied; put that right",
        ),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 2, "a file of the lab cannot be used: No space left on device"),
        (OSError(errno.EIO, os.strerror(errno.EIO)), 1, "the system refused: Input/output error."),
        (ConnectionResetError(), 1, "the system refused: ConnectionResetError."),
    ],
)
def test_what_nobody_caught_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failed: OSError, code: int, said: str
) -> None:
    monkeypatch.setattr(cli, "app", Mock(side_effect=failed))
    ended, told = run(monkeypatch, capsys)
    assert ended == code
    assert told.startswith(f"lab: {said}")
