"""Server-side apply: for real, and as a dry run that refuses a broken value before anything changes."""

from __future__ import annotations

import copy
import hashlib
import re
import threading
import time
from typing import Final

from infra.lab.errors import LabError, UserError
from infra.lab.plugins.kubernetes.api import CONFLICT, FORBIDDEN, INVALID, NOT_FOUND, Api, ApiError, Kind
from infra.lab.plugins.kubernetes.objects import FORCE, Object, annotation, label, metadata
from infra.lab.plugins.values import UNKNOWN

_APPLY: Final = "application/apply-patch+yaml"  # JSON is YAML
# Objects of a program are made together: a namespace or a definition may come seconds after what needs it.
_PREREQUISITES_WITHIN_S: Final = 20.0
_SERVER_METADATA: Final = ("uid", "resourceVersion", "creationTimestamp", "generation")
_LASTING: Final = ("uid", "creationTimestamp")
_MANAGER: Final = re.compile(r'conflict with "([^"]+)"')


def _kind(api: Api, obj: Object) -> Kind | None:
    return api.kind(str(obj["apiVersion"]), str(obj["kind"]))


def _send(api: Api, kind: Kind, obj: Object, manager: str, **query: str) -> Object:
    meta = metadata(obj)
    force = "true" if annotation(obj, FORCE) == "true" else "false"
    options = {"fieldManager": manager, "fieldValidation": "Strict", "force": force} | query
    return api.request("PATCH", kind.path(meta.get("namespace"), str(meta["name"])), obj, content_type=_APPLY, **options)


def _missing_namespace(error: ApiError) -> bool:
    return error.status == NOT_FOUND and error.kind == "namespaces"


def explained(error: ApiError, obj: Object) -> LabError:
    """The server's refusal as a sentence about `obj`."""
    conflicts = [cause for cause in error.causes if cause.get("reason") == "FieldManagerConflict"]
    if error.status == CONFLICT and conflicts:
        fields = ", ".join(sorted({str(cause.get("field", "")) for cause in conflicts}))
        found = [_MANAGER.search(str(cause.get("message", ""))) for cause in conflicts]
        managers = " and ".join(sorted({match[1] for match in found if match})) or "somebody else"
        return UserError(
            f"{label(obj)}: {fields} was set to another value by {managers}. Write that value into the program, or undo it in the"
            f' cluster; the annotation {FORCE}: "true" on the object takes the field over.'
        )
    return UserError(f"{label(obj)}: the API server refuses it: {error}")


def apply(api: Api, obj: Object, manager: str, cancelled: threading.Event) -> Object:
    """Make `obj` so in the cluster and return it as the server now has it.

    Raises:
        UserError: the server refuses it, or another manager has set one of its fields to another value.
    """
    deadline = time.monotonic() + _PREREQUISITES_WITHIN_S
    while True:
        kind = _kind(api, obj)
        try:
            if kind is not None:
                return _send(api, kind, obj, manager)
            missing: LabError = UserError(
                f"{label(obj)}: the cluster has no kind {obj['kind']} in {obj['apiVersion']}; install its definition first."
            )
        except ApiError as error:
            missing = explained(error, obj)
            if not _missing_namespace(error):
                raise missing from error
        if time.monotonic() > deadline or cancelled.wait(0.5):
            raise missing


def intended(api: Api, obj: Object, manager: str) -> Object | None:
    """The object as it would be if `obj` were applied with force; None if the server can't say."""
    kind = _kind(api, obj)
    try:
        return _send(api, kind, obj, manager, dryRun="All", force="true") if kind else None
    except ApiError:
        return None


def previewed(api: Api, obj: Object, manager: str) -> Object | None:
    """The object as it would become; None if that can't be known yet, because something it needs isn't there.

    Raises:
        UserError: the server would refuse it.
    """
    kind = _kind(api, obj)
    if kind is None:
        return None
    try:
        return _send(api, kind, obj, manager, dryRun="All")
    except ApiError as error:
        if error.status == FORBIDDEN:
            return None
        replaced = error.status == INVALID and _exists(api, obj)
        if not (_missing_namespace(error) or replaced):
            raise explained(error, obj) from error
    _check_elsewhere(api, kind, obj, manager, "default" if kind.namespaced and not replaced else None)
    return None


def _exists(api: Api, obj: Object) -> bool:
    meta = metadata(obj)
    return api.get(str(obj["apiVersion"]), str(obj["kind"]), meta.get("namespace"), str(meta["name"])) is not None


def _check_elsewhere(api: Api, kind: Kind, obj: Object, manager: str, namespace: str | None) -> None:
    """Let the server check the values of an object whose place is missing, or still taken by the one it replaces."""
    if obj["kind"] == "CustomResourceDefinition":
        return  # its name is part of what is checked
    scratch = copy.deepcopy(obj)
    scratch["metadata"]["name"] = f"preview-{hashlib.sha256(manager.encode()).hexdigest()[:16]}"
    if namespace:
        scratch["metadata"]["namespace"] = namespace
    if obj["kind"] == "Service":
        spec = scratch["spec"] = {key: item for key, item in scratch.get("spec", {}).items() if not key.startswith("clusterIP")}
        for port in spec.get("ports") or ():
            port.pop("nodePort", None)
    try:
        _send(api, kind, scratch, manager, dryRun="All")
    except ApiError as error:
        if error.status in {INVALID, 400}:
            sentence = str(explained(error, obj)).replace(scratch["metadata"]["name"], metadata(obj)["name"])
            raise UserError(sentence) from error


def unknown_until_made(expected: Object, obj: Object, old: Object) -> Object:
    """`expected` with everything unknown that the server decides only when it really makes or changes the object.

    Args:
        expected: what a dry run gave, or the inputs alone if there was none.
        obj: the inputs.
        old: the metadata of the object that is there already, empty if there is none.
    """
    known = expected | {"status": UNKNOWN}
    if isinstance(obj.get("metadata"), dict):
        lasting = {key: old[key] for key in _LASTING if key in old}
        known["metadata"] = metadata(expected) | dict.fromkeys(_SERVER_METADATA, UNKNOWN) | lasting
    if obj["kind"] == "Service" and not old and isinstance(expected.get("spec"), dict):
        asked = obj.get("spec") or {}
        given = {key: UNKNOWN for key in ("clusterIP", "clusterIPs") if key not in asked}
        known["spec"] = expected["spec"] | given
        if expected["spec"].get("type", "ClusterIP") != "ClusterIP":
            known["spec"]["ports"] = _ports(expected["spec"].get("ports") or [], asked.get("ports") or [])
    return known


def _ports(dry: list[Object], asked: list[Object]) -> list[Object]:
    given = {item.get("port"): item for item in asked}
    return [
        item if "nodePort" in given.get(item.get("port"), {}) or "nodePort" not in item else item | {"nodePort": UNKNOWN}
        for item in dry
    ]
