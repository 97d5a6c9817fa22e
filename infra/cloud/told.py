"""A stack's settings to the facts of its machines."""

from __future__ import annotations

from infra.cloud import facts
from infra.cloud.facts import MachineFacts
from infra.cloud_settings import CloudSettings
from infra.settings import Settings


def facts_of(
    settings: Settings, stack: str, name: str, bundle: facts.Bundle, gate_key: str = "", address: str = ""
) -> MachineFacts:
    """What the machine `name` is told about itself; `gate_key` lets the stack itself in beside the people."""
    cloud = settings.cloud
    if cloud is None or cloud.expires is None:
        raise ValueError("a stack without iotlab:cloud or its expires has no machines")
    course = cloud.course_repository
    return MachineFacts(
        name=name,
        stack=stack,
        owner=cloud.owner,
        expires=cloud.expires.isoformat(),
        ssh_keys=(*cloud.ssh_keys, gate_key) if gate_key else cloud.ssh_keys,
        bundle=bundle,
        kubernetes=cloud.kubernetes,
        microk8s_channel=cloud.microk8s_channel,
        services=settings.services,
        scale=settings.scale_name,
        course=facts.Course(course.repository, course.commit) if course else None,
        knative=cloud.knative,
        vpn=_vpn(cloud, name),
        address=address,
    )


def _vpn(cloud: CloudSettings, machine: str) -> facts.Vpn | None:
    """The machine's place in the VPN; the settings have seen that it has one."""
    vpn = cloud.vpn
    number = vpn.number(machine) if vpn else None
    return facts.Vpn(vpn.net, number, vpn.gateway, vpn.gateway_public_key) if vpn and number else None
