"""Where the toolchain can't be made, the machine's own programs serve, if they fit."""

import platform
from pathlib import Path

import pytest

from infra import versions
from infra.lab.errors import UserError
from infra.lab.toolchain import host

GOOD = {
    "pulumi": f"v{versions.PULUMI}",
    "kubectl": f"Client Version: v{versions.KUBERNETES}",
    "helm": f"v{versions.HELM}+g0",
}


def programs(folder: Path, said: dict[str, str]) -> str:
    for name, line in said.items():
        (folder / name).write_text(f"#!/bin/sh\necho '{line}'\n")
        (folder / name).chmod(0o755)
    return str(folder)


@pytest.fixture(autouse=True)
def _mac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")


def test_programs_that_fit_are_used(tmp_path: Path) -> None:
    host.check_programs(programs(tmp_path, GOOD))
    host.check_programs(programs(tmp_path, GOOD | {"helm": "v3.19.0", "pulumi": "v3.999.1"}))


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({name: line for name, line in GOOD.items() if name != "helm"}, "helm is missing"),
        (GOOD | {"pulumi": "v3.20.0"}, r"pulumi 3\.20 is too old"),
        (GOOD | {"kubectl": "Client Version: v1.20.1"}, r"kubectl 1\.20 is too old"),
        (GOOD | {"kubectl": "who knows"}, "kubectl does not tell its version"),
    ],
)
def test_what_is_missing_or_too_old_is_named_with_what_to_install(tmp_path: Path, said: dict[str, str], fault: str) -> None:
    with pytest.raises(UserError, match=rf"{fault}.*brew install pulumi kubernetes-cli helm"):
        host.check_programs(programs(tmp_path, said))


def test_the_toolchain_itself_is_refused_there_and_the_way_out_is_named() -> None:
    with pytest.raises(UserError, match=r"this is Darwin on arm64: .*iotlab:kubeconfig"):
        host.check_fits()
