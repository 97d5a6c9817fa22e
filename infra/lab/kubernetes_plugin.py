"""Which Kubernetes plugin the engine gets: Pulumi's own where it can be fetched, else the lab's stand-in.

Both give the same types, names and URNs, but their states can't be exchanged. When the choice changes, the objects that a
stack's state names are deleted and forgotten, and its next `up` makes them anew; namespaces, claims with their volumes, the
generated passwords and whatever else somebody applied stay.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

from infra.lab.console import Steps
from infra.lab.errors import LabError, last_line
from infra.lab.kube import Kube
from infra.lab.paths import ROOT, Paths
from infra.lab.plugins.kubernetes.objects import group_version_kind, split_id
from infra.lab.toolchain.official import PATIENCE_S, SEALED, open_https
from infra.versions import PULUMI_KUBERNETES

STANDIN = ROOT / "infra/lab/plugins/kubernetes"
OURS = "stand-in"
RELEASES = "https://get.pulumi.com/releases/plugins"
FETCH_WITHIN_S = 600
DELETE_WITHIN_S = 300
STAY = frozenset({"Namespace", "PersistentVolumeClaim"})  # data hang on them


def choose(paths: Paths, env: Mapping[str, str], steps: Steps) -> bool:
    """Fetch the official plugin if it can be had; returns whether the stand-in must do."""
    if fetched(paths):
        return False
    if os.environ.get(SEALED) == "1":
        return True
    with steps.step("Pulumi's Kubernetes plugin"):
        return not (_served() and _fetch(paths, env))


def _fetch(paths: Paths, env: Mapping[str, str]) -> bool:
    words = ["pulumi", "plugin", "install", "resource", "kubernetes", f"v{PULUMI_KUBERNETES}"]
    try:
        done = subprocess.run(
            words, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, timeout=FETCH_WITHIN_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and fetched(paths)


def fetched(paths: Paths) -> bool:
    """Whether the official plugin is there; where it isn't, the stand-in serves."""
    return (paths.pulumi / "home/plugins" / f"resource-kubernetes-v{PULUMI_KUBERNETES}").is_dir()


def _served() -> bool:
    """Whether Pulumi's download site answers from here at all; a machine without it should not wait for a time-out."""
    try:
        with open_https(f"{RELEASES}/pulumi-resource-kubernetes-v{PULUMI_KUBERNETES}-linux-amd64.tar.gz", PATIENCE_S):
            return True
    except (OSError, HTTPException):
        return False


def used(paths: Paths, stack: str) -> str | None:
    """Which plugin the last `up` of `stack` used: `official`, `stand-in`, or None before the first."""
    marker = _marker(paths, stack)
    return marker.read_text() if marker.exists() else None


def changed(paths: Paths, stack: str, *, standin: bool) -> bool:
    """Whether the last `up` of `stack` used the other plugin."""
    return used(paths, stack) not in (None, _name(standin=standin))


def remember(paths: Paths, stack: str, *, standin: bool) -> None:
    """Note which plugin the state of `stack` now belongs to."""
    _marker(paths, stack).write_text(_name(standin=standin))


def forget(paths: Paths, stack: str) -> None:
    """Drop the note: the state of `stack` is gone."""
    _marker(paths, stack).unlink(missing_ok=True)


def hand_over(env: Mapping[str, str], stack: str) -> None:
    """Delete and forget the Kubernetes objects of `stack`; passwords stay in its state, claims in the cluster.

    The state is written only when the objects are gone, so an attempt that failed can be repeated.

    Raises:
        LabError: the engine would not give or take the state, or the cluster would not delete an object.
    """
    said = _pulumi(env, "stack", "export", "-s", stack)
    state = json.loads(said)
    deployment = state["deployment"]
    entries = deployment.get("resources") or []
    if objects := [found for found in map(_deletable, entries) if found]:
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        Kube(env).run("delete", "-f", "-", "--ignore-not-found", timeout_s=DELETE_WITHIN_S, stdin=listed)
    deployment["resources"] = [kept for kept in map(_without_ours, entries) if kept]
    _pulumi(env, "stack", "import", "-s", stack, "--force", stdin=json.dumps(state))


def _deletable(entry: dict[str, Any]) -> dict[str, Any] | None:
    """What kubectl needs to delete the object of the state's entry; None if it is no object, or one that stays."""
    if not str(entry["type"]).startswith("kubernetes:") or not entry.get("id"):  # a chart is a group and has no id
        return None
    api_version, kind = group_version_kind(str(entry["urn"]))
    if kind in STAY or entry.get("retainOnDelete") or entry.get("protect"):
        return None
    namespace, name = split_id(str(entry["id"]))
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name} | ({"namespace": namespace} if namespace else {})}


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
        raise LabError(f"pulumi {' '.join(words[:2])} failed: {last_line(done.stderr)}")
    return done.stdout


def _marker(paths: Paths, stack: str) -> Path:
    return paths.pulumi / f"{stack}.kubernetes-plugin"


def _name(*, standin: bool) -> str:
    return OURS if standin else "official"
