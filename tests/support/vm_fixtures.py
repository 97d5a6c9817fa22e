"""Fixtures of the tiers vm and vm_lab: one machine for a run, from its user data and a stick, seen through the gate alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.cloud import gate
from infra.cloud.facts import Bundle, Vpn
from tests.support import through_the_gate
from tests.support.machines import PLAIN
from tests.support.vm import Vm, new_key

READY_WITHIN_S = 90 * 60
NET, HOST = 17, 7


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """A line for who reads the run: how long things took is one of its results."""
    captures = request.config.pluginmanager.getplugin("capturemanager")

    def told(line: str) -> None:
        with captures.global_and_fixture_disabled():
            print(f"\n  {line}")

    return told


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory, bundle: Path, say: Callable[[str], None]) -> Iterator[Vm]:
    """It lets people in; its stages go on, with the `bundle` of the tier on its stick."""
    folder = tmp_path_factory.mktemp("vm")
    with bundle.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    private, public = new_key()
    on_stick = Bundle(f"file:///run/iotlab/stick/{bundle.name}", sha256)
    vm = Vm(folder, replace(PLAIN, bundle=on_stick, ssh_keys=(public,), vpn=Vpn(NET, HOST, "", "")), private, bundle)
    try:
        vm.start()
        vm.wait_for_door()
        say(f"{vm.age_s:.0f} s after power-on it lets us in")
        yield vm
    finally:
        vm.close()


@pytest.fixture
def session(machine: Vm) -> Iterator[gate.Session]:
    with gate.session(machine.door, patience_s=60) as opened:
        yield opened


@pytest.fixture
def host(session: gate.Session) -> Any:
    """The machine as testinfra sees it."""
    return through_the_gate.host(session)


@pytest.fixture(scope="session")
def lab(machine: Vm, say: Callable[[str], None]) -> gate.StagesNow:
    """The machine with all stages done."""
    done = machine.wait_for_stages(READY_WITHIN_S)
    took = ", ".join(f"{stage.name} {stage.seconds:.0f} s" for stage in done.stages)
    say(f"{machine.age_s:.0f} s after power-on all stages are done: {took}; {machine.cpu_s:.0f} s of processor time")
    return done
