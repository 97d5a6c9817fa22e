"""Where each service is reached and with which generated login."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from infra import accounts, wiring
from infra.lab.cluster.exposure import device_address
from infra.lab.errors import LabError, UserError

if TYPE_CHECKING:
    from infra.lab.lab import Lab


INSIDE = {"mosquitto": wiring.Endpoint(wiring.MOSQUITTO.host, wiring.MOSQUITTO.port, "mqtt").url}
MQTT_TLS = "mosquitto-tls"
MQTT_TLS_PORT = wiring.node_port("mosquitto", wiring.MOSQUITTO_TLS.port)


def logins(lab: Lab, *, tokens: bool = False) -> dict[str, dict[str, str]]:
    """`{"<service>": {"url", "user", "password"}}` of a running lab; passwords come from its Secrets.

    With `tokens` also the pages whose password is a token: each call makes one, which lets in whoever has it for hours.
    """
    entries: dict[str, dict[str, str]] = {}
    for login in accounts.LOGINS:
        if lab.settings.has(login.service) and (login.secret or tokens):
            password = lab.kube.secret(login.secret)[login.user] if login.secret else lab.kube.token(login.user)
            url = login.url if lab.embedded else INSIDE.get(login.service, login.url)
            entries[login.service] = {"url": url, "user": login.user, "password": password}
    if lab.settings.has("mosquitto"):
        url = f"{wiring.MOSQUITTO_TLS.scheme}://127.0.0.1:{MQTT_TLS_PORT}" if lab.embedded else wiring.MOSQUITTO_TLS.url
        entries[MQTT_TLS] = entries["mosquitto"] | {"url": url}
    if lab.settings.has("ingress"):
        url = wiring.INGRESS_URL if lab.embedded else wiring.INGRESS.url
        entries["ingress"] = {"url": url, "user": "", "password": ""}  # each page behind it has its own
    return entries


def with_authorities(lab: Lab, entries: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """The same; what is reached by TLS also with `authority`, the file that its clients have to trust, laid there anew."""
    found = dict(entries)
    for name, secret in ((MQTT_TLS, wiring.MQTT_TLS), ("ingress", wiring.INGRESS_TLS)):
        if name in found:
            file = lab.paths.authorities[secret]
            file.write_text(lab.kube.secret(secret)[wiring.CA_KEY])
            found[name] = found[name] | {"authority": str(file)}
    return found


def authority_hint(entries: dict[str, dict[str, str]]) -> str | None:
    """What a browser and a program have to trust."""
    lines = []
    if MQTT_TLS in entries:
        lines.append(f"Who speaks MQTT by TLS is to trust {entries[MQTT_TLS]['authority']} (mosquitto_pub --cafile).")
    if "ingress" in entries:
        file = entries["ingress"]["authority"]
        lines.append(f"Browsers and programs that are to trust {wiring.INGRESS_URL} need {file} (curl --cacert).")
    return "\n".join(lines) or None


def board_hint(lab: Lab, entries: dict[str, dict[str, str]]) -> str | None:
    """What a board on the WLAN needs, where the stack lets one in."""
    network = lab.settings.device_cidr
    if not network or not lab.settings.has("mosquitto"):
        return None
    login = entries[MQTT_TLS]
    try:
        address = device_address(network)
    except UserError as away:
        return f"No board reaches MQTT at the moment: {away}"
    return (
        f"A board in {network} reaches MQTT with\n"
        f"  address   {address}\n"
        f"  port      {wiring.node_port('mosquitto')}, or {MQTT_TLS_PORT} by TLS, trusting {login['authority']}\n"
        f"  user      {login['user']}\n  password  {login['password']}\n"
        f"  topic     {wiring.IOTKIT_MQTT}/sensor, or any other below {wiring.IOTKIT_MQTT}/"
    )


def given_hint(lab: Lab) -> str | None:
    """How a program outside reaches a cluster that isn't the lab's own: through the API server, or at a node's port."""
    if lab.embedded:
        return None
    nodes: list[str] = []
    with suppress(LabError):  # a login for one namespace may not look at nodes
        addresses = [address for node in lab.kube.get("nodes")["items"] for address in node["status"].get("addresses") or ()]
        nodes = [str(address["address"]) for address in addresses if address["type"] in {"InternalIP", "ExternalIP"}]
    lines = ["The addresses are those inside the cluster. From this machine:", f'  eval "$(./lab env --stack {lab.stack_name})"']
    for exposed in wiring.EXPOSED:
        if lab.settings.has(exposed.service):
            at_nodes = f"   (or port {exposed.node_port} of {', '.join(nodes)}, if you reach it)" if nodes else ""
            forward = f"kubectl port-forward service/{exposed.service} {exposed.node_port}:{exposed.port}"
            lines.append(f"  {forward}   # then 127.0.0.1:{exposed.node_port}{at_nodes}")
    return "\n".join(lines)
