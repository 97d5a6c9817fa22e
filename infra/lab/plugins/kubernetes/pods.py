"""Why pods don't run, in the words a person needs: the reason, how long it may heal by itself, the last log lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from infra.lab.plugins.kubernetes.api import Api
from infra.lab.plugins.kubernetes.objects import Object
from infra.lab.plugins.kubernetes.ready import condition

# How long a reason may last before the wait ends: it heals by itself when a Secret, an image or a volume comes a
# little later than the pod, as the objects of a chart are made together.
_GRACE_S: Final = {
    "InvalidImageName": 0.0,
    "ErrImageNeverPull": 15.0,
    "image pull": 45.0,
    "CreateContainerConfigError": 45.0,
    "CreateContainerError": 30.0,
    "RunContainerError": 30.0,
    "Unschedulable": 60.0,
    "FailedCreate": 15.0,
}
_PULLS: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"})
_RESTARTS: Final = 4  # kubelet waits 10, 20, 40 s between them: measured 97 s of trying (2026-11-22)
_LOG_LINES: Final = 10


class Trouble(NamedTuple):
    """One thing that keeps a pod from running. `key` stays the same while it lasts."""

    key: str
    why: str
    grace_s: float
    pod: str = ""
    container: str = ""
    restarted: bool = False


def selector_text(selector: Object) -> str:
    """A label selector as the API's query parameter."""
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for rule in selector.get("matchExpressions") or ():
        values = ",".join(rule.get("values") or ())
        wording = {
            "In": f"{rule['key']} in ({values})",
            "NotIn": f"{rule['key']} notin ({values})",
            "Exists": rule["key"],
            "DoesNotExist": f"!{rule['key']}",
        }
        parts.append(wording[rule["operator"]])
    return ",".join(parts)


