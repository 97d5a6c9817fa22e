"""The plugin's kinds of the gate: what they refuse, what is secret, what makes them anew; a machine is not needed for it."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import provider_pb2 as messages

from infra.cloud import gate
from infra.lab.errors import LabError
from infra.lab.plugins.iotlab import host_key, lab
from infra.lab.plugins.iotlab.kind import UnfinishedError
from infra.lab.plugins.iotlab.provider import Iotlab
from infra.lab.plugins.server import NotReadyError
from infra.lab.plugins.values import UNKNOWN, Properties, Secret, from_struct, to_struct

KEY = f"ssh-ed25519 AAAA{64 * 'B'}"
ENTRY: Properties = {
    "address": "198.51.100.1",
    "hostKey": KEY,
    "privateKey": Secret("PRIVATE"),
    "userData": "H4sI",
    "instance": "i-1",
}
GREEN = gate.LabThere({"ok": True, "hops": [], "services": []}, {"kafka": {"url": "x", "user": "u", "password": "p"}}, "config")


def urn(kind: str) -> str:
    return f"urn:pulumi:s::iotlab::iotlab:cloud:Machine$iotlab:index:{kind}::lab"


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iotlab:
    one = Iotlab("127.0.0.1:1")
    monkeypatch.setattr(one, "tell", lambda *_: None)  # there is no engine
    return one


def checked(plugin: Iotlab, kind: str, given: Properties) -> tuple[Properties, dict[str, str]]:
    answer = plugin.check(messages.CheckRequest(urn=urn(kind), news=to_struct(given)))
    return from_struct(answer.inputs), {failure.property: failure.reason for failure in answer.failures}


def diff(plugin: Iotlab, kind: str, old: Properties, new: Properties, state: Properties | None = None) -> list[str]:
    request = messages.DiffRequest(urn=urn(kind), old_inputs=to_struct(old), news=to_struct(new), olds=to_struct(state or old))
    return list(plugin.diff(request).diffs)


def test_a_private_key_stays_a_secret(plugin: Iotlab) -> None:
    inputs, reasons = checked(plugin, "Lab", ENTRY)
    assert reasons == {}
    assert inputs["privateKey"] == Secret("PRIVATE")
    assert (inputs["port"], inputs["stagesMin"]) == (22, 60)


def test_what_a_lab_lacks_is_named(plugin: Iotlab) -> None:
    _, reasons = checked(plugin, "Lab", {key: value for key, value in ENTRY.items() if key != "address"})
    assert reasons == {"address": "address is missing: a Lab needs it."}


def test_a_host_key_that_is_none_is_refused_and_one_that_is_not_known_yet_is_not(plugin: Iotlab) -> None:
    given = {"instance": "i-1", "region": "eu-central-1"}
    assert checked(plugin, "HostKey", given | {"known": "hello"})[1] == {
        "known": "known must be a host key like ssh-ed25519 AAAA…, not 'hello'."
    }
    assert checked(plugin, "HostKey", given | {"known": f"{KEY} root@lab"})[1] == {}
    assert checked(plugin, "HostKey", given | {"instance": UNKNOWN})[1] == {}


def test_the_best_key_of_the_consoles_last_block_is_taken() -> None:
    block = "-----BEGIN SSH HOST KEY KEYS-----\r\n{}\r\n-----END SSH HOST KEY KEYS-----"
    rsa, older = f"ssh-rsa AAAA{300 * 'C'} root@x", f"ssh-ed25519 AAAA{64 * 'Z'} root@x"
    text = f"boot\n{block.format(older)}\nreboot\n{block.format(rsa + chr(13) + chr(10) + KEY + ' root@x')}\nlogin:"
    assert host_key.on_console(text) == KEY
    assert host_key.on_console(block.format(rsa)) == rsa.removesuffix(" root@x")
    assert host_key.on_console("boot\n-----BEGIN SSH HOST KEY KEYS-----\n" + KEY) == ""


def test_a_key_that_a_person_knows_is_taken_without_asking(plugin: Iotlab) -> None:
    inputs, _ = checked(plugin, "HostKey", {"instance": "i-1", "region": "eu-central-1", "known": f"{KEY} root@lab"})
    made = plugin.create(messages.CreateRequest(urn=urn("HostKey"), properties=to_struct(inputs)))
    assert from_struct(made.properties)["key"] == KEY


def test_how_long_is_waited_makes_no_host_key_anew(plugin: Iotlab) -> None:
    old, _ = checked(plugin, "HostKey", {"instance": "i-1", "region": "eu-central-1"})
    new = old | {"withinMin": 20}
    request = messages.UpdateRequest(
        urn=urn("HostKey"), id="x", olds=to_struct(old | {"key": KEY}), news=to_struct(new), old_inputs=to_struct(old)
    )
    assert from_struct(plugin.update(request).properties) == new | {"key": KEY}


def test_a_preview_makes_nothing(plugin: Iotlab) -> None:
    for kind, given in (("SshKey", {}), ("HostKey", {"instance": UNKNOWN, "region": "x"}), ("Lab", ENTRY)):
        inputs, _ = checked(plugin, kind, given)
        made = plugin.create(messages.CreateRequest(urn=urn(kind), properties=to_struct(inputs), preview=True))
        assert UNKNOWN in from_struct(made.properties).values(), kind


def test_a_lab_that_was_not_well_is_asked_again_by_the_next_up(plugin: Iotlab) -> None:
    inputs, _ = checked(plugin, "Lab", ENTRY)
    ill = {"doctor": {"ok": False, "red": {"kafka": "why"}}}
    assert diff(plugin, "Lab", inputs, inputs, inputs | ill) == ["doctor"]
    assert diff(plugin, "Lab", inputs, inputs, inputs | {"doctor": {"ok": True, "red": {}}}) == []
    assert diff(plugin, "Lab", inputs, inputs | {"userData": "other"}, inputs) == ["userData"]


def _made(plugin: Iotlab, state: Properties | None = None) -> Struct:
    inputs, _ = checked(plugin, "Lab", ENTRY)
    if state is None:
        return plugin.create(messages.CreateRequest(urn=urn("Lab"), properties=to_struct(inputs))).properties
    request = messages.UpdateRequest(
        urn=urn("Lab"), id="x", olds=to_struct(inputs | state), news=to_struct(inputs), old_inputs=to_struct(inputs)
    )
    return plugin.update(request).properties


def _gate(monkeypatch: pytest.MonkeyPatch, **instead: Any) -> None:
    def steadily(_door: gate.Door, _within_s: float, _report: gate.Report, act: Any) -> Any:
        return act(None)

    usual: dict[str, Any] = {"steadily": steadily, "lay_down": lambda *_: [], "lab_of": lambda _: GREEN}
    stages = gate.StagesNow("lab", "done", 1, 1, running=False, stages=())
    for name, value in (usual | {"wait_for_stages": lambda *_: stages} | instead).items():
        monkeypatch.setattr(gate, name, value)


def test_a_lab_hides_its_logins_and_its_kubeconfig(plugin: Iotlab, monkeypatch: pytest.MonkeyPatch) -> None:
    _gate(monkeypatch)
    state = from_struct(_made(plugin))
    assert state["doctor"] == {"ok": True, "red": {}}
    assert state["logins"] == Secret({"kafka": {"user": "u", "password": "p"}})
    assert state["kubeconfig"] == Secret("config")
    assert state["addresses"] == {"kafka": "x"}


def test_a_lab_that_could_not_be_made_is_recorded_with_what_it_had(plugin: Iotlab, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object) -> None:
        raise gate.LateError("not ready within 60 min.")

    _gate(monkeypatch, wait_for_stages=late)
    with pytest.raises(NotReadyError, match="not ready within 60 min") as failed:
        _made(plugin, {"kubeconfig": Secret("older")})
    assert failed.value.state["kubeconfig"] == Secret("older")
    assert failed.value.state["doctor"]["red"] == {"machine": "not ready within 60 min."}
    assert isinstance(failed.value.__cause__, UnfinishedError)


def test_a_red_doctor_names_what_is_red(plugin: Iotlab, monkeypatch: pytest.MonkeyPatch) -> None:
    red = gate.LabThere({"ok": False, "hops": [{"name": "mqtt", "ok": False, "why": "no answer"}]}, {}, "config")
    _gate(monkeypatch, lab_of=lambda _: red)
    with pytest.raises(NotReadyError, match="up but not healthy: mqtt: no answer"):
        _made(plugin)


def test_a_doctor_that_looked_at_nothing_is_red() -> None:
    found = lab.outputs(gate.LabThere({"ok": False}, {}, ""), {"address": "x", "openPorts": []})
    assert found["doctor"]["red"] == {"lab": "its doctor found nothing to look at"}


def test_cancelling_ends_a_wait_at_its_next_look(plugin: Iotlab, monkeypatch: pytest.MonkeyPatch) -> None:
    def waits(_door: gate.Door, _within_s: float, report: gate.Report) -> None:
        report("a look")
        plugin.cancel(Empty())
        report("another")

    _gate(monkeypatch, wait_for_stages=waits)
    with pytest.raises(LabError, match="The update was cancelled"):
        _made(plugin)
