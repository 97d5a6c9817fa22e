"""A registry that does not answer gives one sentence with what to do."""

from pathlib import Path

import pytest

from infra.lab.console import Steps
from infra.lab.errors import LabError
from infra.lab.paths import Paths
from infra.lab.toolchain.debian import APT
from infra.lab.toolchain.golang import GO_PROXY
from infra.lab.toolchain.pypi import PYPI
from infra.lab.toolchain.registry import Registry


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    return Steps(Paths(tmp_path / "cache", tmp_path / "state"))


SILENT = [
    (APT, "Err:1 bookworm InRelease\n  Could not resolve 'archive.example'", "apt's proxy setting"),
    (
        PYPI,
        "WARNING: Retrying after connection broken by 'NewConnectionError(...)'\nERROR: No matching distribution",
        "pip config list",
    ),
    (GO_PROXY, 'tool@v1: Get "https://proxy.example/": dial tcp 192.0.2.1:443: i/o timeout', "go env GOPROXY"),
    (GO_PROXY, "tool@v1: reading https://proxy.example/tool/@v/v1.zip: 403 Forbidden", "go env GOPROXY"),
]


@pytest.mark.parametrize(("registry", "output", "remedy"), SILENT)
def test_a_silent_registry_is_named_with_the_setting_to_check(steps: Steps, registry: Registry, output: str, remedy: str) -> None:
    with pytest.raises(LabError) as failed:
        registry.run(steps, "Fetch a part", ["sh", "-c", 'echo "$0"; exit 100', output])
    sentence, command, log = str(failed.value).split("\n", 2)
    assert sentence.startswith(f"Fetch a part: {registry.name} does not answer (")
    assert remedy in sentence
    assert "./lab up --bundle FILE" in sentence
    assert "command: sh -c" in command
    assert str(steps.paths.logs / "fetch-a-part.log") in log


def test_any_other_failure_keeps_its_own_last_line(steps: Steps) -> None:
    with pytest.raises(LabError, match=r"^Build a part failed with code 1: main.go:3: syntax error\n  command: sh .*\n  log: "):
        GO_PROXY.run(steps, "Build a part", ["sh", "-c", "echo 'main.go:3: syntax error'; exit 1"])


def test_a_missing_client_is_named(steps: Steps) -> None:
    with pytest.raises(LabError, match="Fetch a part: the program no-such-client is missing"):
        PYPI.run(steps, "Fetch a part", ["no-such-client"])
