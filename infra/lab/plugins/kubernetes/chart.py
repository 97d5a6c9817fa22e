"""`kubernetes:helm.sh/v4:Chart`: helm renders, the objects become children in the state, named as by the published plugin."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import grpc
from pulumi.runtime.proto import provider_pb2, resource_pb2, resource_pb2_grpc

from infra import versions
from infra.lab.errors import LabError, UserError
from infra.lab.plugins.kubernetes import manifest, objects
from infra.lab.plugins.kubernetes.api import Api
from infra.lab.plugins.kubernetes.objects import Object, metadata
from infra.lab.plugins.server import CHANNEL_OPTIONS
from infra.lab.plugins.values import Json, Properties, from_struct, has_unknown, plain, reference, secret, to_struct

TYPE: Final = "kubernetes:helm.sh/v4:Chart"
_REFUSED: Final = ("postRenderer", "dependencyUpdate", "verify", "keyring")
_RENDERED_WITHIN_S: Final = 120
_POLICY: Final = "helm.sh/resource-policy"

Warn = Callable[[str, str], None]


def construct(
    request: provider_pb2.ConstructRequest, api: Api | None, default_namespace: Json, warn: Warn
) -> provider_pb2.ConstructResponse:
    """Register the chart as a component and what it renders as its children.

    Raises:
        UserError: the chart can't be rendered with these inputs.
        LabError: one of the children failed; the engine has shown why.
    """
    inputs = from_struct(request.inputs)
    monitor = resource_pb2_grpc.ResourceMonitorStub(grpc.insecure_channel(request.monitorEndpoint, options=CHANNEL_OPTIONS))
    urn = monitor.RegisterResource(_component(request)).urn
    children: list[Properties] = []
    if has_unknown(inputs) or has_unknown(default_namespace):
        warn("Input properties have unknown values. Preview is incomplete.", urn)
    else:
        arguments = plain(inputs)
        namespace = str(arguments.get("namespace") or default_namespace)
        found = manifest.parsed(rendered(request.name, arguments, namespace, api))
        found = manifest.placed(found, namespace, lambda *kind: _namespaced(api, *kind))
        prefix = arguments.get("resourcePrefix")
        name = request.name if prefix is None else str(prefix)
        children = _registered(monitor, request, urn, name, [_awaited(item, arguments) for item in found])
    outputs = to_struct({"resources": children})
    monitor.RegisterResourceOutputs(resource_pb2.RegisterResourceOutputsRequest(urn=urn, outputs=to_struct({})))
    return provider_pb2.ConstructResponse(urn=urn, state=outputs)


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


def _child(request: provider_pb2.ConstructRequest, parent: str, name: str, obj: Object) -> resource_pb2.RegisterResourceRequest:
    properties: Properties = dict(obj)
    if (obj["apiVersion"], obj["kind"]) == ("v1", "Secret"):
        properties |= {key: secret(obj[key]) for key in ("data", "stringData") if key in obj}
    child = resource_pb2.RegisterResourceRequest(
        type=objects.token(obj["apiVersion"], obj["kind"]),
        name=manifest.child_name(name, obj),
        parent=parent,
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


def _registered(
    monitor: Any,  # noqa: ANN401 # grpc's stubs have no types
    request: provider_pb2.ConstructRequest,
    parent: str,
    name: str,
    found: list[Object],
) -> list[Properties]:
    """Register every object, all at once but for those that others need, and return references in the chart's order."""
    calls: dict[int, Any] = {}
    done: dict[int, resource_pb2.RegisterResourceResponse] = {}
    for index in _order(found):
        child = _child(request, parent, name, found[index])
        for needed in manifest.needs(found[index], found):
            if needed in calls:
                done.setdefault(needed, _result(calls[needed]))
                child.dependencies.append(done[needed].urn)
        calls[index] = monitor.RegisterResource.future(child)
    for index, call in calls.items():
        done.setdefault(index, _result(call))
    return [reference(done[index].urn, done[index].id) for index in range(len(found))]


def _result(call: Any) -> resource_pb2.RegisterResourceResponse:  # noqa: ANN401 # grpc's stubs have no types
    try:
        response: resource_pb2.RegisterResourceResponse = call.result()
    except grpc.RpcError as failed:
        raise LabError("a resource of the chart failed") from failed
    return response


# rendering


def rendered(name: str, arguments: Properties, namespace: str, api: Api | None) -> str:
    """What `helm template` makes of the chart, hooks left out.

    Raises:
        UserError: helm is missing or refuses; its sentence is in the message.
    """
    for key in _REFUSED:
        if arguments.get(key):
            raise UserError(f"Chart {name}: {key} needs the published Kubernetes plugin; the lab's stand-in can't do it.")
    helm = shutil.which("helm")
    if helm is None:
        raise UserError(f"Chart {name}: the program helm is not on PATH; `./lab up` brings it, `./lab env` puts it on PATH.")
    words = [
        helm,
        "template",
        str(arguments.get("name") or name),
        str(arguments["chart"]),
        "--namespace",
        namespace,
        "--no-hooks",
    ]
    words += _options(name, arguments) + _capabilities(api)
    with tempfile.TemporaryDirectory() as folder:
        for index, content in enumerate(_values(name, arguments)):
            file = Path(folder) / f"{index}.yaml"
            file.touch(mode=0o600)
            file.write_text(content)
            words += ["--values", str(file)]
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_RENDERED_WITHIN_S, check=False
            )
        except subprocess.TimeoutExpired as late:
            raise UserError(f"Chart {name}: helm gave no result within {_RENDERED_WITHIN_S} s.") from late
    if done.returncode:
        raise UserError(f"Chart {name}: {helm_sentence(done.stderr)}")
    return done.stdout


def helm_sentence(stderr: str) -> str:
    """Helm's error lines as one sentence."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    start = next((index for index, line in enumerate(lines) if line.startswith("Error:")), 0)
    kept = [line.removeprefix("Error:").strip() for line in lines[start:] if not line.startswith("Use --debug")]
    text = " ".join(kept) or "helm failed without a word"
    return text if text.endswith(".") else f"{text}."


def _options(name: str, arguments: Properties) -> list[str]:
    repository = arguments.get("repositoryOpts") or {}
    if repository.get("username") or repository.get("password"):
        raise UserError(f"Chart {name}: a repository's login would show in the process list; fetch the chart and give its path.")
    words = [] if arguments.get("skipCrds") else ["--include-crds"]
    for option, value in (("--version", arguments.get("version")), ("--repo", repository.get("repo"))):
        words += [option, str(value)] if value else []
    for option, key in (("--devel", "devel"), ("--plain-http", "plainHttp")):
        words += [option] if arguments.get(key) else []
    return words


def _capabilities(api: Api | None) -> list[str]:
    if api is None:
        return []
    return ["--kube-version", api.version(), "--api-versions", ",".join(api.group_versions())]


def _values(name: str, arguments: Properties) -> list[str]:
    """The values files in helm's order, the values given in the program last."""
    contents = []
    for asset in arguments.get("valueYamlFiles") or ():
        if asset.get("text"):
            contents.append(str(asset["text"]))
        elif asset.get("path"):
            try:
                contents.append(Path(asset["path"]).read_text())
            except OSError as missing:
                raise UserError(f"Chart {name}: no values file at {asset['path']}.") from missing
        else:
            raise UserError(f"Chart {name}: valueYamlFiles takes files and texts; the lab's stand-in fetches nothing.")
    return [*contents, json.dumps(arguments.get("values") or {})]
