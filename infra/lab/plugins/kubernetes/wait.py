"""Waiting: until an object is ready, or gone; it ends early where waiting can't help and says why."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Final

from infra.lab.errors import LabError
from infra.lab.plugins.kubernetes.api import Api, UnreachableError
from infra.lab.plugins.kubernetes.objects import SKIP_AWAIT, TIMEOUT, Object, annotation, label, metadata
from infra.lab.plugins.kubernetes.pods import Trouble, last_lines, stuck, troubles, unready
from infra.lab.plugins.kubernetes.ready import READY, Verdict, assess

READY_WITHIN_S: Final = 600.0  # as pulumi-kubernetes
GONE_WITHIN_S: Final = 300.0
_WORKLOADS: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job", "Pod", "Service"})
_SHORTEST_S, _LONGEST_S = 0.2, 1.5  # between two looks at an object
_FIRST_LOOK_AT_PODS_S: Final = 2.0
_DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"


class WaitError(LabError):
    """The object exists but did not become ready; `live` is how it stands."""

    def __init__(self, message: str, live: Object) -> None:
        """`message` says why and what to do."""
        super().__init__(message)
        self.live = live


def timeout_s(obj: Object, asked_s: float, default_s: float) -> float:
    """The time allowed: the resource's custom time-out, else its annotation, else the default."""
    text = annotation(obj, TIMEOUT)
    return asked_s or (float(text) if text.replace(".", "", 1).isdigit() else default_s)


class Waits:
    """Waits on one cluster's objects; `cancelled` ends them all."""

    def __init__(self, api: Api, cancelled: threading.Event) -> None:
        """Nothing is waited for yet."""
        self._api, self._cancelled = api, cancelled

    def _pause(self, pause_s: float) -> float:
        if self._cancelled.wait(pause_s):
            raise LabError("The update was cancelled.")
        return min(pause_s * 1.3, _LONGEST_S)

    def _live(self, obj: Object) -> Object | None:
        meta = metadata(obj)
        return self._api.get(str(obj["apiVersion"]), str(obj["kind"]), meta.get("namespace"), str(meta["name"]))

    def ready(self, obj: Object, asked_s: float) -> Object:
        """Return the object once it is ready.

        Raises:
            WaitError: it failed, or its time is over; with the pod's reason and its last log lines.
        """
        if annotation(obj, SKIP_AWAIT) == "true":
            return obj
        allowed_s, started, pause_s = timeout_s(obj, asked_s, READY_WITHIN_S), time.monotonic(), _SHORTEST_S
        first_seen: dict[str, float] = {}
        live = obj
        while True:
            waited_s = time.monotonic() - started
            try:
                found = self._live(obj)
                if found is None:
                    raise WaitError(f"{label(obj)} was deleted by somebody else while it was waited for; run `up` again.", live)
                live = found
                if (verdict := self._verdict(live)).ready:
                    return live
                cause = None
                if live.get("kind") in _WORKLOADS and waited_s >= _FIRST_LOOK_AT_PODS_S:
                    self._unstick(live)
                    cause = self._hopeless(live, first_seen)
            except UnreachableError as silent:  # the server may restart meanwhile
                verdict, cause = Verdict(ready=False, why=str(silent)), None
            if verdict.failed or cause or waited_s >= allowed_s:
                limit = "" if verdict.failed or cause else f" within {allowed_s:.0f} s"
                raise self._error(live, verdict, cause, limit)
            pause_s = self._pause(pause_s)

    def _unstick(self, live: Object) -> None:
        for name in stuck(self._api, live):
            self._api.delete("v1", "Pod", metadata(live).get("namespace"), name)

    def _hopeless(self, live: Object, first_seen: dict[str, float]) -> Trouble | None:
        """The trouble that has lasted longer than it may heal by itself, if any."""
        now = time.monotonic()
        found = troubles(self._api, live)
        for gone in first_seen.keys() - {trouble.key for trouble in found}:
            del first_seen[gone]
        for trouble in found:
            if now - first_seen.setdefault(trouble.key, now) >= trouble.grace_s:
                return trouble
        return None

    def _error(self, live: Object, verdict: Verdict, cause: Trouble | None, limit: str) -> WaitError:
        if cause is None and live.get("kind") in _WORKLOADS:
            with suppress(UnreachableError):
                cause = next(iter(troubles(self._api, live)), None) or unready(self._api, live)
        reasons = dict.fromkeys(part.rstrip(".") for part in (verdict.why, cause.why if cause else "") if part)
        why = "; ".join(reasons)
        message = f"{label(live)} did not become ready{limit}: {why}."
        lines = last_lines(self._api, str(metadata(live).get("namespace")), cause) if cause else ""
        if lines:
            indented = "\n".join(f"    {line}" for line in lines.splitlines())
            message += f"\n  The last lines of its log:\n{indented}"
        return WaitError(f"{message}\n  The object is recorded; correct the cause and run `up` again.", live)

    def _verdict(self, live: Object) -> Verdict:
        if live.get("apiVersion") == "v1" and live.get("kind") == "Service":
            return self._service(live)
        if live.get("apiVersion") == "v1" and live.get("kind") == "PersistentVolumeClaim" and self._binds_later(live):
            return READY
        return assess(live)

    def _service(self, live: Object) -> Verdict:
        spec, meta = live["spec"], live["metadata"]
        if spec.get("type") == "LoadBalancer" and not live.get("status", {}).get("loadBalancer", {}).get("ingress"):
            return Verdict(ready=False, why="it has no load balancer's address yet")
        if not spec.get("selector") or spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None":
            return READY
        selector = f"kubernetes.io/service-name={meta['name']}"
        for part in self._api.every("discovery.k8s.io/v1", "EndpointSlice", meta["namespace"], labelSelector=selector):
            if any((endpoint.get("conditions") or {}).get("ready") for endpoint in part.get("endpoints") or ()):
                return READY
        return Verdict(ready=False, why="no ready pod stands behind it")

    def _binds_later(self, claim: Object) -> bool:
        """Whether the claim waits for its first pod, by its storage class."""
        name = claim["spec"].get("storageClassName")
        for item in self._api.every("storage.k8s.io/v1", "StorageClass", None):
            meant = item["metadata"]["name"] == name if name is not None else annotation(item, _DEFAULT_CLASS) == "true"
            if meant:
                return bool(item.get("volumeBindingMode") == "WaitForFirstConsumer")
        return False

    def gone(self, obj: Object, asked_s: float) -> None:
        """Return once the object is gone or another one has its name.

        Raises:
            LabError: its time is over; the message names what holds it.
        """
        allowed_s, started, pause_s = timeout_s(obj, asked_s, GONE_WITHIN_S), time.monotonic(), _SHORTEST_S
        while (live := self._live(obj)) is not None and metadata(live).get("uid") == metadata(obj).get("uid"):
            if time.monotonic() - started >= allowed_s:
                holders = ", ".join(metadata(live).get("finalizers") or ()) or "nothing that shows"
                raise LabError(f"{label(obj)} was not gone within {allowed_s:.0f} s; what holds it: {holders}.")
            pause_s = self._pause(pause_s)
