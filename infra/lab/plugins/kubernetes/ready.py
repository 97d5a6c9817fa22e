"""When an object is ready, told from the object alone; the rules are those of `kubectl rollout status` and `kubectl wait`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from infra.lab.plugins.kubernetes.objects import Object


class Verdict(NamedTuple):
    """`why` says what is waited for, or what has failed for good."""

    ready: bool
    why: str = ""
    failed: bool = False


READY: Final = Verdict(ready=True)


def _waits(why: str) -> Verdict:
    return Verdict(ready=False, why=why)


def _fails(why: str) -> Verdict:
    return Verdict(ready=False, why=why, failed=True)


def condition(obj: Object, kind: str) -> Object:
    """One condition of the status, empty if it isn't there."""
    found = [item for item in obj.get("status", {}).get("conditions") or () if item.get("type") == kind]
    return dict(found[0]) if found else {}


def _is(obj: Object, kind: str) -> bool:
    return bool(condition(obj, kind).get("status") == "True")


def _unseen(obj: Object) -> bool:
    """Whether the controller has yet to see the newest generation."""
    return int(obj.get("status", {}).get("observedGeneration", 0)) < int(obj["metadata"].get("generation", 0))


def _deployment(obj: Object) -> Verdict:
    status, wanted = obj.get("status", {}), obj["spec"].get("replicas", 1)
    if _unseen(obj):
        return _waits("its controller has not seen the change yet")
    progressing = condition(obj, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return _fails(str(progressing.get("message", "no progress")))
    refused = condition(obj, "ReplicaFailure")
    updated, total, available = (status.get(key, 0) for key in ("updatedReplicas", "replicas", "availableReplicas"))
    if updated == total == wanted and available >= wanted:
        return READY
    return _waits(str(refused.get("message") or f"{available} of {wanted} pods available, {updated} of them new"))


def _stateful_set(obj: Object) -> Verdict:
    spec, status = obj["spec"], obj.get("status", {})
    wanted = spec.get("replicas", 1)
    if _unseen(obj):
        return _waits("its controller has not seen the change yet")
    ready = status.get("readyReplicas", 0)
    strategy = spec.get("updateStrategy", {})
    partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    updated = status.get("updatedReplicas", 0)
    if strategy.get("type") == "OnDelete" or (updated >= wanted - partition and status.get("replicas", 0) == wanted):
        return READY if ready >= wanted else _waits(f"{ready} of {wanted} pods ready")
    return _waits(f"{updated} of {wanted - partition} pods new, {ready} of {wanted} ready")


def _daemon_set(obj: Object) -> Verdict:
    status = obj.get("status", {})
    if _unseen(obj):
        return _waits("its controller has not seen the change yet")
    wanted, updated, available = (
        status.get(key, 0) for key in ("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable")
    )
    if obj["spec"].get("updateStrategy", {}).get("type") == "OnDelete":
        updated = wanted
    return READY if updated >= wanted and available >= wanted else _waits(f"{available} of {wanted} pods available")


def _job(obj: Object) -> Verdict:
    if _is(obj, "Complete") or obj["spec"].get("suspend"):
        return READY
    failed = condition(obj, "Failed")
    if failed.get("status") == "True":
        return _fails(f"{failed.get('reason', 'Failed')}: {failed.get('message', 'the job failed')}")
    status = obj.get("status", {})
    succeeded, failures = status.get("succeeded", 0), status.get("failed", 0)
    return _waits(f"{succeeded} of {obj['spec'].get('completions', 1)} completions, {failures} failures")


def _pod(obj: Object) -> Verdict:
    phase = obj.get("status", {}).get("phase")
    if phase == "Failed":
        return _fails(str(obj["status"].get("message") or obj["status"].get("reason") or "the pod failed"))
    return READY if phase == "Succeeded" or _is(obj, "Ready") else _waits(f"the pod is {phase or 'not scheduled'}")


def _claim(obj: Object) -> Verdict:
    phase = obj.get("status", {}).get("phase")
    if phase == "Lost":
        return _fails("its volume is lost")
    return READY if phase == "Bound" else _waits("it is not bound to a volume")


def _namespace(obj: Object) -> Verdict:
    return READY if obj.get("status", {}).get("phase") == "Active" else _waits("it is not active")


def _definition(obj: Object) -> Verdict:
    if condition(obj, "NamesAccepted").get("status") == "False":
        return _fails(str(condition(obj, "NamesAccepted").get("message", "its names are taken")))
    return READY if _is(obj, "Established") else _waits("it is not established")


_RULES: Final[dict[str, Callable[[Object], Verdict]]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "Pod": _pod,
    "PersistentVolumeClaim": _claim,
    "Namespace": _namespace,
    "CustomResourceDefinition": _definition,
}
_GROUPS: Final = frozenset({"v1", "apps/v1", "batch/v1", "apiextensions.k8s.io/v1"})


def assess(obj: Object) -> Verdict:
    """Whether `obj`, as the server gave it, is ready; a kind without a rule is ready at once."""
    rule = _RULES.get(str(obj.get("kind"))) if obj.get("apiVersion") in _GROUPS else None
    return rule(obj) if rule else READY
