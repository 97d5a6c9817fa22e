"""Where each service is reached and with which generated login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra import wiring

if TYPE_CHECKING:
    from infra.lab.lab import Lab


def logins(lab: Lab) -> dict[str, dict[str, str]]:
    """`{"<service>": {"url", "user", "password"}}` of a running lab; passwords come from its Secrets."""
    entries: dict[str, dict[str, str]] = {}
    for login in wiring.LOGINS:
        if lab.settings.has(login.service):
            password = lab.kube.secret(login.secret)[login.user]
            entries[login.service] = {"url": login.url, "user": login.user, "password": password}
    return entries


def board_hint(lab: Lab) -> str | None:
    """What a board on the WLAN needs, where the stack lets one in."""
    network = lab.settings.device_cidr
    if not network:
        return None
    return (
        f"Boards in {network} reach MQTT on this machine's address there, port {wiring.node_port('mosquitto')}, "
        "with the login of mosquitto above."
    )
