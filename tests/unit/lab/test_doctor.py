"""The doctor: green only if every hop and service is, red with the cause and the next command."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from infra import wiring
from infra.lab import doctor, outside, probes
from infra.lab.bundle.upstream import UPSTREAM
from infra.lab.errors import LabError
from infra.lab.kube import Pod
from infra.lab.probes import Answer
from infra.scales import SCALES, S
from infra.settings import NEEDS, Settings

HOPS = [{"name": "mqtt", "from": "device", "to": "mosquitto", "latency_ms": 3.0, "ok": True, "why": None}]


class Kube:
    def __init__(self, pods: list[Pod], said: str | LabError) -> None:
        self._pods, self._said = pods, said

    def pods(self) -> list[Pod]:
        return self._pods

    def run(self, *_words: str, timeout_s: float) -> str:
        assert timeout_s > 0
        if isinstance(self._said, LabError):
            raise self._said
        return self._said

    def secret(self, name: str) -> dict[str, str]:
        assert name in {wiring.INGRESS_TLS, wiring.MQTT_TLS}
        return {wiring.CA_KEY: "the authority"}


def lab(kube: Kube, *services: str) -> Any:
    chosen = {"iotlab:services": list(services)} if services else {}
    return SimpleNamespace(kube=kube, embedded=True, settings=Settings.parse(chosen))


def pods(*, broken: str = "") -> list[Pod]:
    return [
        Pod(f"{name}-0", name, name != broken, 0, "kafka: CrashLoopBackOff" if name == broken else None) for name in sorted(NEEDS)
    ]


@pytest.fixture(autouse=True)
def _outside(monkeypatch: pytest.MonkeyPatch) -> None:
    login = {"user": "lab", "password": "secret"}
    monkeypatch.setattr(outside, "logins", lambda _: {"mosquitto": login, "grafana": login})
    monkeypatch.setattr(probes, "with_password", lambda *said: Answer(said[-1] == "secret", f"{said[1]} answered 401"))
    monkeypatch.setattr(probes, "mqtt_login", lambda *said: Answer(said[2] == "secret", "Not authorized"))
    monkeypatch.setattr(probes, "old_tls", lambda _: Answer(accepted=False, reason="answered 1503020002"))
    monkeypatch.setattr(probes, "https", lambda *said: Answer(said[-1] == "the authority", "/readyz answered 503"))
    monkeypatch.setattr(probes, "plain_http", lambda *_: Answer(accepted=False, reason="/readyz answered 404"))


def test_all_green_is_ok_and_has_the_contracts_shape() -> None:
    said = json.dumps({"ok": True, "hops": HOPS, "checks": [{"name": "influxdb refuses anonymous", "ok": True, "why": None}]})
    found = json.loads(json.dumps(doctor.examine(lab(Kube(pods(), said))).as_json()))
    assert found["ok"] is True
    assert found["hops"] == HOPS
    assert {"name": "influxdb refuses anonymous", "ok": True, "why": None} in found["services"]


def test_a_pod_that_is_not_ready_names_its_reason_and_the_next_command() -> None:
    found = doctor.examine(lab(Kube(pods(broken="kafka"), json.dumps({"hops": HOPS}))))
    assert not found.ok
    (red,) = [check for check in found.services if not check.ok]
    assert red.why == "kafka-0 is not ready: kafka: CrashLoopBackOff; look at ./lab logs kafka"


def test_of_several_pods_none_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCALES, "S", replace(S, bridges=3))
    (red,) = [check for check in doctor.examine(lab(Kube(pods(), json.dumps({"hops": HOPS})))).services if not check.ok]
    assert (red.name, red.why) == ("bridge", "it has 1 of 3 pods; run ./lab up")


def test_the_hops_are_shown_while_another_pod_is_not_ready() -> None:
    found = doctor.examine(lab(Kube(pods(broken="timeseries"), json.dumps({"hops": HOPS}))))
    assert [hop.name for hop in found.hops] == ["mqtt"]
    assert not found.ok


def test_a_canary_that_is_not_ready_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "https", lambda *said: Answer(said[2] != "/", "/ answered 404"))
    found = doctor.examine(lab(Kube(pods(broken="canary"), LabError("it must not be asked"))))
    assert found.hops == ()
    assert [check.name for check in found.services if not check.ok] == ["canary"]


@pytest.mark.parametrize("services", [["kafka"], ["mosquitto", "fleet"], ["ingress"]])
def test_a_stack_without_a_canary_is_green_on_what_it_has_and_says_what_was_not_looked_at(
    monkeypatch: pytest.MonkeyPatch, services: list[str]
) -> None:
    monkeypatch.setattr(probes, "https", lambda *said: Answer(said[2] != "/", "/ answered 404"))
    chosen = lab(Kube([pod for pod in pods() if pod.service in services], LabError("nobody to ask")), *services)
    found = doctor.examine(chosen)
    assert found.ok, found.services
    assert found.note == doctor.NO_CANARY
    assert not doctor.topics_lacking(chosen)


@pytest.mark.parametrize(
    ("said", "ok", "why"),
    [
        (json.dumps({"ok": True, "latency_ms": 700.0, "why": None}), True, None),
        (
            json.dumps({"ok": False, "latency_ms": None, "why": "6 * 7 gave 41"}),
            False,
            "6 * 7 gave 41; look at ./lab logs jupyter",
        ),
        ("", False, "the notebook server gave no answer (Expecting value"),
        (LabError("kubectl exec: gone"), False, "the notebook server gave no answer (kubectl exec: gone)"),
    ],
)
def test_a_kernel_is_started_where_the_lab_has_notebooks(
    monkeypatch: pytest.MonkeyPatch, said: str | LabError, ok: bool, why: str | None
) -> None:
    monkeypatch.setattr(outside, "logins", lambda _: {"jupyter": {"user": "jupyter", "password": "the token"}})
    monkeypatch.setattr(probes, "with_token", lambda _port, _path, token: Answer(token == "the token", "answered 403"))
    chosen = lab(Kube([pod for pod in pods() if pod.service == "jupyter"], said))
    chosen.settings = SimpleNamespace(chosen={"jupyter"}, scale=S, left_out=frozenset(), has=lambda name: name == "jupyter")
    found = doctor.examine(chosen)
    (hop,) = found.hops
    assert (hop.name, hop.origin, hop.to, hop.ok) == ("notebook", "jupyter", "kernel", ok)
    assert (hop.why is None) if why is None else (hop.why or "").startswith(why)
    assert [(check.name, check.ok) for check in found.services] == [
        ("jupyter", True),
        ("jupyter from outside", True),
        ("jupyter from outside refuses without its token", True),
    ]


def test_a_notebook_server_that_lets_anybody_in_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "logins", lambda _: {"jupyter": {"user": "jupyter", "password": "the token"}})
    monkeypatch.setattr(probes, "with_token", lambda *_: Answer(accepted=True, reason="answered 200"))
    chosen = lab(Kube([pod for pod in pods() if pod.service == "jupyter"], "{}"))
    chosen.settings = SimpleNamespace(chosen={"jupyter"}, scale=S, left_out=frozenset(), has=lambda name: name == "jupyter")
    monkeypatch.setattr(doctor, "_notebook", lambda _: doctor.Hop("notebook", "jupyter", "kernel", 1.0, ok=True, why=None))
    assert [check.name for check in doctor.examine(chosen).services if not check.ok] == [
        "jupyter from outside refuses without its token"
    ]


@pytest.mark.parametrize(("broken", "why"), [("", "it threw away 412 messages"), ("mosquitto", "mosquitto-0 is not ready")])
def test_a_broker_that_dropped_messages_is_red_with_the_canarys_sentence(broken: str, why: str) -> None:
    said = json.dumps({"hops": HOPS, "services": {"mosquitto": "it threw away 412 messages", "kafka": ""}})
    (red,) = [check for check in doctor.examine(lab(Kube(pods(broken=broken), said))).services if not check.ok]
    assert red.name == "mosquitto"
    assert (red.why or "").startswith(why)


def test_a_missing_topic_is_a_red_line_of_the_doctor() -> None:
    topics = {"name": "topics", "ok": False, "why": "kafka has no topic sensor-data; run ./lab up"}
    ill = lab(Kube(pods(), json.dumps({"ok": False, "hops": HOPS, "checks": [topics]})))
    (red,) = [check for check in doctor.examine(ill).services if not check.ok]
    assert (red.name, red.why) == ("topics", "kafka has no topic sensor-data; run ./lab up")
    assert doctor.topics_lacking(ill)


@pytest.mark.parametrize("said", ["", LabError("kubectl exec: gone"), json.dumps({"checks": [{"name": "topics", "ok": True}]})])
def test_topics_are_made_again_only_where_the_canary_says_that_one_lacks(said: str | LabError) -> None:
    assert not doctor.topics_lacking(lab(Kube(pods(), said)))


def test_a_red_hop_makes_it_red() -> None:
    hops = [HOPS[0] | {"ok": False, "latency_ms": None, "why": "no answer; ./lab logs mosquitto"}]
    assert not doctor.examine(lab(Kube(pods(), json.dumps({"ok": False, "hops": hops})))).ok


@pytest.mark.parametrize("said", ["", "{", LabError("kubectl exec: gone")])
def test_a_canary_that_does_not_answer_is_red_and_never_a_traceback(said: str | LabError) -> None:
    found = doctor.examine(lab(Kube(pods(), said)))
    assert not found.ok
    assert any(check.name == "canary" and not check.ok for check in found.services)


def test_a_broker_that_lets_anybody_in_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "mqtt_login", lambda *_: Answer(accepted=True, reason="Success"))
    found = doctor.examine(lab(Kube(pods(), json.dumps({"hops": HOPS}))))
    assert {check.name for check in found.services if not check.ok} == {
        "mosquitto from outside refuses anonymous",
        "mosquitto from outside refuses a wrong password",
        "mosquitto by TLS refuses anonymous",
    }


@pytest.mark.parametrize(
    ("said", "red", "why"),
    [
        ({"login": Answer(None, "the lab's authority does not vouch for it")}, "mosquitto by TLS", "does not vouch"),
        ({"old": Answer(accepted=True, reason="it shook hands")}, "mosquitto by TLS refuses TLS 1.1", "it let us in"),
        ({"old": Answer(None, "answered nothing")}, "mosquitto by TLS refuses TLS 1.1", "answered nothing"),
    ],
)
def test_a_broker_without_tls_or_with_an_old_one_is_red(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, Answer], red: str, why: str
) -> None:
    def login(_port: int, _user: str | None, password: str | None, authority: str = "") -> Answer:
        usual = Answer(password == "secret", "Not authorized")
        return said.get("login", usual) if authority and password else usual

    monkeypatch.setattr(probes, "mqtt_login", login)
    if "old" in said:
        monkeypatch.setattr(probes, "old_tls", lambda _: said["old"])
    found = doctor.examine(lab(Kube(pods(), json.dumps({"hops": HOPS}))))
    (check,) = [check for check in found.services if not check.ok]
    assert check.name == red
    assert why in (check.why or "")


@pytest.mark.parametrize(
    ("probe", "answer", "red", "why"),
    [
        ("https", Answer(None, "no connection"), "ingress from outside", "no connection; is something else on the port?"),
        ("https", Answer(accepted=False, reason="/readyz answered 503"), "ingress from outside", "look at ./lab logs ingress"),
        (
            "plain_http",
            Answer(accepted=True, reason="/readyz answered 200"),
            "ingress from outside refuses plain HTTP",
            "it let us in",
        ),
    ],
)
def test_an_ingress_that_does_not_serve_or_serves_without_tls_is_red(
    monkeypatch: pytest.MonkeyPatch, probe: str, answer: Answer, red: str, why: str
) -> None:
    monkeypatch.setattr(probes, probe, lambda *_: answer)
    found = doctor.examine(lab(Kube(pods(), json.dumps({"hops": HOPS}))))
    (check,) = [check for check in found.services if not check.ok]
    assert check.name == red
    assert check.why is not None
    assert why in check.why


def test_a_service_without_an_image_is_named_and_nothing_is_red() -> None:
    found = doctor.examine(lab(Kube(pods(), json.dumps({"hops": HOPS})), "core", "observing"))
    assert found.ok
    assert "grafana" not in {check.name for check in found.services}
    said = found.as_json()["left_out"]
    assert said == {
        "grafana": f"grafana is left out: its image {UPSTREAM[0].reference} cannot be had from here "
        "(no container registry answers and no bundle brings it)"
    }


def test_a_grafana_that_runs_is_asked_with_its_login_and_without() -> None:
    running = lab(Kube(pods(), json.dumps({"hops": HOPS})), "core", "observing")
    running.settings = running.settings.with_images({"grafana": UPSTREAM[0].reference})
    found = doctor.examine(running)
    assert found.ok
    assert found.left_out == {}
    assert {"grafana", "grafana from outside", "grafana from outside refuses anonymous"} <= {c.name for c in found.services}


@pytest.mark.parametrize(("opens", "red"), [("secret", set()), (None, {"camunda", "node-red"})])
def test_camunda_and_node_red_are_asked_with_their_logins_and_without(
    monkeypatch: pytest.MonkeyPatch, opens: str | None, red: set[str]
) -> None:
    login = {"user": "admin", "password": "secret"}
    monkeypatch.setattr(outside, "logins", lambda _: {"camunda": login, "node-red": login})
    monkeypatch.setattr(probes, "with_password", lambda *said: Answer(said[-1] == opens or not opens, f"{said[1]} answered 401"))
    monkeypatch.setattr(probes, "with_token", lambda *_: Answer(accepted=not opens, reason="/settings answered 401"))
    monkeypatch.setattr(probes, "node_red_login", lambda *said: Answer(said[-1] == "secret", "/auth/token answered 401"))
    chosen = lab(Kube([pod for pod in pods() if pod.service in {"camunda", "node-red"}], "{}"))
    chosen.settings = SimpleNamespace(
        chosen={"camunda", "node-red"}, scale=S, left_out=frozenset(), has=lambda _: False, node_red_carries=False
    )
    found = doctor.examine(chosen)
    assert [check.name for check in found.services] == [
        "camunda",
        "node-red",
        "camunda from outside",
        "camunda from outside refuses anonymous",
        "camunda from outside refuses a wrong password",
        "node-red from outside",
        "node-red from outside refuses anonymous",
    ]
    assert {check.name.split()[0] for check in found.services if not check.ok} == red


@pytest.mark.parametrize(("opens", "red"), [("secret", set()), (None, {"registry"})])
def test_the_registry_is_asked_with_its_login_and_without(
    monkeypatch: pytest.MonkeyPatch, opens: str | None, red: set[str]
) -> None:
    monkeypatch.setattr(outside, "logins", lambda _: {"registry": {"user": "lab", "password": "secret"}})
    monkeypatch.setattr(probes, "with_password", lambda *said: Answer(said[-1] == opens or not opens, f"{said[1]} answered 401"))
    (ready,) = [pod for pod in pods() if pod.service == "kafka"]
    chosen = lab(Kube([replace(ready, service="registry")], "{}"))
    chosen.settings = SimpleNamespace(chosen={"registry"}, scale=S, left_out=frozenset(), has=lambda _: False)
    found = doctor.examine(chosen)
    names = ["registry", "registry from outside", "registry from outside refuses anonymous"]
    assert [check.name for check in found.services] == names
    assert {check.name.split()[0] for check in found.services if not check.ok} == red
