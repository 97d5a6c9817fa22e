"""The part of a provider plugin that speaks gRPC with Pulumi's engine; both plugins stand on it.

The SDK's `pulumi.provider.experimental` does the same for simple providers, but it cannot say «made, but not ready»
(the object would be lost from the state), breaks on an unknown value given to a component, and builds one component
after the other. So this stands directly on the SDK's generated messages.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final, NamedTuple, NoReturn, Protocol

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, status_pb2
from pulumi.runtime.proto import provider_pb2 as messages

from infra.lab.errors import LabError, UserError
from infra.lab.plugins.values import Properties, to_struct
from infra.lab.threads import in_a_thread

_LIMIT_BYTES = 400 * 1024 * 1024  # a chart's objects come in one message; grpc's own limit is 4 MB
CHANNEL_OPTIONS: Final = [("grpc.max_receive_message_length", _LIMIT_BYTES), ("grpc.max_send_message_length", _LIMIT_BYTES)]
_ORPHAN_CHECK_S = 1.0
_ANSWERED_WITHIN_S = 2.0  # of the engine's 5 s for all plugins
_ROOT: Final = "pulumi:pulumi:Stack"
_THREADS = 128  # one per waiting object; Pulumi's default is 4 operations a core at once

# The engine's calls, the method that answers each, and what it is given.
_CALLS: Final[dict[str, tuple[str, Any]]] = {
    "Cancel": ("cancel", Empty),
    "GetPluginInfo": ("get_plugin_info", Empty),
    "GetSchema": ("get_schema", messages.GetSchemaRequest),
    "CheckConfig": ("check_config", messages.CheckRequest),
    "DiffConfig": ("diff_config", messages.DiffRequest),
    "Configure": ("configure", messages.ConfigureRequest),
    "Check": ("check", messages.CheckRequest),
    "Diff": ("diff", messages.DiffRequest),
    "Create": ("create", messages.CreateRequest),
    "Read": ("read", messages.ReadRequest),
    "Update": ("update", messages.UpdateRequest),
    "Delete": ("delete", messages.DeleteRequest),
    "Invoke": ("invoke", messages.InvokeRequest),
    "Construct": ("construct", messages.ConstructRequest),
}


class NotReadyError(LabError):
    """The object was made but did not become ready; the engine records it and repairs it at the next `up`."""

    def __init__(self, message: str, resource_id: str, state: Properties, inputs: Properties) -> None:
        """`state` and `inputs` are what the engine shall record."""
        super().__init__(message)
        self.resource_id, self.state, self.inputs = resource_id, state, inputs


class _Status(NamedTuple):
    """What grpc wants of a status with details."""

    code: Any
    details: str
    trailing_metadata: Sequence[tuple[str, bytes]]


def _not_ready_status(error: NotReadyError) -> _Status:
    detail = messages.ErrorResourceInitFailed(
        id=error.resource_id,
        properties=to_struct(error.state),
        inputs=to_struct(error.inputs),
        reasons=[str(error)],
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error))
    status.details.add().Pack(detail)
    return _Status(grpc.StatusCode.UNKNOWN, str(error), [("grpc-status-details-bin", status.SerializeToString())])


class Context(Protocol):
    """What grpc hands to the answerer of a call."""

    def abort(self, code: object, details: str) -> NoReturn:
        """End the call with an error."""

    def abort_with_status(self, status: object) -> NoReturn:
        """End the call with an error that has details."""

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """Call `callback` when the call has ended and its answer is sent; false if it has ended already."""


class Work:
    """What is going on in the plugin, so that a component under construction learns that the update has ended without it.

    The engine starts nothing more after a failure, never answers for the children it didn't start, and closes its plugins
    one after the other, with 5 s for all, as soon as what runs has ended. A component not answered by then makes the
    program print a stack trace, and the plugins after this one be called broken.
    """

    def __init__(self) -> None:
        """Nothing runs and nothing has failed."""
        self._changed = threading.Condition()
        self._running = self._components = 0
        self._failed = self._cancelled = False

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count the body as running; an error of it as a failure."""
        with self._changed:
            self._running += 1
        failed = True
        try:
            yield
            failed = False
        finally:
            with self._changed:
                self._running -= 1
                self._failed |= failed
                self._changed.notify_all()

    def begin_component(self) -> None:
        """Count a component as not yet answered."""
        with self._changed:
            self._components += 1

    def end_component(self) -> None:
        """The engine has the component's answer, or doesn't want it any more."""
        with self._changed:
            self._components -= 1
            self._changed.notify_all()

    def wait(self, component: Future[object]) -> bool:
        """Wait for a component; false if the update has ended without it."""
        component.add_done_callback(lambda _: self._wake())
        with self._changed:
            self._changed.wait_for(lambda: component.done() or self._cancelled or (self._failed and self._running == 0))
        return component.done()

    def cancel(self) -> None:
        """Let every component be answered at once; the engine kills the plugin when this returns."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._components == 0, timeout=_ANSWERED_WITHIN_S)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _answer(method: Callable[[Any], Any], work: Work) -> Callable[[Any, Context], object]:
    """`method` as grpc calls it; what it raises reaches the engine as a sentence, not as a stack trace."""

    def answer(request: object, context: Context) -> object:
        try:
            if isinstance(request, messages.ConstructRequest):
                return _component(method, work, request, context)
            with work.one():
                return method(request)
        except NotReadyError as error:
            return context.abort_with_status(_not_ready_status(error))
        except LabError as error:
            return context.abort(grpc.StatusCode.UNKNOWN, str(error))

    return answer


def _component(method: Callable[[Any], Any], work: Work, request: messages.ConstructRequest, context: Context) -> object:
    """The component, made in a thread that is left to itself when the update ends without it."""
    work.begin_component()
    if not context.add_callback(work.end_component):
        work.end_component()
    made = in_a_thread(partial(method, request), LabError)
    if work.wait(made):
        return made.result()
    return messages.ConstructResponse(urn=_component_urn(request), state=to_struct({}))


def _component_urn(request: messages.ConstructRequest) -> str:
    """The name that the engine gives to the component, whether it was registered or not."""
    parent = request.parent.split("::")[2] if request.parent else _ROOT
    kind = request.type if parent == _ROOT else f"{parent}${request.type}"
    return f"urn:pulumi:{request.stack}::{request.project}::{kind}::{request.name}"


class Plugin:
    """What every plugin answers alike. Subclasses set `name` and `version` and add the life of their resources."""

    name: str
    version: str

    def __init__(self, engine_address: str) -> None:
        """`engine_address` is where the engine takes log lines."""
        self.work = Work()
        self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(engine_address, options=CHANNEL_OPTIONS))

    def warn(self, message: str, urn: str = "") -> None:
        """Show `message` in Pulumi's output, at the resource if `urn` is given."""
        self._engine.Log(engine_pb2.LogRequest(severity=engine_pb2.WARNING, message=message, urn=urn))

    def tell(self, message: str, urn: str) -> None:
        """Show progress at the resource, for as long as it goes on."""
        self._engine.Log(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=message, urn=urn, ephemeral=True))

    def cancel(self, _: Empty) -> Empty:
        """End what waits."""
        self.work.cancel()
        return Empty()

    def get_plugin_info(self, _: Empty) -> plugin_pb2.PluginInfo:
        """Say which version this is."""
        return plugin_pb2.PluginInfo(version=self.version)

    def get_schema(self, _: messages.GetSchemaRequest) -> messages.GetSchemaResponse:
        """Return the name and version; programs bring the types with their SDK."""
        return messages.GetSchemaResponse(schema=f'{{"name": "{self.name}", "version": "{self.version}"}}')

    def invoke(self, request: messages.InvokeRequest) -> messages.InvokeResponse:
        """Refuse every function: there is none."""
        raise UserError(f"The lab's plugin {self.name} has no function {request.tok}.")

    def construct(self, request: messages.ConstructRequest) -> messages.ConstructResponse:
        """Refuse every component: there is none."""
        raise UserError(f"The lab's plugin {self.name} has no component {request.type}.")

    def check_config(self, request: messages.CheckRequest) -> messages.CheckResponse:
        """Take the provider's inputs as they are."""
        return messages.CheckResponse(inputs=request.news)

    def diff_config(self, request: messages.DiffRequest) -> messages.DiffResponse:
        """Report a change of the provider's inputs, never a replacement."""
        same = request.olds == request.news
        return messages.DiffResponse(changes=messages.DiffResponse.DIFF_NONE if same else messages.DiffResponse.DIFF_SOME)

    def configure(self, _: messages.ConfigureRequest) -> messages.ConfigureResponse:
        """Accept secrets, and be called in previews too."""
        return messages.ConfigureResponse(acceptSecrets=True, supportsPreview=True, acceptResources=True, acceptOutputs=True)


def serve(plugin_class: Callable[[str], Plugin]) -> None:
    """Serve the plugin on a free port of loopback until the engine ends it, or ends; the first line on stdout is the port."""
    engine = os.getppid()
    engine_address = next(word for word in sys.argv[1:] if not word.startswith("-"))
    plugin = plugin_class(engine_address)
    handlers = {
        call: grpc.unary_unary_rpc_method_handler(
            _answer(getattr(plugin, method), plugin.work),
            request_deserializer=request.FromString,
            response_serializer=lambda response: response.SerializeToString(),
        )
        for call, (method, request) in _CALLS.items()
        if hasattr(plugin, method)
    }
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=CHANNEL_OPTIONS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("pulumirpc.ResourceProvider", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    # The engine ends its plugins by SIGINT; an engine that was killed ends nobody, so its absence is noticed.
    with suppress(KeyboardInterrupt):
        while server.wait_for_termination(timeout=_ORPHAN_CHECK_S) and os.getppid() == engine:
            pass
    plugin.cancel(Empty())
    server.stop(grace=None)
