"""The engine's calls for the lab's own resource types."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from importlib import import_module
from threading import Event
from typing import Final

from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2 as messages

from infra import versions
from infra.lab.errors import LabError, UserError
from infra.lab.plugins.iotlab.kind import Kind, Report, UnfinishedError
from infra.lab.plugins.server import NotReadyError, Plugin
from infra.lab.plugins.values import Properties, from_struct, has_unknown, mark_secrets, plain, secret, to_struct

KINDS: Final = {  # type -> its module, read when it is asked for: boto3 and paramiko take 0.3 s that a laptop's lab doesn't need
    f"iotlab:index:{name}": module
    for name, module in (
        ("Password", "password"),
        ("Certificate", "certificate"),
        ("SshKey", "ssh_key"),
        ("HostKey", "host_key"),
        ("Lab", "lab"),
    )
}


@cache
def _of_type(token: str) -> Kind:
    module = import_module(f"infra.lab.plugins.iotlab.{KINDS[token]}")
    kind: Callable[[], Kind] = getattr(module, token.rsplit(":", 1)[-1])
    return kind()


def _kind(urn: str) -> Kind:
    token = urn.split("::")[-2].rsplit("$", 1)[-1]
    if token not in KINDS:
        raise UserError(f"The plugin iotlab has no type {token}; it has {', '.join(KINDS)}.")
    return _of_type(token)


class Iotlab(Plugin):
    """What these types make exists in the state alone, or on a machine that is somebody else's to delete."""

    name = "iotlab"
    version = versions.LAB

    def __init__(self, engine_address: str) -> None:
        """Nothing is cancelled."""
        super().__init__(engine_address)
        self._cancelled = Event()

    def cancel(self, _: Empty) -> Empty:
        """End what waits."""
        self._cancelled.set()
        return super().cancel(Empty())

    def _report(self, urn: str) -> Report:
        def report(line: str) -> None:
            if self._cancelled.is_set():
                raise LabError("The update was cancelled; the next one goes on.")
            self.tell(line, urn)

        return report

    def check(self, request: messages.CheckRequest) -> messages.CheckResponse:
        """Fill in the defaults and refuse what isn't an input."""
        kind = _kind(request.urn)
        given: Properties = {key: value for key, value in from_struct(request.news).items() if value is not None}
        inputs = kind.defaults | {key: plain(value) for key, value in given.items()}
        reasons = kind.reasons(inputs)
        inputs |= {key: secret(inputs[key]) for key in kind.secrets}
        failures = [messages.CheckFailure(property=key, reason=reason) for key, reason in reasons.items()]
        return messages.CheckResponse(inputs=to_struct(inputs), failures=failures)

    def diff(self, request: messages.DiffRequest) -> messages.DiffResponse:
        """A changed input makes new outputs in place, and so does what has outlived itself; nothing else ever does."""
        kind = _kind(request.urn)
        old, new = from_struct(request.old_inputs), from_struct(request.news)
        changed = [key for key in kind.defaults if old.get(key) != new.get(key)]
        outlived = kind.outlived(from_struct(request.olds)) if not changed else []
        update = messages.PropertyDiff.UPDATE
        return messages.DiffResponse(
            changes=messages.DiffResponse.DIFF_SOME if changed or outlived else messages.DiffResponse.DIFF_NONE,
            diffs=[*changed, *outlived],
            detailedDiff={key: messages.PropertyDiff(kind=update, inputDiff=key in changed) for key in (*changed, *outlived)},
            hasDetailedDiff=True,
        )

    def create(self, request: messages.CreateRequest) -> messages.CreateResponse:
        """Make it; in a preview it stays unknown."""
        # The id names the resource in the state; a hash of its URN says nothing of the value.
        resource_id = "" if request.preview else hashlib.sha256(request.urn.encode()).hexdigest()[:16]
        inputs = from_struct(request.properties)
        outputs = self._outputs(request.urn, resource_id, inputs, {}, preview=request.preview)
        return messages.CreateResponse(id=resource_id, properties=to_struct(outputs))

    def update(self, request: messages.UpdateRequest) -> messages.UpdateResponse:
        """Make it anew, as `diff` has found a reason, unless only how it is made has changed."""
        inputs, old_inputs, state = (from_struct(one) for one in (request.news, request.old_inputs, request.olds))
        changed = {key for key in inputs if inputs[key] != old_inputs.get(key)}
        if changed and changed <= _kind(request.urn).idle:
            return messages.UpdateResponse(properties=to_struct(state | inputs))
        outputs = self._outputs(request.urn, request.id, inputs, state, preview=request.preview)
        return messages.UpdateResponse(properties=to_struct(outputs))

    def _outputs(self, urn: str, ident: str, inputs: Properties, state: Properties, *, preview: bool) -> Properties:
        kind = _kind(urn)
        if preview or has_unknown(inputs):
            return inputs | kind.unknown()
        try:
            return inputs | kind.made(plain(inputs), self._report(urn))
        except UnfinishedError as failed:
            raise NotReadyError(str(failed), ident, state | inputs | failed.outputs, inputs) from failed

    def read(self, request: messages.ReadRequest) -> messages.ReadResponse:
        """Give the state back, with what can be seen outside."""
        kind = _kind(request.urn)
        if not request.properties.fields:
            raise UserError(f"A {kind.name} can't be imported: its value exists in the stack's state only; create a new one.")
        state = from_struct(request.properties)
        seen = mark_secrets(kind.seen(plain(state)), state)
        return messages.ReadResponse(id=request.id, properties=to_struct(state | seen), inputs=request.inputs)

    def delete(self, _: messages.DeleteRequest) -> Empty:
        """Nothing exists outside the state."""
        return Empty()
