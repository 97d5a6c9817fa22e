"""What the machine lacks is said in one sentence before anything starts."""

import errno
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import psutil
import pytest

from infra.lab.cluster import preflight
from infra.lab.cluster.forward import Forward
from infra.lab.cluster.layout import Binaries, Folders
from infra.lab.errors import UserError


class TakenPort:
    """A socket whose address somebody else has."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def setsockopt(self, *_: int) -> None:
        """Whatever."""

    def bind(self, _: object) -> None:
        raise OSError(errno.EADDRINUSE, "in use")


def check(tmp_path: Path, *forwards: Forward) -> None:
    preflight.check(Binaries(tmp_path, tmp_path), Folders(tmp_path), forwards)


def test_a_user_without_root_is_told_to_use_sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(UserError, match=r"needs root.*sudo"):
        check(tmp_path)


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)


@pytest.mark.usefixtures("root")
def test_missing_system_programs_are_named_with_their_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None if name in {"ip", "nsenter"} else name)
    with pytest.raises(UserError, match=r"programs ip, nsenter are missing.*util-linux and iproute2"):
        check(tmp_path)


@pytest.mark.usefixtures("root")
def test_too_few_open_files_are_refused_with_both_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (256, 1024))
    with pytest.raises(UserError, match=r"may open 1024 files.*8192"):
        check(tmp_path)


@pytest.mark.usefixtures("root")
def test_too_little_space_is_refused_with_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2**30))
    with pytest.raises(UserError, match=rf"only 1\.0 GB are free for {tmp_path}"):
        check(tmp_path)


@pytest.mark.usefixtures("root")
def test_a_port_in_use_is_refused_with_the_program_that_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = psutil.Process()
    listening = SimpleNamespace(status=psutil.CONN_LISTEN, laddr=SimpleNamespace(port=31883), pid=mine.pid)
    monkeypatch.setattr(socket, "socket", TakenPort)
    monkeypatch.setattr(psutil, "net_connections", lambda _: [listening])
    with pytest.raises(UserError, match=rf"port 31883 on 127\.0\.0\.1 is in use by .*process {mine.pid}"):
        check(tmp_path, Forward("127.0.0.1", 31883, "10.213.0.2"))
