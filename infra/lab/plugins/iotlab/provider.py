"""The engine's calls for the lab's own resource types."""

from __future__ import annotations

import hashlib
from typing import Final

from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2 as messages

from infra import versions
from infra.lab.errors import UserError
from infra.lab.plugins.iotlab.certificate import Certificate
from infra.lab.plugins.iotlab.kind import Kind
from infra.lab.plugins.iotlab.password import Password
from infra.lab.plugins.server import Plugin
from infra.lab.plugins.values import Properties, from_struct, has_unknown, plain, to_struct

KINDS: Final[dict[str, Kind]] = {kind.urn_type: kind for kind in (Password(), Certificate())}


def _kind(urn: str) -> Kind:
    token = urn.split("::")[-2].rsplit("$", 1)[-1]
    if token not in KINDS:
        raise UserError(f"The plugin iotlab has no type {token}; it has {', '.join(KINDS)}.")
    return KINDS[token]


def _outputs(kind: Kind, inputs: Properties, *, preview: bool) -> Properties:
    return inputs | (kind.unknown() if preview or has_unknown(inputs) else kind.made(inputs))


class Iotlab(Plugin):
    """Everything exists in the state alone, so nothing is read or deleted anywhere else."""

    name = "iotlab"
    version = versions.LAB

    def check(self, request: messages.CheckRequest) -> messages.CheckResponse:
        """Fill in the defaults and refuse what isn't an input."""
        kind = _kind(request.urn)
        given: Properties = {key: value for key, value in from_struct(request.news).items() if value is not None}
        inputs = kind.defaults | {key: plain(value) for key, value in given.items()}
        reasons = kind.reasons(inputs)
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
        outputs = _outputs(_kind(request.urn), from_struct(request.properties), preview=request.preview)
        # The id names the resource in the state; a hash of its URN says nothing of the value.
        resource_id = "" if request.preview else hashlib.sha256(request.urn.encode()).hexdigest()[:16]
        return messages.CreateResponse(id=resource_id, properties=to_struct(outputs))

    def update(self, request: messages.UpdateRequest) -> messages.UpdateResponse:
        """Make it anew: `diff` has found a reason."""
        outputs = _outputs(_kind(request.urn), from_struct(request.news), preview=request.preview)
        return messages.UpdateResponse(properties=to_struct(outputs))

    def read(self, request: messages.ReadRequest) -> messages.ReadResponse:
        """Give the state back: the state is the only place where it is."""
        if not request.properties.fields:
            name = _kind(request.urn).name
            raise UserError(f"A {name} can't be imported: its value exists in the stack's state only; create a new one.")
        return messages.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    def delete(self, _: messages.DeleteRequest) -> Empty:
        """Nothing exists outside the state."""
        return Empty()
