"""`iotlab:index:Password`: a password made once, kept encrypted in the state, made anew only on request."""

from __future__ import annotations

import hashlib
import secrets
import string

from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2 as messages

from infra import versions
from infra.lab.errors import UserError
from infra.lab.plugins.server import Plugin
from infra.lab.plugins.values import UNKNOWN, Json, Properties, Secret, from_struct, plain, to_struct

TYPE = "iotlab:index:Password"
# Letters and digits alone: safe in URLs, shells, properties files and Mosquitto's password file. 6 bits a character.
ALPHABET = string.ascii_letters + string.digits
SHORTEST, LONGEST = 16, 128
_DEFAULTS: Properties = {"length": 32, "rotation": 0}


def _refused(inputs: Properties) -> list[messages.CheckFailure]:
    failures = [
        messages.CheckFailure(property=key, reason=f"{key} is not an input of a Password; there are length and rotation.")
        for key in inputs.keys() - _DEFAULTS.keys()
    ]
    for key, (least, most) in {"length": (SHORTEST, LONGEST), "rotation": (0, 2**31)}.items():
        value = inputs[key]
        if value is UNKNOWN:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            reason = f"{key} must be a whole number from {least} to {most}, not {value!r}."
            failures.append(messages.CheckFailure(property=key, reason=reason))
    return failures


def _made(length: int, inputs: Properties) -> Properties:
    value = "".join(secrets.choice(ALPHABET) for _ in range(length))
    return inputs | {"value": Secret(value)}


class Iotlab(Plugin):
    """The engine's calls for the lab's own types; there is one."""

    name = "iotlab"
    version = versions.LAB

    @staticmethod
    def _only_password(urn: str) -> None:
        token = urn.split("::")[-2].rsplit("$", 1)[-1]
        if token != TYPE:
            raise UserError(f"The plugin iotlab has no type {token}; it has {TYPE}.")

    def check(self, request: messages.CheckRequest) -> messages.CheckResponse:
        """Fill in the defaults and refuse what isn't an input."""
        self._only_password(request.urn)
        given: Properties = {key: value for key, value in from_struct(request.news).items() if value is not None}
        inputs = _DEFAULTS | {key: plain(value) for key, value in given.items()}
        return messages.CheckResponse(inputs=to_struct(inputs), failures=_refused(inputs))

    def diff(self, request: messages.DiffRequest) -> messages.DiffResponse:
        """A change of length or rotation makes a new value in place; nothing else ever does."""
        old, new = from_struct(request.old_inputs), from_struct(request.news)
        changed = [key for key in _DEFAULTS if old.get(key) != new.get(key)]
        kind = messages.PropertyDiff.UPDATE
        return messages.DiffResponse(
            changes=messages.DiffResponse.DIFF_SOME if changed else messages.DiffResponse.DIFF_NONE,
            diffs=changed,
            detailedDiff={key: messages.PropertyDiff(kind=kind, inputDiff=True) for key in changed},
            hasDetailedDiff=True,
        )

    @staticmethod
    def _value(inputs: Properties, *, preview: bool) -> Properties:
        length: Json = inputs["length"]
        return inputs | {"value": Secret(UNKNOWN)} if preview or length is UNKNOWN else _made(length, inputs)

    def create(self, request: messages.CreateRequest) -> messages.CreateResponse:
        """Make the password; in a preview it stays unknown."""
        inputs = from_struct(request.properties)
        # The id names the resource in the state; a hash of its URN says nothing of the value.
        resource_id = "" if request.preview else hashlib.sha256(request.urn.encode()).hexdigest()[:16]
        return messages.CreateResponse(id=resource_id, properties=to_struct(self._value(inputs, preview=request.preview)))

    def update(self, request: messages.UpdateRequest) -> messages.UpdateResponse:
        """Make a new password: the rotation or the length has changed."""
        return messages.UpdateResponse(properties=to_struct(self._value(from_struct(request.news), preview=request.preview)))

    def read(self, request: messages.ReadRequest) -> messages.ReadResponse:
        """Give the state back: the state is the only place where the password is."""
        if not request.properties.fields:
            raise UserError("A Password can't be imported: its value exists in the stack's state only; create a new one.")
        return messages.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    def delete(self, _: messages.DeleteRequest) -> Empty:
        """Nothing exists outside the state."""
        return Empty()
