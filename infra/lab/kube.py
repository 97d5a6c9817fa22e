"""The few questions the lab asks its cluster, through kubectl."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from infra.lab.errors import LabError, last_line

SERVICE_LABEL = "app.kubernetes.io/name"
TOKEN_H = 12
Object = dict[str, Any]
_ENDED = re.compile(r"^command terminated with exit code \d+$", re.MULTILINE)  # said last by `kubectl exec`, after the reason
_UNITS = {"": 1, "m": 0.001, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {f"{unit}i": 2 ** (10 * (power + 1)) for power, unit in enumerate("KMGT")}


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as far as a person wants to know it."""

    name: str
    service: str
    ready: bool
    restarts: int
    why: str | None
    limit_mb: int | None = None  # of its containers together; None if one of them has none


class Kube:
    """kubectl with the lab's kubeconfig and namespace."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """`env` holds PATH and KUBECONFIG."""
        self._env = dict(env)

    def run(self, *words: str, timeout_s: float = 60, stdin: str | None = None) -> str:
        """Run kubectl and return what it prints.

        Raises:
            LabError: the last sentence of kubectl, or of the program that it ran in a pod.
        """
        try:
            done = subprocess.run(
                ["kubectl", f"--request-timeout={timeout_s:.0f}s", *words],
                env=self._env, input=stdin or "", capture_output=True, text=True, timeout=timeout_s + 5, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as late:
            raise LabError(f"the cluster gave no answer within {timeout_s:.0f} s (kubectl {words[0]}).") from late
        if done.returncode:
            reason = last_line(_ENDED.sub("", done.stderr), last_line(done.stderr, "failed"))
            raise LabError(f"kubectl {' '.join(words[:3])}: {reason}")
        return done.stdout

    def get(self, *words: str) -> Object:
        """`kubectl get … -o json`."""
        loaded: Object = json.loads(self.run("get", *words, "-o", "json"))
        return loaded

    def pods(self) -> list[Pod]:
        """The pods of the lab's services, jobs left out, by service."""
        found = [_pod(item) for item in self.get("pods")["items"] if not _of_job(item)]
        return sorted(found, key=lambda pod: (pod.service, pod.name))

    def memory_mb(self) -> dict[str, int]:
        """What each pod uses of its limit, MB, by its name; empty where the cluster has no metrics-server."""
        try:
            namespace = self._namespace()
            found = json.loads(self.run("get", "--raw", f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods"))
        except LabError:
            return {}
        return {
            item["metadata"]["name"]: sum(_bytes(container["usage"]["memory"]) for container in item["containers"]) // 2**20
            for item in found["items"]
        }

    def _namespace(self) -> str:
        return self.run("config", "view", "--minify", "-o", "jsonpath={..namespace}") or "default"

    def secret(self, name: str) -> dict[str, str]:
        """A Secret's values, decoded."""
        data = self.get("secret", name).get("data") or {}
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def token(self, account: str) -> str:
        """A token of a service account, good for a working day; nobody keeps it."""
        return self.run("create", "token", account, f"--duration={TOKEN_H}h").strip()

    def page(self, service: str, port: int, name: str) -> str:
        """The page /`name` of a service's first ready pod, through the API server."""
        return next(self.pages(service, port, name))

    def pages(self, service: str, port: int, name: str) -> Iterator[str]:
        """The page /`name` of each of a service's ready pods, of one at least, asked one after the other.

        Raises:
            LabError: there is none, or one gives no answer.
        """
        pods = [pod for pod in self.pods() if pod.service == service and pod.ready]
        if not pods:
            raise LabError(f"{service} has no ready pod; ./lab logs {service}")
        for pod in pods:
            yield self.run("get", "--raw", f"/api/v1/namespaces/{self._namespace()}/pods/{pod.name}:{port}/proxy/{name}")

    @contextmanager
    def stream(self, words: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
        """A kubectl that runs as long as the body; its output goes to the terminal."""
        process = subprocess.Popen(["kubectl", *words], env=self._env, stdin=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=10)


def _of_job(item: Object) -> bool:
    return any(owner["kind"] == "Job" for owner in item["metadata"].get("ownerReferences", ()))


def _pod(item: Object) -> Pod:
    status = item.get("status", {})
    containers = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))
    return Pod(
        name=item["metadata"]["name"],
        service=item["metadata"].get("labels", {}).get(SERVICE_LABEL, "?"),
        ready=ready,
        restarts=sum(container.get("restartCount", 0) for container in containers),
        why=None if ready else _reason(status, containers),
        limit_mb=_limit_mb(item.get("spec", {}).get("containers", ())),
    )


def _limit_mb(containers: Sequence[Object]) -> int | None:
    limits = [container.get("resources", {}).get("limits", {}).get("memory") for container in containers]
    return sum(_bytes(limit) for limit in limits) // 2**20 if limits and all(limits) else None


def _bytes(quantity: str) -> int:
    """A quantity of memory as Kubernetes writes it: `440Mi`, `29276Ki`, `1.5Gi`, `128M`, `1024`."""
    digits = quantity.rstrip("KMGTikm")
    return int(float(digits) * _UNITS[quantity[len(digits) :]])


def _reason(status: Object, containers: list[Object]) -> str:
    """Why a pod isn't ready: the first waiting or ended container's reason, else the first unmet condition's."""
    for container in containers:
        state = container.get("state", {})
        waiting = state.get("waiting")
        if waiting and waiting.get("reason") not in (None, "PodInitializing"):
            return f"{container['name']}: {waiting['reason']}"
        ended = state.get("terminated")
        if ended and ended.get("exitCode"):
            return f"{container['name']} ended with code {ended['exitCode']}"
    for condition in status.get("conditions", ()):
        if condition["status"] != "True" and condition.get("message"):
            return str(condition["message"])
    return str(status.get("phase", "unknown")).lower()
