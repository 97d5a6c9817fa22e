"""The engine's calls for Kubernetes objects: check, diff, create, read, update, delete; charts are in chart.py."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2 as messages

from infra.lab.errors import LabError, UserError
from infra.lab.plugins.kubernetes import apply, chart, diff, objects
from infra.lab.plugins.kubernetes.api import Api, ApiError
from infra.lab.plugins.kubernetes.connection import Connection
from infra.lab.plugins.kubernetes.objects import Object, metadata
from infra.lab.plugins.kubernetes.ready import condition
from infra.lab.plugins.kubernetes.wait import WaitError, Waits
from infra.lab.plugins.server import NotReadyError
from infra.lab.plugins.values import (
    UNKNOWN,
    Json,
    Properties,
    Secret,
    from_struct,
    has_unknown,
    mark_secrets,
    plain,
    secret,
    to_struct,
)

_WORKLOADS: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"})
_NOT_OBJECTS: Final = frozenset({"helm.sh", "yaml", "kustomize"})  # types of the published plugin that are not the API's
_CLAIM: Final = "PersistentVolumeClaim"
_OF_THE_SERVER: Final = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink")


class Kubernetes(Connection):
    """The life of the objects of one Kubernetes provider."""

    # inputs

    def check(self, request: messages.CheckRequest) -> messages.CheckResponse:
        """Complete the inputs (type, name, namespace) and refuse what can't be an object."""
        api_version, kind = objects.group_version_kind(request.urn)
        inputs: dict[str, Any] = objects.without_nulls(from_struct(request.news))
        if objects.token(api_version, kind) == chart.TYPE:
            raise UserError(str(inputs.get(chart.REFUSAL)))
        if api_version.split("/")[0] in _NOT_OBJECTS:
            raise UserError(
                f"The lab's stand-in for pulumi-kubernetes has no {objects.token(api_version, kind)}; use helm.v4.Chart."
            )
        failures = [
            messages.CheckFailure(
                property=key, reason=f"{key} is {plain(inputs[key])!r}, but the resource's type says {right!r}."
            )
            for key, right in (("apiVersion", api_version), ("kind", kind))
            if plain(inputs.get(key, right)) not in (right, UNKNOWN)
        ]
        inputs = {"apiVersion": api_version, "kind": kind} | inputs
        given: Json = inputs.get("metadata", {})
        meta: Json = plain(given)
        if isinstance(meta, dict):
            meta, refused = self._named(meta, request, api_version, kind)
            inputs["metadata"] = secret(meta) if isinstance(given, Secret) else mark_secrets(meta, given)
            failures += [messages.CheckFailure(property="metadata.name", reason=refused)] if refused else []
        elif meta is not UNKNOWN:
            failures.append(messages.CheckFailure(property="metadata", reason="metadata must be a map."))
        if (api_version, kind) == ("v1", "Secret"):
            inputs |= {key: secret(inputs[key]) for key in ("data", "stringData") if key in inputs}
        return messages.CheckResponse(inputs=to_struct(inputs), failures=failures)

    def _named(self, meta: Object, request: messages.CheckRequest, api_version: str, kind: str) -> tuple[Object, str | None]:
        if meta.get("generateName"):
            return meta, "metadata.generateName can't be used with server-side apply; leave it out for a generated name."
        if "name" not in meta:
            old = plain(from_struct(request.olds))
            name = objects.autonamed(request.urn.split("::")[-1], request.randomSeed, old)
            meta = meta | {"name": name, "annotations": (meta.get("annotations") or {}) | {objects.AUTONAMED: "true"}}
        if not self.namespaced(api_version, kind):
            meta = {key: item for key, item in meta.items() if key != "namespace"}
        elif not meta.get("namespace"):
            meta = meta | {"namespace": self.default_namespace()}
        return meta, objects.refused_name(kind, meta["name"])

    def diff(self, request: messages.DiffRequest) -> messages.DiffResponse:
        """Compare old and new inputs; what the API server can't change in place needs a new object, a claim never gets one."""
        old, new = from_struct(request.old_inputs), from_struct(request.news)
        state = plain(from_struct(request.olds))
        found = diff.changes(old, new)
        if new.get("kind") == "Job" and condition(state, "Failed").get("status") == "True":
            found.append(diff.Change("status", diff.UPDATE, replace=True))
        replaced = [change.path for change in found if change.replace]
        if replaced and new.get("kind") == _CLAIM:
            raise UserError(
                f"{objects.label(state)}: {', '.join(replaced)} of a claim can't be changed, and the lab never replaces a claim,"
                " because its data would be lost. Set the old value again, or add a claim with a new name and copy the data."
            )
        kinds = messages.PropertyDiff.Kind
        return messages.DiffResponse(
            changes=messages.DiffResponse.DIFF_SOME if found else messages.DiffResponse.DIFF_NONE,
            diffs=sorted({change.path.split(".")[0].split("[")[0] for change in found}),
            replaces=replaced,
            deleteBeforeReplace=bool(replaced) and diff.same_name(plain(old), plain(new)),
            detailedDiff={
                change.path: messages.PropertyDiff(
                    kind=kinds.Value(f"{change.what}_REPLACE" if change.replace else change.what),
                    inputDiff=change.path != "status",
                )
                for change in found
            },
            hasDetailedDiff=True,
        )

    # objects

    @staticmethod
    def _state(live: Object, inputs: Properties) -> Properties:
        """What the state keeps: the live object without what would change by itself or show a secret."""
        meta = {key: item for key, item in metadata(live).items() if key != "managedFields"}
        if "annotations" in meta:
            meta["annotations"] = {key: item for key, item in meta["annotations"].items() if key != objects.LAST_APPLIED}
        state: Properties = mark_secrets(live | {"metadata": meta}, inputs)
        if live.get("kind") == "Secret":
            state |= {key: secret(state[key]) for key in ("data", "stringData") if key in state}
        return state

    def _previewed(self, inputs: Properties, urn: str, old: Properties | None = None) -> Properties:
        """What an update would give, checked by the server where it can be; `old` is the state of what exists already."""
        api = None if has_unknown(inputs) else self.api_or_none()
        obj: Object = plain(inputs)
        dry = apply.previewed(api, obj, objects.field_manager(urn)) if api else None
        expected = apply.unknown_until_made(dry or obj, obj, metadata(plain(old or {})))
        return self._state(expected, inputs)

    def _applied(self, inputs: Properties, urn: str, timeout_s: float) -> tuple[str, Properties]:
        api, obj = self.api(), plain(inputs)
        waits = Waits(api, self.cancelled)
        live = apply.apply(api, obj, objects.field_manager(urn), self.cancelled)
        try:
            live = waits.ready(live, timeout_s)
        except LabError as error:  # whatever it is, the object is there and must be recorded
            live = error.live if isinstance(error, WaitError) else live
            raise NotReadyError(str(error), objects.resource_id(live), self._state(live, inputs), inputs) from error
        return objects.resource_id(live), self._state(live, inputs)

    def create(self, request: messages.CreateRequest) -> messages.CreateResponse:
        """Apply the object and wait until it is ready; an object that exists already is taken over if nobody objects."""
        inputs = from_struct(request.properties)
        if request.preview:
            return messages.CreateResponse(properties=to_struct(self._previewed(inputs, request.urn)))
        self._wait_for_the_last_one(plain(inputs), request.timeout)
        resource_id, state = self._applied(inputs, request.urn, request.timeout)
        return messages.CreateResponse(id=resource_id, properties=to_struct(state))

    def _wait_for_the_last_one(self, obj: Object, timeout_s: float) -> None:
        meta = metadata(obj)
        live = self.api().get(str(obj["apiVersion"]), str(obj["kind"]), meta.get("namespace"), str(meta["name"]))
        if live and metadata(live).get("deletionTimestamp"):
            Waits(self.api(), self.cancelled).gone(live, timeout_s)

    def update(self, request: messages.UpdateRequest) -> messages.UpdateResponse:
        """Apply the new inputs and wait until the object is ready again."""
        inputs = from_struct(request.news)
        if request.preview:
            return messages.UpdateResponse(properties=to_struct(self._previewed(inputs, request.urn, from_struct(request.olds))))
        _, state = self._applied(inputs, request.urn, request.timeout)
        return messages.UpdateResponse(properties=to_struct(state))

    def read(self, request: messages.ReadRequest) -> messages.ReadResponse:
        """Read the object as it is, for a refresh or an import; what differs from the inputs becomes the new inputs."""
        api_version, kind = objects.group_version_kind(request.urn)
        namespace, name = objects.split_id(request.id)
        live = self.api().get(api_version, kind, namespace, name)
        if live is None:
            return messages.ReadResponse()
        inputs = from_struct(request.inputs)
        seen = self._seen(inputs, live, request.urn) if inputs else self._imported(live)
        return messages.ReadResponse(
            id=objects.resource_id(live), properties=to_struct(self._state(live, seen)), inputs=to_struct(seen)
        )

    def _seen(self, inputs: Properties, live: Object, urn: str) -> Properties:
        obj: Object = plain(inputs)
        would_be = apply.intended(self.api(), obj, objects.field_manager(urn)) or obj
        found: Json = diff.seen(obj, diff.with_string_data(live, obj), diff.with_string_data(would_be, obj))
        return dict(mark_secrets(found, inputs))

    @staticmethod
    def _imported(live: Object) -> Properties:
        meta = {key: item for key, item in metadata(live).items() if key not in _OF_THE_SERVER}
        inputs: Properties = {key: item for key, item in live.items() if key != "status"} | {"metadata": meta}
        if live.get("kind") == "Secret":
            inputs |= {key: secret(inputs[key]) for key in ("data",) if key in inputs}
        return inputs

    def delete(self, request: messages.DeleteRequest) -> Empty:
        """Delete the object and wait until it is gone; claims, and namespaces that hold some, stay in the cluster."""
        obj: Object = plain(from_struct(request.properties))
        api = self.api()
        if self._kept(api, obj, request.urn):
            return Empty()
        meta = metadata(obj)
        body: dict[str, Any] = {"propagationPolicy": "Foreground" if obj["kind"] in _WORKLOADS else "Background"}
        if meta.get("uid"):
            body["preconditions"] = {"uid": meta["uid"]}
        try:
            api.delete(str(obj["apiVersion"]), str(obj["kind"]), meta.get("namespace"), str(meta["name"]), body)
        except ApiError as error:
            raise apply.explained(error, obj) from error
        Waits(api, self.cancelled).gone(obj, request.timeout)
        return Empty()

    def _kept(self, api: Api, obj: Object, urn: str) -> bool:
        name = str(metadata(obj)["name"])
        if obj["kind"] == _CLAIM:
            command = f"kubectl delete pvc {name} -n {metadata(obj).get('namespace')}"
            self.warn(f"{objects.label(obj)} stays in the cluster with its data; `{command}` deletes both.", urn)
            return True
        if obj["kind"] == "Namespace" and obj["apiVersion"] == "v1" and api.every("v1", _CLAIM, name):
            self.warn(
                f"{objects.label(obj)} stays in the cluster: it holds claims with data; `kubectl delete ns {name}` deletes all.",
                urn,
            )
            return True
        return False

    # charts

    def construct(self, request: messages.ConstructRequest) -> messages.ConstructResponse:
        """Render a chart and register its objects as children."""
        if request.type != chart.TYPE:
            return super().construct(request)
        return chart.construct(request, self.api_or_none(), self.default_namespace(), self)
