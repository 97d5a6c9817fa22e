"""The log of a part of the embedded cluster: as many last lines as asked for, and what comes."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from infra.lab.logs import show_logs


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "kubelet.log"
    file.write_text("one\ntwo\nthree\n")
    return file


def lab(log: Path) -> Any:
    return SimpleNamespace(part_logs=lambda: {"kubelet": log})


@pytest.mark.parametrize(("tail", "shown"), [(0, ""), (2, "two\nthree\n"), (9, "one\ntwo\nthree\n"), (-1, "one\ntwo\nthree\n")])
def test_the_last_lines_are_shown_as_many_as_asked_for(
    log: Path, capsys: pytest.CaptureFixture[str], tail: int, shown: str
) -> None:
    show_logs(lab(log), "kubelet", follow=False, tail=tail)
    assert capsys.readouterr().out == shown


def test_following_shows_what_comes_also_after_the_log_was_begun_anew(
    log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def append(_: float) -> None:
        with log.open("a") as file:
            file.write("four\n")

    def renew(_: float) -> None:
        log.write_text("five\n")

    steps = iter([append, renew])

    def wait(seconds: float) -> None:
        step = next(steps, None)
        if step is None:
            raise KeyboardInterrupt
        step(seconds)

    monkeypatch.setattr(time, "sleep", Mock(side_effect=wait))
    with pytest.raises(KeyboardInterrupt):
        show_logs(lab(log), "kubelet", follow=True, tail=1)
    assert capsys.readouterr().out == "three\nfour\nfive\n"