def _newest_replica_set(api: Api, deployment: Object, selector: str) -> str | None:
    meta = deployment["metadata"]
    revision = (meta.get("annotations") or {}).get("deployment.kubernetes.io/revision")
    for item in api.every("apps/v1", "ReplicaSet", meta["namespace"], labelSelector=selector):
        owned = any(owner["uid"] == meta["uid"] for owner in item["metadata"].get("ownerReferences") or ())
        if owned and (item["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision") == revision:
            return str(item["metadata"]["labels"].get("pod-template-hash"))
    return None


def pods_of(api: Api, obj: Object) -> list[Object]:
    """The pods that matter for `obj`: those of its newest version; for a Service those it selects."""
    kind, spec = obj.get("kind"), obj.get("spec") or {}
    if kind == "Pod":
        return [obj]
    selector = {"matchLabels": spec.get("selector") or {}} if kind == "Service" else spec.get("selector") or {}
    text = selector_text(selector)
    if not text:
        return []
    if kind == "Deployment" and (template := _newest_replica_set(api, obj, text)):
        text += f",pod-template-hash={template}"
    if kind == "StatefulSet" and (revision := obj.get("status", {}).get("updateRevision")):
        text += f",controller-revision-hash={revision}"
    return api.every("v1", "Pod", obj["metadata"]["namespace"], labelSelector=text)


def _container_troubles(pod: Object) -> Iterator[Trouble]:
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    for item in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        waiting = (item.get("state") or {}).get("waiting") or {}
        reason, restarts = str(waiting.get("reason") or ""), int(item.get("restartCount", 0))
        what = f"pod {name}, container {item['name']}: {reason}"
        message = str(waiting.get("message") or "").strip()
        ended = (item.get("lastState") or {}).get("terminated") or {}
        if reason == "CrashLoopBackOff" and restarts >= _RESTARTS:
            cause = f"exit code {ended.get('exitCode')}, {ended.get('reason', 'Error')}, {restarts} restarts"
            yield Trouble(f"{name}/{item['name']}/crash", f"{what} ({cause})", 0.0, name, item["name"], restarted=True)
        key = "image pull" if reason in _PULLS else reason
        if key in _GRACE_S:
            why = f"{what} ({message})" if message else what
            yield Trouble(f"{name}/{item['name']}/{key}", why, _GRACE_S[key], name, item["name"], restarted=restarts > 0)


def pod_troubles(pod: Object) -> Iterator[Trouble]:
    """What keeps one pod from running, if anything."""
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        name = pod["metadata"]["name"]
        yield Trouble(f"{name}/Unschedulable", f"pod {name} has no node: {scheduled.get('message')}", _GRACE_S["Unschedulable"])
    yield from _container_troubles(pod)


def stuck(api: Api, obj: Object) -> list[str]:
    """Pods of a StatefulSet's last version that don't run: its controller waits for them and never makes the new ones.

    https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback tells to delete them by hand.
    """
    revision = obj.get("status", {}).get("updateRevision")
    if obj.get("kind") != "StatefulSet" or not revision:
        return []
    text = selector_text(obj["spec"]["selector"])
    return [
        str(pod["metadata"]["name"])
        for pod in api.every("v1", "Pod", obj["metadata"]["namespace"], labelSelector=text)
        if pod["metadata"]["labels"].get("controller-revision-hash") != revision
        and not pod["metadata"].get("deletionTimestamp")
        and condition(pod, "Ready").get("status") != "True"
        and _held_up(pod)
    ]


def _held_up(pod: Object) -> bool:
    status = pod.get("status") or {}
    reasons = {
        str(((item.get("state") or {}).get("waiting") or {}).get("reason"))
        for item in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    }
    held = _PULLS | _GRACE_S.keys() | {"CrashLoopBackOff"}
    return bool(reasons & held) or condition(pod, "PodScheduled").get("status") == "False"


def _refused_pods(api: Api, obj: Object) -> Iterator[Trouble]:
    """The reason why a controller could make no pod at all, e.g. Pod Security or a quota."""
    failure = condition(obj, "ReplicaFailure")
    messages = [str(failure["message"])] if failure.get("status") == "True" else []
    selector = f"involvedObject.uid={obj['metadata']['uid']},type=Warning"
    events = api.every("v1", "Event", obj["metadata"]["namespace"], fieldSelector=selector)
    messages += [str(event.get("message")) for event in events if event.get("reason") == "FailedCreate"]
    if messages:
        yield Trouble("FailedCreate", messages[-1], _GRACE_S["FailedCreate"])


def troubles(api: Api, obj: Object) -> list[Trouble]:
    """Everything that keeps the pods of a workload or of a Service from running."""
    pods = [pod for pod in pods_of(api, obj) if not pod["metadata"].get("deletionTimestamp")]
    found = [trouble for pod in pods for trouble in pod_troubles(pod)]
    if not pods and obj.get("kind") in {"Deployment", "StatefulSet", "DaemonSet", "Job"}:
        found += _refused_pods(api, obj)
    return found


def unready(api: Api, obj: Object) -> Trouble | None:
    """A pod that runs but isn't ready, or has failed, for its log, when nothing else explains a time-out."""
    for pod in pods_of(api, obj):
        for item in pod.get("status", {}).get("containerStatuses") or ():
            if not item.get("ready"):
                name = pod["metadata"]["name"]
                ended = (item.get("state") or {}).get("terminated") or {}
                code = f"exit code {ended['exitCode']}" if ended else "it runs, but its readiness probe fails"
                restarted = item.get("restartCount", 0) > 0 and not ended
                why = f"pod {name}, container {item['name']}: {code}"
                return Trouble(f"{name}/unready", why, 0.0, name, item["name"], restarted=restarted)
    return None


def last_lines(api: Api, namespace: str, trouble: Trouble) -> str:
    """The last log lines of the container in trouble: of its last run if it has been restarted."""
    if not trouble.container:
        return ""
    text = api.log(namespace, trouble.pod, trouble.container, lines=_LOG_LINES, previous=trouble.restarted)
    return text or api.log(namespace, trouble.pod, trouble.container, lines=_LOG_LINES, previous=False)
