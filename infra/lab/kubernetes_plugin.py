"""Which Kubernetes plugin the engine gets: Pulumi's own where it can be fetched, else the lab's stand-in.

Both give the same types, names and URNs, but their states can't be exchanged. When the choice changes, the objects of
the local stack are deleted and forgotten, and the next `up` makes them anew; claims, their volumes and the generated
passwords stay.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

from infra import wiring
from infra.lab.errors import LabError
from infra.lab.paths import ROOT, Paths
from infra.lab.toolchain.official import PATIENCE_S, SEALED, open_https
from infra.versions import PULUMI_KUBERNETES

STANDIN = ROOT / "infra/lab/plugins/kubernetes"
OURS = "stand-in"
RELEASES = "https://get.pulumi.com/releases/plugins"
FETCH_WITHIN_S = 600
REMADE = "deployments,statefulsets,jobs,services,configmaps,secrets,serviceaccounts,networkpolicies,poddisruptionbudgets"


def choose(paths: Paths, env: Mapping[str, str]) -> bool:
    """Fetch the official plugin if it can be had; returns whether the stand-in must do."""
    installed = paths.pulumi / "home/plugins" / f"resource-kubernetes-v{PULUMI_KUBERNETES}"
    if installed.is_dir():
        return False
    if os.environ.get(SEALED) == "1" or not _served():
        return True
    words = ["pulumi", "plugin", "install", "resource", "kubernetes", f"v{PULUMI_KUBERNETES}"]
    try:
        done = subprocess.run(
            words, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, timeout=FETCH_WITHIN_S, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0 or not installed.is_dir()


def _served() -> bool:
    """Whether Pulumi's download site answers from here at all; a machine without it should not wait for a time-out."""
    try:
        with open_https(f"{RELEASES}/pulumi-resource-kubernetes-v{PULUMI_KUBERNETES}-linux-amd64.tar.gz", PATIENCE_S):
            return True
    except (OSError, HTTPException):
        return False


def used(paths: Paths) -> str | None:
    """Which plugin the last `up` used: `official`, `stand-in`, or None before the first."""
    marker = _marker(paths)
    return marker.read_text() if marker.exists() else None


def changed(paths: Paths, *, standin: bool) -> bool:
    """Whether the last `up` used the other plugin."""
    return used(paths) not in (None, _name(standin=standin))


def remember(paths: Paths, *, standin: bool) -> None:
    """Note which plugin the state now belongs to."""
    _marker(paths).write_text(_name(standin=standin))


def hand_over(env: Mapping[str, str], stack: str) -> None:
    """Delete and forget the Kubernetes objects of `stack`; passwords stay in its state, claims in the cluster.

    Raises:
        LabError: the engine would not give or take the state.
    """
    said = _pulumi(env, "stack", "export", "-s", stack)
    state = json.loads(said)
    deployment = state["deployment"]
    deployment["resources"] = [kept for kept in map(_without_ours, deployment.get("resources", ())) if kept]
    subprocess.run(
        ["kubectl", "delete", REMADE, "--all", "-n", wiring.NAMESPACE, "--ignore-not-found"],
        env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    _pulumi(env, "stack", "import", "-s", stack, "--force", stdin=json.dumps(state))


def _without_ours(entry: dict[str, Any]) -> dict[str, Any] | None:
    """The state's entry without ties to Kubernetes objects; None if it is such an object or their provider."""
    if _is_kubernetes(str(entry["type"])):
        return None
    loose = dict(entry)
    loose["dependencies"] = [
        urn for urn in entry.get("dependencies") or () if "$kubernetes:" not in urn and "::kubernetes:" not in urn
    ]
    return loose


def _is_kubernetes(token: str) -> bool:
    return token.startswith("kubernetes:") or token == "pulumi:providers:kubernetes"  # noqa: S105 - a type token


def _pulumi(env: Mapping[str, str], *words: str, stdin: str = "") -> str:
    done = subprocess.run(["pulumi", *words], cwd=ROOT, env=dict(env), input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"pulumi {' '.join(words[:2])} failed: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


def _marker(paths: Paths) -> Path:
    return paths.pulumi / "kubernetes-plugin"


def _name(*, standin: bool) -> str:
    return OURS if standin else "official"
