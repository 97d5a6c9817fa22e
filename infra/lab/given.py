"""A cluster that the lab was given by `iotlab:kubeconfig`: it fills it and asks it, and never starts or stops it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra import wiring
from infra.lab.errors import LabError, UserError
from infra.lab.kube import Kube
from infra.lab.paths import ROOT

ARCHITECTURE = "amd64"  # what the images are made for
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


@dataclass(frozen=True, slots=True)
class GivenCluster:
    """One context of a person's kubeconfig; `own` is where the lab keeps its copy, `marker` which cluster the stack filled."""

    kubeconfig: str
    context: str
    own: Path
    marker: Path

    @property
    def file(self) -> Path:
        """The person's file; a relative path starts at the checkout."""
        return ROOT / Path(self.kubeconfig).expanduser()

    def copied(self) -> Path:
        """Copy the one context that is meant, with the lab's namespace, and return the copy.

        So kubectl, Pulumi and the lab mean the same cluster for the whole run, whatever `kubectl config use-context` does
        meanwhile, and the person's file stays as it is.

        Raises:
            UserError: the file isn't there or isn't one, or lacks the context.
        """
        config = self._read()
        context = self._entry(config, "context", self.context or str(config.get("current-context") or ""))
        chosen = dict(context["context"])
        whole: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": context["name"],
            "contexts": [{"name": context["name"], "context": chosen | {"namespace": wiring.NAMESPACE}}],
        }
        for kind in ("cluster", "user"):
            if kind == "cluster" or chosen.get(kind):
                entry = self._entry(config, kind, str(chosen.get(kind) or ""))
                whole[f"{kind}s"] = [entry | {kind: self._without_relative_paths(dict(entry[kind]))}]
        self._write(yaml.safe_dump(whole))
        return self.own

    def _read(self) -> dict[str, Any]:
        try:
            config = yaml.safe_load(self.file.read_text())
        except FileNotFoundError as missing:
            raise UserError(f"there is no kubeconfig {self.file}: iotlab:kubeconfig must name one.") from missing
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as broken:
            raise UserError(f"the kubeconfig {self.file} cannot be read: {' '.join(str(broken).split())}.") from broken
        if not isinstance(config, dict) or not config.get("contexts"):
            raise UserError(f"{self.file} is no kubeconfig: it has no contexts.")
        return config

    def _entry(self, config: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
        entries = [entry for entry in config.get(f"{kind}s") or () if isinstance(entry, dict)]
        for entry in entries:
            if entry.get("name") == name and isinstance(entry.get(kind), dict):
                return dict(entry)
        known = ", ".join(str(entry.get("name")) for entry in entries) or "none"
        if kind == "context" and not name:
            raise UserError(f"{self.file} has no current context: set iotlab:context to one of {known}.")
        remedy = "set iotlab:context to one of them" if kind == "context" else "its context names it: repair the file"
        raise UserError(f"{self.file} has no {kind} '{name}', it has {known}: {remedy}.")

    def _without_relative_paths(self, values: dict[str, Any]) -> dict[str, Any]:
        """A path in a kubeconfig starts at that file's folder, and the copy lies elsewhere."""
        for key in FILES:
            if values.get(key):
                values[key] = str(self.file.parent / values[key])
        command = (values.get("exec") or {}).get("command", "")
        if os.sep in command:
            values["exec"] = values["exec"] | {"command": str(self.file.parent / command)}
        return values

    def _write(self, text: str) -> None:
        with suppress(FileNotFoundError):
            if self.own.read_text() == text:
                return
        self.own.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        scratch = self.own.with_suffix(".new")
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        scratch.replace(self.own)

    def identity(self, kube: Kube) -> str:
        """What tells this cluster from every other: the id of its namespace kube-system.

        Raises:
            UserError: it gives no answer.
        """
        try:
            return kube.run("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}", timeout_s=10)
        except LabError as silent:
            where = f"context {self.context} of {self.file}" if self.context else f"the current context of {self.file}"
            raise UserError(
                f"the cluster of {where} gives no answer ({silent}): start it, or choose another with iotlab:context."
            ) from silent

    def check(self, kube: Kube, stack: str) -> None:
        """Refuse a cluster that can't carry the lab, or isn't the one that this stack filled before.

        Raises:
            UserError: why, and what to do.
        """
        identity = self.identity(kube)
        if self.marker.exists() and self.marker.read_text() != identity:
            raise UserError(
                f"the stack '{stack}' filled another cluster than the one that {self.file} leads to now: set iotlab:context "
                f"back, or, if that cluster is gone for good, forget it with ./lab down --purge --stack {stack}."
            )
        classes = kube.get("storageclass")["items"]
        if not any((one["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true" for one in classes):
            names = ", ".join(one["metadata"]["name"] for one in classes)
            remedy = f"mark one of {names} as the default" if names else "install one (microk8s enable hostpath-storage)"
            raise UserError(
                f"the cluster has no default storage class for the volumes of Kafka, Mosquitto and InfluxDB: {remedy}."
            )

    def warnings(self, kube: Kube, references: dict[str, str], *, from_registry: bool) -> list[str]:
        """What may go wrong and can't be known for sure: nodes of another kind, images that no node lists.

        A node tells of its images up to a minute late and lists 50 at most, so this is no reason to refuse.
        """
        with suppress(LabError):
            nodes = kube.get("nodes")["items"]
            return [*_other_architectures(nodes), *([] if from_registry else _images_missing(nodes, references))]
        return []

    def remember(self, kube: Kube) -> None:
        """Note which cluster the stack's state now belongs to."""
        self.marker.write_text(self.identity(kube))

    def left(self, kube: Callable[[], Kube]) -> bool:
        """Whether another cluster answers in the place of the one that the stack filled.

        Raises:
            UserError: none answers. A laptop's cluster may only be stopped, and its passwords are in the stack's state.
        """
        if not self.marker.exists():
            return False
        try:
            return self.identity(kube()) != self.marker.read_text()
        except UserError as silent:
            raise UserError(
                f"{silent} The stack's state and passwords are kept, as the cluster may only be asleep; if it is gone for good, "
                "repeat this with iotlab:kubeconfig and iotlab:context set to the one that takes its place."
            ) from silent


def _other_architectures(nodes: list[dict[str, Any]]) -> list[str]:
    kinds = {node["status"]["nodeInfo"]["architecture"] for node in nodes}
    if ARCHITECTURE in kinds or not kinds:
        return []
    return [
        f"the cluster's nodes are {', '.join(sorted(kinds))}, the images are made for {ARCHITECTURE}: they run if it emulates it"
    ]


def _images_missing(nodes: list[dict[str, Any]], references: dict[str, str]) -> list[str]:
    listed = {name for node in nodes for image in node["status"].get("images") or () for name in image.get("names") or ()}
    missing = sorted(name for name, reference in references.items() if reference not in listed)
    remedy = (
        "if pods wait for them, write them into a file (./lab bundle images FILE) and load that into the cluster "
        "(kind load image-archive FILE, microk8s images import < FILE), or set iotlab:registry"
    )
    return [f"no node lists the images {', '.join(missing)}: {remedy}"] if missing else []
