"""The engine's calls, answered by the table's rows and the account."""

from __future__ import annotations

import json
import os
from typing import Final

from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2 as messages

from infra import versions
from infra.lab.errors import LabError, UserError
from infra.lab.plugins.aws import compared, table
from infra.lab.plugins.aws.account import Account, RefusedError
from infra.lab.plugins.server import NotReadyError, Plugin
from infra.lab.plugins.values import Properties, from_struct, mark_secrets, plain, to_struct

UNFINISHED: Final = "__unfinished"  # in the state of what was made, but not to its end
_NAME_DIGITS: Final = 7
_STAND_IN: Final = "The tests' stand-in for pulumi-aws is at work: AWS is an emulator, nothing here exists."


def _label(urn: str) -> str:
    """How messages call a resource: `Vpc lab`."""
    kind, name = urn.split("::")[-2:]
    return f"{kind.rsplit(':', 1)[-1]} {name}"


def _given(values: Properties) -> Properties:
    return {key: value for key, value in values.items() if value is not None and not key.startswith("__")}


class Aws(Plugin):
    """One AWS provider: one region of the account."""

    name = "aws"
    version = versions.PULUMI_AWS

    def __init__(self, engine_address: str) -> None:
        """The region comes with `configure`."""
        super().__init__(engine_address)
        self._account = Account(os.environ.get("AWS_REGION", ""))
        self._default_tags: Properties = {}

    def configure(self, request: messages.ConfigureRequest) -> messages.ConfigureResponse:
        """Keep the region and the tags that everything gets."""
        settings = plain(from_struct(request.args))
        default_tags = settings.get("defaultTags") or {}
        default_tags = json.loads(default_tags) if isinstance(default_tags, str) else default_tags
        self._default_tags = default_tags.get("tags") or {}
        self._account = Account(settings.get("region") or self._account.region)
        self.warn(_STAND_IN)
        return super().configure(request)

    # inputs

    def check(self, request: messages.CheckRequest) -> messages.CheckResponse:
        """Give it a name and the provider's tags; refuse what the table doesn't know, or the stand-in would lose it silently."""
        row, inputs, old = table.type_of(request.urn), _given(from_struct(request.news)), from_struct(request.olds)
        kind = _label(request.urn).split()[0]
        failures = [
            messages.CheckFailure(property=key, reason=f"the tests' stand-in for pulumi-aws does not know {key} of {kind}.")
            for key in inputs
            if key not in row.inputs
        ]
        if row.name and row.name not in inputs:
            made = f"{request.urn.split('::')[-1]}-{request.randomSeed.hex()[:_NAME_DIGITS]}"
            inputs[row.name] = old.get(row.name) if old.get("__named") else made
            inputs["__named"] = True
        if row.tagged:
            inputs["tagsAll"] = self._default_tags | plain(inputs.get("tags") or {})
        return messages.CheckResponse(inputs=to_struct(inputs), failures=failures)

    def diff(self, request: messages.DiffRequest) -> messages.DiffResponse:
        """Compare old and new inputs; what AWS can't change needs a new resource."""
        row, old, new = table.type_of(request.urn), plain(from_struct(request.old_inputs)), plain(from_struct(request.news))
        changed = compared.changed(old, new)
        replaced = compared.replaced(row, old, new)
        one_name = row.name and not new.get("__named") and old.get(row.name) == new.get(row.name)
        kinds = messages.PropertyDiff
        return messages.DiffResponse(
            changes=messages.DiffResponse.DIFF_SOME if changed else messages.DiffResponse.DIFF_NONE,
            diffs=changed,
            replaces=replaced,
            deleteBeforeReplace=bool(replaced) and bool(one_name or row.single),
            detailedDiff={
                key: messages.PropertyDiff(kind=kinds.UPDATE_REPLACE if key in replaced else kinds.UPDATE, inputDiff=True)
                for key in changed
            },
            hasDetailedDiff=True,
        )

    # resources

    def create(self, request: messages.CreateRequest) -> messages.CreateResponse:
        """Make it and bring it to what is wanted; what was made, but not to its end, is recorded for the next `up`."""
        row, inputs = table.type_of(request.urn), from_struct(request.properties)
        if request.preview:
            return messages.CreateResponse(properties=to_struct(compared.expected(row, inputs)))
        wanted = plain(inputs)
        try:
            answer = self._account.run(row.service, row.create[:1], wanted)
        except LabError as error:
            raise LabError(f"{_label(request.urn)} was not made: {error}.") from error
        ident = str(table.value_of(row.id, wanted | {"answer": answer}))
        state = self._finished(request.urn, ident, inputs, inputs | {UNFINISHED: True})
        return messages.CreateResponse(id=ident, properties=to_struct(state))

    def update(self, request: messages.UpdateRequest) -> messages.UpdateResponse:
        """Bring it to what is wanted."""
        row, inputs, state = table.type_of(request.urn), from_struct(request.news), from_struct(request.olds)
        if request.preview:
            return messages.UpdateResponse(properties=to_struct(compared.expected(row, inputs, state)))
        before = from_struct(request.old_inputs) | {UNFINISHED: state.get(UNFINISHED)}
        return messages.UpdateResponse(properties=to_struct(self._finished(request.urn, request.id, inputs, before)))

    def _finished(self, urn: str, ident: str, inputs: Properties, before: Properties) -> Properties:
        """Make the requests for which AWS, or `before`, is not as the inputs say; return the new state."""
        row, wanted, old = table.type_of(urn), plain(inputs), plain(before)
        state: Properties = inputs
        try:
            if old.get(UNFINISHED):
                self._account.run(row.service, row.create[1:], wanted | {"id": ident})
            live = self._live(row, ident, wanted)
            if live is None:
                raise UserError("it is gone; `pulumi refresh` notices that, and the next `up` makes it anew")
            state = compared.state(inputs, live)
            due = [change for change in row.all_changes if compared.due(change, wanted, live, old)]
            for change in due:
                self._account.run(row.service, change.steps, wanted | {"id": ident, "live": live, "old": old})
            return compared.state(inputs, self._live(row, ident, wanted) or live) if due else state
        except LabError as error:
            message = f"{_label(urn)} ({ident}) is not as it should be: {error}."
            unfinished = state | {UNFINISHED: bool(old.get(UNFINISHED))}
            raise NotReadyError(message, ident, unfinished, inputs) from error

    def _live(self, row: table.Type, ident: str, known: Properties) -> Properties | None:
        """The resource as AWS has it; None if it has none."""
        document = known | {"id": ident, "region": self._account.region, "account": self._account.account}
        try:
            answers = self._account.run(row.service, row.read, document)
        except RefusedError as error:
            if error.gone:
                return None
            raise
        live: Properties | None = table.value_of(row.take, document | answers)
        if live and row.tagged and "tagsAll" in live:
            own = known.get("tags") or {}
            live["tags"] = {
                key: value for key, value in live["tagsAll"].items() if key in own or self._default_tags.get(key) != value
            }
        return live

    def read(self, request: messages.ReadRequest) -> messages.ReadResponse:
        """Read it as it is, for a refresh; what differs from the inputs becomes the new inputs."""
        row, inputs, state = table.type_of(request.urn), from_struct(request.inputs), from_struct(request.properties)
        if not inputs:
            raise UserError(f"{_label(request.urn)} can't be imported: the tests' stand-in for pulumi-aws does not do that.")
        try:
            live = self._live(row, request.id, plain(state | inputs))
        except LabError as error:
            raise LabError(f"{_label(request.urn)} ({request.id}) could not be read: {error}.") from error
        if live is None:
            return messages.ReadResponse()
        seen = mark_secrets(compared.seen(plain(inputs), live), inputs)
        found = compared.state(seen, live) | ({UNFINISHED: True} if state.get(UNFINISHED) else {})
        return messages.ReadResponse(id=request.id, properties=to_struct(found), inputs=to_struct(seen))

    def delete(self, request: messages.DeleteRequest) -> Empty:
        """Delete it; what is gone already is no error."""
        row, state = table.type_of(request.urn), plain(from_struct(request.properties))
        try:
            self._account.run(row.service, row.delete, state | {"id": request.id})
        except LabError as error:
            if not (isinstance(error, RefusedError) and error.gone):
                raise LabError(f"{_label(request.urn)} ({request.id}) was not deleted: {error}.") from error
        return Empty()

    # functions

    def invoke(self, request: messages.InvokeRequest) -> messages.InvokeResponse:
        """Ask AWS one of the table's questions."""
        known = table.functions()
        if request.tok not in known:
            raise UserError(f"The tests' stand-in for pulumi-aws has no {request.tok}: add a row to infra/lab/plugins/aws/types.")
        row, arguments = known[request.tok], _given(plain(from_struct(request.args)))
        step = table.Call.model_construct(call=row.call, send=row.send)
        answers = self._account.run(row.service, [step], arguments)
        found = table.value_of(row.take, arguments | answers | {"region": self._account.region})
        if found is None:
            name = request.tok.rsplit(":", 1)[-1]
            raise UserError(f"{name} found nothing in {self._account.region} for {json.dumps(arguments)}. {row.missing}".rstrip())
        response = messages.InvokeResponse()
        getattr(response, "return").CopyFrom(to_struct(found))  # the field is called like a keyword
        return response
