"""A machine that can't carry the lab is refused before anything starts, with what is missing and what to do."""

import os
import resource
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from infra.lab import preflight
from infra.lab.errors import UserError
from infra.lab.paths import Paths
from infra.scales import CLUSTER_MB
from infra.settings import Settings

SETTINGS = Settings.parse({})


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(psutil, "cpu_count", lambda: 2)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=8 * 2**30))
    monkeypatch.setattr(psutil, "disk_usage", lambda _: SimpleNamespace(free=100 * 10**9))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (20_000, 20_000))
    return Paths(tmp_path / "cache", tmp_path / "state")


def test_two_cores_and_eight_gigabytes_are_enough(paths: Paths) -> None:
    preflight.check_machine(paths, SETTINGS, warm=False)


def test_without_root_it_says_so(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UserError, match=r"needs root.*sudo \./lab up"):
        preflight.check_machine(paths, SETTINGS, warm=False)


def test_too_little_memory_names_need_and_have(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=2 * 2**30))
    with pytest.raises(UserError, match=rf"needs {CLUSTER_MB + SETTINGS.services_mb} MB.*has 2048: take a smaller scale"):
        preflight.check_machine(paths, SETTINGS, warm=False)


def test_too_little_disk_is_asked_for_by_what_is_still_to_build(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.parse({"iotlab:services": ["mosquitto", "fleet"]})
    monkeypatch.setattr(psutil, "disk_usage", lambda _: SimpleNamespace(free=10 * 10**9))
    preflight.check_machine(paths, settings, warm=True)
    with pytest.raises(UserError, match="has 10 GB free, 18 are needed"):
        preflight.check_machine(paths, settings, warm=False)


def test_too_little_disk_for_the_scales_volumes_is_refused_but_what_lies_there_counts(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = Settings.parse({"iotlab:scale": "M"})
    need = preflight.DISK_WARM_GB + large.volumes_gb
    monkeypatch.setattr(psutil, "disk_usage", lambda _: SimpleNamespace(free=(need - 1) * 10**9))
    with pytest.raises(UserError, match=f"{need} are needed"):
        preflight.check_machine(paths, large, warm=True)
    monkeypatch.setattr(preflight, "size_gb", lambda _: 2.0)
    preflight.check_machine(paths, large, warm=True)


def test_too_few_cores_for_what_the_services_ask_for_are_refused(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "CLUSTER_CPU_M", 2_000)
    with pytest.raises(UserError, match="needs 3 cores, this machine has 2: take a smaller scale"):
        preflight.check_machine(paths, SETTINGS, warm=False)


def test_too_few_open_files_are_refused(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
    with pytest.raises(UserError, match=r"may open 1024 files.*ulimit -Hn"):
        preflight.check_machine(paths, SETTINGS, warm=False)


@pytest.mark.parametrize("most", [524_288, resource.RLIM_INFINITY])
def test_a_login_session_that_may_raise_its_limit_of_open_files_is_accepted(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, most))
    preflight.check_machine(paths, SETTINGS, warm=False)
