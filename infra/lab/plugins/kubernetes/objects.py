"""What the plugin knows of Kubernetes objects themselves: names, ids, types, and what can't be changed in place."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any, Final

from infra.lab.plugins.values import UNKNOWN, Json, Properties, plain

Object = dict[str, Any]

AUTONAMED: Final = "pulumi.com/autonamed"
SKIP_AWAIT: Final = "pulumi.com/skipAwait"
TIMEOUT: Final = "pulumi.com/timeoutSeconds"
FORCE: Final = "pulumi.com/patchForce"
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"  # a copy of the object, secrets in clear

# Kinds without a namespace, for previews before there is a cluster to ask.
CLUSTER_KINDS: Final = frozenset((
    "APIService", "CSIDriver", "CSINode", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "FlowSchema",
    "IngressClass", "MutatingWebhookConfiguration", "Namespace", "Node", "PersistentVolume", "PriorityClass",
    "PriorityLevelConfiguration", "RuntimeClass", "StorageClass", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "VolumeAttachment",
))  # fmt: skip

# Paths that the API server refuses to change; a kind under `*` can change only what is named for it in _CHANGEABLE.
_FIXED: Final[dict[str, tuple[str, ...]]] = {
    "Deployment": ("spec.selector",),
    "DaemonSet": ("spec.selector",),
    "ReplicaSet": ("spec.selector",),
    "StatefulSet": ("spec.*",),
    "Job": ("spec.*",),
    "Pod": ("spec.*",),
    "PersistentVolume": ("spec.*",),
    "PersistentVolumeClaim": ("spec.*",),
    "Service": ("spec.clusterIP", "spec.clusterIPs"),
    "ClusterRoleBinding": ("roleRef",),
    "RoleBinding": ("roleRef",),
    "StorageClass": ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"),
    "IngressClass": ("spec.controller",),
    "PriorityClass": ("value", "preemptionPolicy"),
    "RuntimeClass": ("handler",),
    "ResourceQuota": ("spec.scopes",),
    "Secret": ("type",),
    "CustomResourceDefinition": ("spec.scope", "spec.names.kind", "spec.group"),
}
_CHANGEABLE: Final[dict[str, tuple[str, ...]]] = {
    "StatefulSet": (
        "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
    ),
    "Job": ("parallelism", "suspend", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"),
    "Pod": ("containers[].image", "initContainers[].image", "activeDeadlineSeconds", "tolerations"),
    "PersistentVolume": ("capacity", "accessModes", "claimRef", "persistentVolumeReclaimPolicy", "mountOptions"),
    "PersistentVolumeClaim": ("resources", "volumeAttributesClassName"),
}  # fmt: skip
_LABEL: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAME: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")
# RBAC names may hold colons and capitals; the server only wants them to be one segment of a path.
_LOOSE_NAME: Final = re.compile(r"[^/%]+")
_LONGEST_NAME: Final = 253


def token(api_version: str, kind: str) -> str:
    """The Pulumi type of a kind: `kubernetes:apps/v1:Deployment`, `kubernetes:core/v1:Secret`."""
    return f"kubernetes:{api_version if '/' in api_version else f'core/{api_version}'}:{kind}"


def group_version_kind(urn: str) -> tuple[str, str]:
    """The `apiVersion` and kind of the type in a URN."""
    _, api_version, kind = urn.split("::")[-2].rsplit("$", 1)[-1].split(":")
    return api_version.removeprefix("core/"), kind


def metadata(obj: Object) -> Object:
    """The metadata as a map, empty if there is none."""
    found = obj.get("metadata")
    return found if isinstance(found, dict) else {}


def annotation(obj: Object, name: str) -> str:
    """One annotation, empty if it isn't there."""
    found = plain(metadata(obj).get("annotations"))
    return str(found.get(name, "")) if isinstance(found, dict) else ""


def resource_id(obj: Object) -> str:
    """`namespace/name`, or the name alone for objects of the cluster."""
    meta = metadata(obj)
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta["name"])


def split_id(identifier: str) -> tuple[str | None, str]:
    """Namespace and name of an id."""
    namespace, _, name = identifier.rpartition("/")
    return namespace or None, name


def label(obj: Object) -> str:
    """How messages call an object: `Deployment iotlab/bridge`."""
    return f"{obj.get('kind')} {resource_id(obj)}"


def field_manager(urn: str) -> str:
    """The name under which a resource owns its fields; the same after a lost state, so that it takes up its own objects."""
    return f"pulumi-kubernetes-{hashlib.sha256(urn.encode()).hexdigest()[:8]}"


def without_nulls(value: Json) -> Json:
    """`value` without keys that are set to nothing: charts write them, the server drops them."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def immutable(obj: Object) -> bool:
    """Whether a Secret or ConfigMap has been declared immutable."""
    return obj.get("kind") in {"Secret", "ConfigMap"} and obj.get("immutable") is True


def replaces(old: Object, path: str) -> bool:
    """Whether a change at `path` (list indices as `[]`) of an object that was `old` needs a new object."""
    if path in {"metadata.name", "metadata.namespace", "metadata"}:
        return True
    if immutable(old) and re.match(r"(data|binaryData|stringData|immutable)\b", path):
        return True
    kind = str(old.get("kind"))
    for fixed in _FIXED.get(kind, ()):
        if fixed.endswith(".*"):
            inner = path.removeprefix(fixed[:-1])
            if inner != path and not _under(inner, _CHANGEABLE.get(kind, ())):
                return True
        elif _under(path, (fixed,)):
            return True
    return False


def _under(path: str, roots: Iterable[str]) -> bool:
    return any(path == root or path.startswith((f"{root}.", f"{root}[")) for root in roots)


def refused_name(kind: str, name: Json) -> str | None:
    """What is wrong with a name, if anything."""
    if name is UNKNOWN:
        return None
    pattern = _LOOSE_NAME if kind.endswith(("Role", "RoleBinding")) else _NAME
    if isinstance(name, str) and len(name) <= _LONGEST_NAME and pattern.fullmatch(name):
        return None
    return f"metadata.name {name!r} is not a name: small letters, digits, '-' and '.', at most {_LONGEST_NAME} characters."


def autonamed(urn_name: str, seed: bytes, old: Properties) -> str:
    """A name for an object without one: the old one if there is one, else the resource's with 8 hexadecimal digits."""
    if annotation(old, AUTONAMED) == "true":
        return str(metadata(old)["name"])
    return f"{urn_name}-{hashlib.sha256(seed).hexdigest()[:8]}"
