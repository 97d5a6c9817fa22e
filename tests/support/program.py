"""Runs the Pulumi program against recording mocks and answers questions about what it asked for."""

from __future__ import annotations

import json
import os
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import pulumi
from google.protobuf.json_format import MessageToDict
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks
from pulumi.runtime.proto.source_pb2 import StackTrace

from infra.lab import pretended
from infra.lab.bundle.upstream import UPSTREAM
from infra.settings import SETS

ROOT = Path(__file__).resolve().parents[2]
CHART = "kubernetes:helm.sh/v4:Chart"
SECRET = "kubernetes:core/v1:Secret"
PASSWORD = "iotlab:index:Password"
CERTIFICATE = "iotlab:index:Certificate"
SECRET_MARK = "4dabf18193072939515e22adb298388d"
IMAGES = {
    name: f"localhost/iotlab/{name}@sha256:{'0123456789abcdef' * 4}"
    for name in ("mosquitto", "kafka", "influxdb", "camunda", "node-red", "jupyter", "ingress", "registry", "apps")
} | {image.name: image.exact(f"sha256:{'0123456789abcdef' * 4}") for image in UPSTREAM}
# the SDK has no types for these two
_register: Callable[[MockMonitor, Any], Any] = MockMonitor.RegisterResource
_to_the_end: Callable[[Callable[[], object]], Callable[[], None]] = pulumi.runtime.test


@dataclass(frozen=True, slots=True)
class Asked:
    """One resource as the program asked for it; `inputs` are as they went over the wire, secrets marked."""

    type: str
    name: str
    urn: str
    parent: str
    inputs: dict[str, Any]
    dependencies: tuple[str, ...]
    retained: bool = False
    protected: bool = False
    ignored: tuple[str, ...] = ()


@dataclass(slots=True)
class Recording:
    """All resources of one run."""

    asked: list[Asked] = field(default_factory=list)
    calls: list[tuple[str, dict[Any, Any]]] = field(default_factory=list)

    def of(self, kind: str) -> dict[str, Asked]:
        """Name -> resource of this type."""
        return {resource.name: resource for resource in self.asked if resource.type == kind}

    def charts(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Release -> chart's folder name and values."""
        return {name: (Path(chart.inputs["chart"]).name, whole(chart.inputs["values"])) for name, chart in self.of(CHART).items()}


def whole(value: Any) -> Any:
    """JSON's numbers are floats on the wire; helm's schema wants integers back."""
    if isinstance(value, dict):
        return {key: whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _Answers(Mocks):
    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[Any, Any]]] = []

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        secret = {PASSWORD: ("value",), CERTIFICATE: ("certificate", "key", "ca")}.get(args.typ, ())
        ident, outputs = pretended.made(args.typ, args.name, args.inputs)
        return ident, outputs | {output: generated(args.name, output) for output in secret}

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        assert args.token in pretended.ANSWERS, f"the program must not call functions: {args.token}"
        self.calls.append((args.token, dict(args.args)))
        return dict(pretended.ANSWERS[args.token]), []


class _Recorder(MockMonitor):
    def __init__(self) -> None:
        answers = _Answers()
        super().__init__(answers)
        self.recording = Recording(calls=answers.calls)

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the engine's interface
        answer = _register(self, request)
        inputs = MessageToDict(request.object)
        self.recording.asked.append(
            Asked(
                request.type,
                request.name,
                answer.urn,
                request.parent,
                inputs,
                tuple(request.dependencies),
                request.retainOnDelete,
                request.protect,
                tuple(request.ignoreChanges),
            )
        )
        return answer


def generated(name: str, output: str) -> str:
    """What the mocked plugin makes for the resource `name`."""
    return f"generated-for-{name}-{output}"


def run_program(config: Mapping[str, object] | None = None) -> Recording:
    """Run `infra/__main__.py` with this configuration of `iotlab:`; every service if it names none.

    Tests that ask for the same configuration look at the same recording.
    """
    usual = {"images": IMAGES, "kubeconfig": "/nowhere/kubeconfig", "services": list(SETS), "scale": "S", "rotation": 1}
    settings = usual | dict(config or {})
    raw = {f"iotlab:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    return _recorded(json.dumps(raw, sort_keys=True))


@cache
def _recorded(config: str) -> Recording:
    recorder = _Recorder()
    pulumi.runtime.set_mocks(_Answers(), project="iotlab", stack="test", preview=False, monitor=recorder)
    # where each resource was asked for is not looked at, and telling it under pytest's deep stack takes a third of a run
    nowhere = mock.patch.object(pulumi.runtime.resource, "_get_stack_trace", StackTrace)
    with nowhere, mock.patch.dict(os.environ, {"PULUMI_CONFIG": config}):
        _to_the_end(lambda: runpy.run_path(str(ROOT / "infra/__main__.py")))()
    return recorder.recording
