"""`kubernetes:helm.sh/v4:Chart`: helm renders, the objects become children in the state, named as by the published plugin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import grpc
from pulumi.runtime.proto import provider_pb2, resource_pb2, resource_pb2_grpc

from infra import versions
from infra.lab.errors import LabError, UserError
from infra.lab.plugins.kubernetes import helm, manifest, objects
from infra.lab.plugins.kubernetes.api import Api
from infra.lab.plugins.kubernetes.objects import Object, metadata
from infra.lab.plugins.server import CHANNEL_OPTIONS, Plugin
from infra.lab.plugins.values import Json, Properties, from_struct, has_unknown, plain, reference, secret, to_struct

TYPE: Final = "kubernetes:helm.sh/v4:Chart"
REFUSAL: Final = "refused"
_POLICY: Final = "helm.sh/resource-policy"


class Call(Protocol):
    """A call of the engine under way, as grpc has it; grpc ships no types."""

    def result(self) -> object:
        """Wait for its answer and return it, or raise what went wrong."""


class ChildError(LabError):
    """The engine refused a child, or is going down because one has failed."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart under construction: what the engine asked for, and the way to register resources with it."""

    request: provider_pb2.ConstructRequest
    api: Api | None
    monitor: Any  # grpc's stubs have no types
    urn: str


def construct(
    request: provider_pb2.ConstructRequest, api: Api | None, default_namespace: Json, plugin: Plugin
) -> provider_pb2.ConstructResponse:
    """Register the chart as a component and what it renders as its children."""
    inputs = from_struct(request.inputs)
    monitor = resource_pb2_grpc.ResourceMonitorStub(grpc.insecure_channel(request.monitorEndpoint, options=CHANNEL_OPTIONS))
    one = Chart(request, api, monitor, monitor.RegisterResource(_component(request)).urn)
    children: list[Properties] = []
    if has_unknown(inputs) or has_unknown(default_namespace):
        plugin.warn("Input properties have unknown values. Preview is incomplete.", one.urn)
    else:
        try:
            children = _filled(one, plain(inputs), str(default_namespace))
        except ChildError:
            # The engine has shown the child's error and is ending the update; an error from here would only make it
            # print a stack trace of the program below that.
            return provider_pb2.ConstructResponse(urn=one.urn, state=to_struct({}))
    monitor.RegisterResourceOutputs(resource_pb2.RegisterResourceOutputsRequest(urn=one.urn, outputs=to_struct({})))
    return provider_pb2.ConstructResponse(urn=one.urn, state=to_struct({"resources": children}))


def _filled(one: Chart, arguments: Properties, default_namespace: str) -> list[Properties]:
    namespace = str(arguments.get("namespace") or default_namespace)
    try:
        found = manifest.parsed(helm.rendered(one.request.name, arguments, namespace, one.api))
    except UserError as refused:
        _result(one.monitor.RegisterResource.future(_refusal(one, str(refused))))
        raise ChildError(str(refused)) from refused
    found = manifest.placed(found, namespace, lambda *kind: _namespaced(one.api, *kind))
    prefix = arguments.get("resourcePrefix")
    name = one.request.name if prefix is None else str(prefix)
    return _registered(one, name, [_awaited(item, arguments) for item in found])


def _refusal(one: Chart, sentence: str) -> resource_pb2.RegisterResourceRequest:
    """A child whose check refuses it with `sentence`: the engine shows that at the chart and ends the update in good order."""
    return resource_pb2.RegisterResourceRequest(
        type=TYPE,
        name=one.request.name,
        parent=one.urn,
        custom=True,
        object=to_struct({REFUSAL: sentence}),
        provider=one.request.providers.get("kubernetes", ""),
        version=versions.PULUMI_KUBERNETES,
    )


def _component(request: provider_pb2.ConstructRequest) -> resource_pb2.RegisterResourceRequest:
    component = resource_pb2.RegisterResourceRequest(
        type=request.type,
        name=request.name,
        parent=request.parent,
        object=to_struct({}),
        dependencies=request.dependencies,
        aliases=request.aliases,
        aliasSpecs=True,
        acceptSecrets=True,
        supportsPartialValues=True,
        replaceOnChanges=request.replaceOnChanges,
        ignoreChanges=request.ignoreChanges,
        deletedWith=request.deletedWith,
    )
    if request.HasField("protect"):
        component.protect = request.protect
    return component


def _namespaced(api: Api | None, api_version: str, kind: str) -> bool:
    known = api.kind(api_version, kind) if api else None
    return known.namespaced if known else kind not in objects.CLUSTER_KINDS


def _awaited(obj: Object, arguments: Properties) -> Object:
    """The object without what is set to nothing, and with the mark to skip waiting if the chart asks for it."""
    cleaned: Object = objects.without_nulls(obj)
    if arguments.get("skipAwait"):
        annotations = metadata(cleaned).get("annotations") or {}
        cleaned["metadata"] = metadata(cleaned) | {"annotations": annotations | {objects.SKIP_AWAIT: "true"}}
    return cleaned


def _child(one: Chart, name: str, obj: Object) -> resource_pb2.RegisterResourceRequest:
    request = one.request
    properties: Properties = dict(obj)
    if (obj["apiVersion"], obj["kind"]) == ("v1", "Secret"):
        properties |= {key: secret(obj[key]) for key in ("data", "stringData") if key in obj}
    child = resource_pb2.RegisterResourceRequest(
        type=objects.token(obj["apiVersion"], obj["kind"]),
        name=manifest.child_name(name, obj),
        parent=one.urn,
        custom=True,
        object=to_struct(properties),
        provider=request.providers.get("kubernetes", ""),
        version=versions.PULUMI_KUBERNETES,
        acceptSecrets=True,
        supportsPartialValues=True,
        aliasSpecs=True,
        deletedWith=request.deletedWith,
    )
    if request.HasField("protect"):
        child.protect = request.protect
    keep = objects.annotation(obj, _POLICY) == "keep"
    if keep or request.HasField("retainOnDelete"):
        child.retainOnDelete = keep or request.retainOnDelete
    return child


def _order(found: list[Object]) -> list[int]:
    """Namespaces and definitions first; Services last, so that none waits in the engine's queue before its pods are made."""
    rank = {"Namespace": 0, "CustomResourceDefinition": 1, "Service": 3}
    return sorted(range(len(found)), key=lambda index: rank.get(found[index]["kind"], 2))


def _registered(one: Chart, name: str, found: list[Object]) -> list[Properties]:
    """Register every object, all at once but for those that others need, and return references in the chart's order."""
    calls: dict[int, Call] = {}
    done: dict[int, resource_pb2.RegisterResourceResponse] = {}
    for index in _order(found):
        child = _child(one, name, found[index])
        for needed in manifest.needs(found[index], found):
            if needed in calls:
                done.setdefault(needed, _result(calls[needed]))
                child.dependencies.append(done[needed].urn)
        calls[index] = one.monitor.RegisterResource.future(child)
    for index, call in calls.items():
        done.setdefault(index, _result(call))
    return [reference(done[index].urn, done[index].id) for index in range(len(found))]


def _result(call: Call) -> resource_pb2.RegisterResourceResponse:
    try:
        response = call.result()
    except grpc.RpcError as failed:
        raise ChildError("a resource of the chart failed; the engine has shown why") from failed
    return cast("resource_pb2.RegisterResourceResponse", response)
