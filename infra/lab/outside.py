"""What is open to the outside, asked as a person's program or browser would: with its login, without one, with a wrong one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from infra import wiring
from infra.lab import probes
from infra.lab.access import logins
from infra.lab.errors import LabError
from infra.lab.forwarding import outside_port
from infra.lab.kept import IN_NODE_RED
from infra.services.flows import why_not_carrying

if TYPE_CHECKING:
    from infra.lab.lab import Lab

FLOWS = "/data/flows.json"
NOTEBOOKS = "/api/contents"


@dataclass(frozen=True, slots=True)
class Check:
    """One service, or one thing that must be refused."""

    name: str
    ok: bool
    why: str | None


def from_outside(lab: Lab, ready: set[str]) -> list[Check]:
    """What is open to the outside and ready, as a person's program or browser would use it."""
    found: list[Check] = []
    for service, inside, ask in FROM_OUTSIDE:
        if service in ready:
            try:
                with outside_port(lab, service, inside) as port:
                    found += ask(lab, port, ready)
            except LabError as failed:
                found.append(Check(f"{service} from outside", ok=False, why=str(failed)))
    return found


def _mosquitto_from_outside(lab: Lab, port: int, _ready: set[str]) -> list[Check]:
    login = logins(lab)["mosquitto"]
    tries = (
        ("mosquitto from outside", probes.mqtt_login(port, login["user"], login["password"]), True),
        ("mosquitto from outside refuses anonymous", probes.mqtt_login(port, None, None), False),
        ("mosquitto from outside refuses a wrong password", probes.mqtt_login(port, login["user"], "wrong"), False),
    )
    return [_check(name, said, wanted=wanted) for name, said, wanted in tries]


def _mqtt_by_tls(lab: Lab, port: int, _ready: set[str]) -> list[Check]:
    """The same by TLS that the lab's own authority vouches for."""
    login, authority = logins(lab)["mosquitto"], lab.kube.secret(wiring.MQTT_TLS)[wiring.CA_KEY]
    tries = (
        ("mosquitto by TLS", probes.mqtt_login(port, login["user"], login["password"], authority), True),
        ("mosquitto by TLS refuses anonymous", probes.mqtt_login(port, None, None, authority), False),
        ("mosquitto by TLS refuses TLS 1.1", probes.old_tls(port), False),
    )
    return [_check(name, said, wanted=wanted) for name, said, wanted in tries]


def _ingress_from_outside(lab: Lab, port: int, ready: set[str]) -> list[Check]:
    """A page by TLS that the lab's own authority vouches for; none without TLS."""
    authority = lab.kube.secret(wiring.INGRESS_TLS)[wiring.CA_KEY]
    host = wiring.INGRESS_HOSTS[0]
    served = [web.path for web in wiring.WEB_PATHS if web.leads_to.host in ready and web.match == "Exact"]
    path = served[0] if served else "/"  # with nothing behind it a refusal is the right answer, and one of the ingress
    return [
        _check("ingress from outside", probes.https(host, port, path, authority), wanted=bool(served)),
        _check("ingress from outside refuses plain HTTP", probes.plain_http(host, port, path), wanted=False),
    ]


def _jupyter_from_outside(lab: Lab, port: int, _ready: set[str]) -> list[Check]:
    token = logins(lab)["jupyter"]["password"]
    return [
        _check("jupyter from outside", probes.with_token(port, NOTEBOOKS, token), wanted=True),
        _check("jupyter from outside refuses without its token", probes.with_token(port, NOTEBOOKS, ""), wanted=False),
    ]


def _grafana_from_outside(lab: Lab, port: int, _ready: set[str]) -> list[Check]:
    """No wrong password is tried: after five, Grafana keeps the administrator out for five minutes."""
    login = logins(lab)["grafana"]
    page = "/api/user"
    return [
        _check("grafana from outside", probes.with_password(port, page, login["user"], login["password"]), wanted=True),
        _check("grafana from outside refuses anonymous", probes.with_password(port, page, "", ""), wanted=False),
    ]


def _registry_from_outside(lab: Lab, port: int, _ready: set[str]) -> list[Check]:
    login = logins(lab)["registry"]
    return [
        _check("registry from outside", probes.with_password(port, "/v2/", login["user"], login["password"]), wanted=True),
        _check("registry from outside refuses anonymous", probes.with_password(port, "/v2/", "", ""), wanted=False),
    ]


def _camunda_from_outside(lab: Lab, port: int, _ready: set[str]) -> list[Check]:
    login = logins(lab)["camunda"]
    page = f"{urlsplit(wiring.CAMUNDA_REST).path}/engine"
    return [
        _check("camunda from outside", probes.with_password(port, page, login["user"], login["password"]), wanted=True),
        _check("camunda from outside refuses anonymous", probes.with_password(port, page, "", ""), wanted=False),
        _check(
            "camunda from outside refuses a wrong password",
            probes.with_password(port, page, login["user"], "wrong"),
            wanted=False,
        ),
    ]


def _node_red_from_outside(lab: Lab, port: int, _ready: set[str]) -> list[Check]:
    """No wrong password is tried: after five, Node-RED keeps everybody out for ten minutes."""
    login = logins(lab)["node-red"]
    said = probes.node_red_login(port, login["user"], login["password"])
    carries = [_carrier(lab)] if lab.settings.node_red_carries else []
    return [
        _check("node-red from outside", said, wanted=True),
        _check("node-red from outside refuses anonymous", probes.with_token(port, "/settings", ""), wanted=False),
        *carries,
    ]


def _carrier(lab: Lab) -> Check:
    """Whether the flow that brings boards' messages to Kafka is still one: a person may have switched it off."""
    name = "node-red carries boards' messages"
    try:
        flows = json.loads(lab.kube.run(*IN_NODE_RED, "cat", FLOWS))
    except (LabError, ValueError) as failed:
        return Check(name, ok=False, why=f"its flows could not be read ({failed}); look at ./lab node-red status")
    off = why_not_carrying(flows)
    return Check(name, ok=off is None, why=off and f"{off}; switch it on in the editor, or ./lab node-red reset")


FROM_OUTSIDE = (
    ("mosquitto", None, _mosquitto_from_outside),
    ("mosquitto", wiring.MOSQUITTO_TLS.port, _mqtt_by_tls),
    ("ingress", None, _ingress_from_outside),
    ("jupyter", None, _jupyter_from_outside),
    ("grafana", None, _grafana_from_outside),
    ("registry", None, _registry_from_outside),
    ("camunda", None, _camunda_from_outside),
    ("node-red", None, _node_red_from_outside),
)


def _check(name: str, said: probes.Answer, *, wanted: bool) -> Check:
    """Whether a server answered as it should; the first word of `name` is the service."""
    service = name.split(maxsplit=1)[0]
    if said.accepted is wanted:
        return Check(name, ok=True, why=None)
    if said.accepted:
        why = f"it let us in; look at ./lab logs {service} and at its configuration, then run ./lab up"
    elif said.accepted is None:
        why = f"{said.reason}; is something else on the port? ./lab status"
    else:
        why = f"{said.reason}; look at ./lab logs {service}"
    return Check(name, ok=False, why=why)
