"""Logins for a registry are docker's own; the lab reads them and shows them to nobody."""

import base64
import json
from pathlib import Path

import pytest

from infra.lab.bundle.credentials import login_for
from infra.lab.errors import UserError

HOST = "registry.example.org"


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "config.json"


def helper(docker: Path, script: str) -> None:
    program = docker.parent / "docker-credential-test"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_without_docker_there_is_no_login(docker: Path) -> None:
    assert login_for(HOST) is None
    docker.write_text("{}")
    assert login_for(HOST) is None


def test_a_stored_login_is_read_and_never_shown(docker: Path) -> None:
    docker.write_text(json.dumps({"auths": {HOST: {"auth": base64.b64encode(b"me:a:secret").decode()}}}))
    login = login_for(HOST)
    assert login is not None
    assert (login.user, login.password) == ("me", "a:secret")
    assert "secret" not in repr(login)


def test_a_credential_helper_is_asked_on_its_standard_input(docker: Path) -> None:
    docker.write_text(json.dumps({"auths": {HOST: {}}, "credsStore": "test"}))
    helper(docker, f'[ "$1" = get ] && [ "$(cat)" = {HOST} ] && echo \'{{"Username": "me", "Secret": "s"}}\'')
    login = login_for(HOST)
    assert login is not None
    assert (login.user, login.password) == ("me", "s")


@pytest.mark.parametrize(
    "text", ["{", json.dumps({"auths": {HOST: {"auth": "no base64"}}}), json.dumps({"credHelpers": {HOST: "no"}})]
)
def test_a_broken_login_says_to_log_in_again(docker: Path, text: str) -> None:
    docker.write_text(text)
    with pytest.raises(UserError, match=f"docker login {HOST} again"):
        login_for(HOST)
