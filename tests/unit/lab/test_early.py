"""What can be refused is refused before anything is built."""

import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, Mock

import psutil
import pytest

from infra.lab import bringup, packing, preflight
from infra.lab.bundle import Bundle, bundle
from infra.lab.cluster import cluster, leftovers, lock
from infra.lab.cluster import preflight as cluster_preflight
from infra.lab.cluster.layout import Binaries
from infra.lab.console import Steps
from infra.lab.errors import UserError
from infra.lab.paths import Paths

BUILT = Mock(side_effect=AssertionError("something was built first"))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An embedded lab of which nothing is built yet, on a machine that is fit for it."""
    paths = Paths(tmp_path / "cache", tmp_path / "state")
    steps = Steps(paths)
    monkeypatch.setattr(preflight, "check_machine", Mock())
    monkeypatch.setattr(cluster, "search_also", Mock())
    monkeypatch.setattr(leftovers, "processes", Mock(return_value={}))
    monkeypatch.setattr(lock, "read", Mock(return_value=None))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("resource.getrlimit", lambda _: (20_000, 20_000))
    monkeypatch.setattr(socket, "socket", MagicMock())
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(bundle, "LISTS", tmp_path / "lists")
    monkeypatch.setattr(subprocess, "run", Mock(return_value=SimpleNamespace(returncode=0, stdout="", stderr="")))
    toolchain = SimpleNamespace(missing=list, ensure=BUILT)
    embedded = cluster.Cluster(paths, steps, Binaries(paths.bin, paths.bin))
    return SimpleNamespace(
        embedded=True,
        stack_name="local",
        paths=paths,
        settings=None,
        steps=steps,
        toolchain=toolchain,
        bundle=Bundle(paths, steps),
        whole_bundle=Bundle(paths, steps),
        cluster=embedded,
    )


@pytest.mark.parametrize("verb", [packing.export_bundle, packing.write_images])
def test_a_file_that_cannot_be_written_is_refused_first(lab: Any, tmp_path: Path, verb: Callable[[Any, Path], None]) -> None:
    with pytest.raises(UserError, match=r"there is no folder .*nowhere to write lab\.tar into"):
        verb(lab, tmp_path / "nowhere/lab.tar")
    with pytest.raises(UserError, match="is a folder; name a file in it"):
        verb(lab, tmp_path)


@pytest.mark.parametrize(("cidr", "said"), [("hello", "is no network"), ("8.8.8.0/24", "no private network")])
def test_a_wrong_network_of_boards_is_refused_first(lab: Any, cidr: str, said: str) -> None:
    lab.cluster = cluster.Cluster(lab.paths, lab.steps, Binaries(lab.paths.bin, lab.paths.bin), lambda: cidr)
    with pytest.raises(UserError, match=said):
        bringup.up(lab)


def test_missing_programs_are_refused_first_but_ip_which_the_toolchain_brings(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name in {"ip", "nsenter"} else name)
    with pytest.raises(UserError, match="the programs nsenter are missing"):
        bringup.up(lab)


def test_a_port_in_use_is_refused_first_unless_a_killed_lab_still_holds_it(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = Mock(side_effect=UserError("port 1 is in use"))
    monkeypatch.setattr(cluster_preflight, "check_ports", taken)
    monkeypatch.setattr(psutil, "net_connections", lambda _: [])
    with pytest.raises(UserError, match="port 1 is in use"):
        bringup.up(lab)
    monkeypatch.setattr(leftovers, "processes", Mock(return_value={7: "python"}))
    with pytest.raises(AssertionError, match="something was built first"):
        bringup.up(lab)


def test_no_own_namespaces_are_refused_first(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = SimpleNamespace(returncode=1, stdout="", stderr="unshare failed: Operation not permitted")
    monkeypatch.setattr(subprocess, "run", Mock(return_value=refused))
    with pytest.raises(UserError, match=r"doesn't allow own namespaces \(unshare failed"):
        bringup.up(lab)


@pytest.mark.parametrize("lists", [True, False])
def test_apt_without_the_images_release_is_refused_first_once_it_has_lists(
    lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, lists: bool
) -> None:
    monkeypatch.setattr(bundle, "LISTS", tmp_path)
    if lists:
        (tmp_path / "archive.example_InRelease").touch()
    with pytest.raises(UserError if lists else AssertionError, match="apt has no source of Debian" if lists else "built first"):
        bringup.up(lab)


def test_a_machine_without_apt_is_refused_first(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "apt-get" else name)
    with pytest.raises(UserError, match="made with apt of Debian 12, which is missing here"):
        bringup.up(lab)
