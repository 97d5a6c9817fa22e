"""The provider itself: its inputs, the cluster they mean, and what may be said of it before it exists."""

from __future__ import annotations

import threading
from typing import Final

from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2 as messages

from infra import versions
from infra.lab.errors import LabError, UserError
from infra.lab.plugins.kubernetes import kubeconfig, objects
from infra.lab.plugins.kubernetes.api import Api
from infra.lab.plugins.server import Plugin
from infra.lab.plugins.values import Json, Properties, from_struct, has_unknown, plain

_SELECTION: Final = ("kubeconfig", "context", "cluster")
_REFUSED: Final = ("renderYamlToDirectory",)
_STAND_IN: Final = (
    "The lab's stand-in for pulumi-kubernetes is at work, because the published plugin can't be fetched here:"
    " same types, names and URNs; its state is not for the published one."
)


def _config(arguments: Properties) -> Properties:
    return {key: plain(value) for key, value in arguments.items() if value is not None and value != ""}


class Connection(Plugin):
    """One Kubernetes provider: one cluster, by the kubeconfig of its inputs or of the environment."""

    name = "kubernetes"
    version = versions.PULUMI_KUBERNETES

    def __init__(self, engine_address: str) -> None:
        """Nothing is known of the cluster until the engine calls `configure`."""
        super().__init__(engine_address)
        self.cancelled = threading.Event()
        self._lock = threading.Lock()
        self._settings: Properties = {}
        self._connection: Api | LabError | None = None

    def check_config(self, request: messages.CheckRequest) -> messages.CheckResponse:
        """Refuse a kubeconfig that can't be read and what this stand-in doesn't do."""
        settings = _config(from_struct(request.news))
        failures = [
            messages.CheckFailure(property=key, reason=f"{key} needs the published plugin; the lab's stand-in can't do it.")
            for key in _REFUSED
            if settings.get(key)
        ]
        if str(settings.get("enableServerSideApply", "true")).lower() == "false":
            reason = "The lab's stand-in works by server-side apply only: remove this input."
            failures.append(messages.CheckFailure(property="enableServerSideApply", reason=reason))
        given = settings.get("kubeconfig")
        if isinstance(given, str) and not has_unknown(settings) and kubeconfig.there(given):
            try:
                kubeconfig.load(given, settings.get("context"), settings.get("cluster"))
            except UserError as error:
                failures.append(messages.CheckFailure(property="kubeconfig", reason=str(error)))
        return messages.CheckResponse(inputs=request.news, failures=failures)

    def diff_config(self, request: messages.DiffRequest) -> messages.DiffResponse:
        """Another cluster means other objects; a new certificate or path for the same cluster does not."""
        old, new = _config(from_struct(request.old_inputs or request.olds)), _config(from_struct(request.news))
        changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        replaced: list[str] = []
        if any(key in _SELECTION for key in changed) and not has_unknown({key: new.get(key) for key in _SELECTION}):
            was, becomes = (kubeconfig.identity(*(item.get(key) for key in _SELECTION)) for item in (old, new))
            if was and becomes and was != becomes:
                replaced = [key for key in changed if key in _SELECTION]
        some = messages.DiffResponse.DIFF_SOME if changed else messages.DiffResponse.DIFF_NONE
        return messages.DiffResponse(changes=some, diffs=changed, replaces=replaced)

    def configure(self, request: messages.ConfigureRequest) -> messages.ConfigureResponse:
        """Keep the provider's inputs; the cluster is asked when something needs it."""
        self._settings = _config(from_struct(request.args))
        self.warn(_STAND_IN)
        return super().configure(request)

    def cancel(self, _: Empty) -> Empty:
        """End every wait."""
        self.cancelled.set()
        return super().cancel(Empty())

    def api(self) -> Api:
        """The cluster's API.

        Raises:
            LabError: there is none to be had: the kubeconfig is unknown, missing or broken, or nobody answers.
        """
        with self._lock:
            if self._connection is None:
                try:
                    self._connection = self._connected()
                except LabError as error:
                    self._connection = error
                    self.warn(f"{error} Previews are made without the cluster.")
            if isinstance(self._connection, LabError):
                raise self._connection
            return self._connection

    def _connected(self) -> Api:
        chosen = {key: self._settings.get(key) for key in _SELECTION}
        if has_unknown(chosen):
            raise UserError("The kubeconfig is not known yet: the cluster is made by this update.")
        api = Api(kubeconfig.load(*(chosen[key] for key in _SELECTION)))
        api.version()
        return api

    def api_or_none(self) -> Api | None:
        """The cluster's API, or None if there is none to be had."""
        try:
            return self.api()
        except LabError:
            return None

    def default_namespace(self) -> Json:
        """Where an object goes that names no namespace; UNKNOWN if the provider's own isn't known yet."""
        if given := self._settings.get("namespace"):
            return given
        api = self.api_or_none()
        return api.namespace if api else "default"

    def namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of this kind live in namespaces."""
        api = self.api_or_none()
        known = api.kind(api_version, kind) if api else None
        return known.namespaced if known else kind not in objects.CLUSTER_KINDS
