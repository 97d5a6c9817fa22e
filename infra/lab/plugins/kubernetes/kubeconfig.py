"""From a kubeconfig, as path or as text, to what one connection needs."""

from __future__ import annotations

import base64
import binascii
import json
import os
import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.lab.errors import UserError

_CREDENTIALS_WITHIN_S = 60


@dataclass(frozen=True, slots=True)
class Cluster:
    """One context of a kubeconfig, resolved."""

    server: str
    namespace: str
    tls: ssl.SSLContext
    headers: dict[str, str]
    server_name: str | None


def _is_text(given: str) -> bool:
    return "\n" in given or given.lstrip().startswith("{")


def there(path_or_text: str) -> bool:
    """Whether it is text, or the path of a file that exists (a cluster may still have to be made)."""
    return _is_text(path_or_text) or Path(path_or_text).expanduser().is_file()


def text_of(path_or_text: str | None) -> str:
    """The kubeconfig's text: given as such, as a path, by KUBECONFIG, or at its usual place.

    Raises:
        UserError: there is no such file.
    """
    given = path_or_text or os.environ.get("KUBECONFIG", "").split(os.pathsep)[0] or "~/.kube/config"
    if _is_text(given):
        return given
    path = Path(given).expanduser()
    try:
        return path.read_text()
    except OSError as missing:
        raise UserError(f"No kubeconfig at {path}: give `kubeconfig` of the Kubernetes provider or set KUBECONFIG.") from missing


def identity(path_or_text: str | None, context: str | None = None, cluster: str | None = None) -> tuple[str, str] | None:
    """Server and authority of the cluster meant, to notice that it is another one; None if that can't be told."""
    try:
        entry = _entries(_parsed(text_of(path_or_text)), context, cluster)[0]
    except UserError:
        return None
    return str(entry.get("server")), str(entry.get("certificate-authority-data") or entry.get("certificate-authority"))


def load(path_or_text: str | None, context: str | None = None, cluster: str | None = None) -> Cluster:
    """Resolve one context (the current one by default).

    Raises:
        UserError: the kubeconfig is missing, broken, or lacks what its context names.
    """
    config = _parsed(text_of(path_or_text))
    server, user, namespace = _entries(config, context, cluster)
    user |= _from_command(user.get("exec"))
    headers = {}
    if user.get("token") or user.get("tokenFile"):
        headers["Authorization"] = f"Bearer {user.get('token') or Path(user['tokenFile']).read_text().strip()}"
    if not server.get("server"):
        raise UserError("The kubeconfig's cluster has no `server`.")
    return Cluster(str(server["server"]).rstrip("/"), namespace, _tls(server, user), headers, server.get("tls-server-name"))


def _parsed(text: str) -> dict[str, Any]:
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as broken:
        raise UserError("The kubeconfig is not valid YAML.") from broken
    if not isinstance(config, dict):
        raise UserError("The kubeconfig holds no settings: it must be a map with clusters, users and contexts.")
    return config


def _named(config: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    for entry in config.get(f"{kind}s") or ():
        if entry.get("name") == name:
            return dict(entry.get(kind) or {})
    raise UserError(f"The kubeconfig has no {kind} named {name!r}.")


def _entries(config: dict[str, Any], context: str | None, cluster: str | None) -> tuple[dict[str, Any], dict[str, Any], str]:
    chosen = _named(config, "context", context or str(config.get("current-context") or ""))
    server = _named(config, "cluster", cluster or str(chosen.get("cluster")))
    user = _named(config, "user", str(chosen["user"])) if chosen.get("user") else {}
    return server, user, str(chosen.get("namespace") or "default")


def _from_command(command: dict[str, Any] | None) -> dict[str, Any]:
    """Credentials from an exec plugin, such as `aws eks get-token`."""
    if not command:
        return {}
    environment = os.environ | {item["name"]: item["value"] for item in command.get("env") or ()}
    ask = {"apiVersion": command.get("apiVersion"), "kind": "ExecCredential", "spec": {"interactive": False}}
    words = [str(command["command"]), *map(str, command.get("args") or ())]
    try:
        done = subprocess.run(
            words,
            env=environment | {"KUBERNETES_EXEC_INFO": json.dumps(ask)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_CREDENTIALS_WITHIN_S,
            check=True,
        )
        status: dict[str, Any] = json.loads(done.stdout)["status"]
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as failed:
        raise UserError(f"The kubeconfig's command {words[0]} gave no credentials: run it by hand to see why.") from failed
    encoded = {
        f"client-{part}-data": base64.b64encode(status[key].encode()).decode()
        for part, key in (("certificate", "clientCertificateData"), ("key", "clientKeyData"))
        if status.get(key)
    }
    return encoded | ({"token": status["token"]} if status.get("token") else {})


def _pem(entry: dict[str, Any], key: str) -> str | None:
    data = entry.get(f"{key}-data")
    try:
        if data:
            return base64.b64decode(data, validate=True).decode()
        return Path(entry[key]).read_text() if entry.get(key) else None
    except (OSError, ValueError, binascii.Error) as broken:
        raise UserError(f"The kubeconfig's {key} can't be read: it must be base64 in {key}-data or a readable file.") from broken


def _tls(server: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=_pem(server, "certificate-authority"))
        if server.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        certificate, key = _pem(user, "client-certificate"), _pem(user, "client-key")
        if certificate and key:
            # OpenSSL reads a client's key from a file only: one that no other user can read and that goes at once
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "client.pem"
                file.touch(mode=0o600)
                file.write_text(f"{certificate}\n{key}")
                context.load_cert_chain(file)
    except ssl.SSLError as broken:
        raise UserError("The kubeconfig's certificates can't be used: they are not valid PEM.") from broken
    return context
