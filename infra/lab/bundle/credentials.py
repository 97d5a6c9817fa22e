"""The login for a registry, as `docker login` left it on this machine; the lab keeps none of its own."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.lab.errors import UserError

HELPER_WITHIN_S = 30


@dataclass(frozen=True, slots=True)
class Login:
    """A user and password or token; neither shows in a traceback or a log."""

    user: str
    password: str = field(repr=False)


def login_for(host: str) -> Login | None:
    """The login for `host` from docker's config.json, its credential helper included; None if there is none.

    Raises:
        UserError: the file can't be read, or its helper gives no answer.
    """
    file = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    try:
        config = json.loads(file.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as broken:
        raise UserError(f"{file} cannot be read ({broken}): run docker login {host} again.") from broken
    helper = (config.get("credHelpers") or {}).get(host)
    entry = (config.get("auths") or {}).get(host)
    if helper or (config.get("credsStore") and entry is not None):
        return _from_helper(f"docker-credential-{helper or config['credsStore']}", host)
    return _from_entry(entry or {}, file, host)


def _from_entry(entry: dict[str, Any], file: Path, host: str) -> Login | None:
    if not entry.get("auth"):
        return None
    try:
        user, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
    except ValueError as broken:
        raise UserError(f"the login for {host} in {file} is damaged: run docker login {host} again.") from broken
    return Login(user, password)


def _from_helper(helper: str, host: str) -> Login | None:
    try:
        done = subprocess.run(
            [helper, "get"], input=host, capture_output=True, text=True, timeout=HELPER_WITHIN_S, check=False
        )  # fmt: skip
        said = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired) as failed:
        raise UserError(
            f"docker's credential helper {helper} gave no login for {host}: run docker login {host} again."
        ) from failed
    return Login(said["Username"], said["Secret"]) if said else None
