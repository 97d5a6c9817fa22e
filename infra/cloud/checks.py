"""What can't become a machine is refused with a sentence, before anything costs money."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from infra import patterns
from infra.cloud.facts import MachineFacts
from infra.settings import SettingsError
from infra.vpn_settings import MACHINES


def _faults(facts: MachineFacts) -> Iterator[str]:
    if fault := patterns.HOST_NAME.fault(facts.name):
        yield f"iotlab:machines: {fault}"
    if not facts.ssh_keys:
        yield "iotlab:cloud.sshKeys: nobody could log in: write at least one public key"
    for key in facts.ssh_keys:
        if not patterns.is_ssh_key(key):
            yield f"iotlab:cloud.sshKeys: '{key[:20]}…' is no public ssh key in one line, as ~/.ssh/id_ed25519.pub has it"
    if not patterns.BUNDLE_URL.fullmatch(facts.bundle.url):
        yield f"'{facts.bundle.url.partition('?')[0]}' is no address of a bundle: s3://bucket/key, https://… or file:///…"
    if fault := patterns.SHA256.fault(facts.bundle.sha256):
        yield f"the bundle's {fault}"
    try:
        date.fromisoformat(facts.expires)
    except ValueError:
        yield f"iotlab:cloud.expires: '{facts.expires}' is no day; write it as in 2030-01-31"
    yield from _kubernetes_faults(facts)
    yield from _vpn_faults(facts)


def _kubernetes_faults(facts: MachineFacts) -> Iterator[str]:
    if facts.kubernetes == "microk8s" and (fault := patterns.CHANNEL.fault(facts.microk8s_channel)):
        yield f"iotlab:cloud.microk8sChannel: {fault}"
    if facts.knative and facts.kubernetes != "microk8s":
        yield "iotlab:cloud: knative is an add-on of microk8s: take kubernetes: microk8s, or knative: false"
    if facts.course and (fault := patterns.REPOSITORY.fault(facts.course.repository)):
        yield f"iotlab:cloud.courseRepository.repository: {fault}"
    if facts.course and (fault := patterns.COMMIT.fault(facts.course.commit)):
        yield f"iotlab:cloud.courseRepository.commit: {fault}"


def _vpn_faults(facts: MachineFacts) -> Iterator[str]:
    if not facts.vpn:
        return
    if facts.vpn.net not in range(256):
        yield f"iotlab:cloud.vpn.net: there is no VPN net 192.168.{facts.vpn.net}.0/24"
    if facts.vpn.host not in MACHINES:
        hosts = f"{MACHINES.start} to {MACHINES.stop - 1}"
        yield f"iotlab:cloud.vpn.hosts: host number {facts.vpn.host} is no machine's: those are {hosts}"
    if facts.vpn.gateway_public_key and not patterns.WIREGUARD_KEY.fullmatch(facts.vpn.gateway_public_key):
        yield "iotlab:cloud.vpn.gatewayPublicKey: the VPN gateway's public key is no WireGuard key"
    if facts.vpn.gateway_public_key and (fault := patterns.END_POINT.fault(facts.vpn.gateway)):
        yield f"iotlab:cloud.vpn.gateway: {fault}"


def refuse(facts: MachineFacts) -> None:
    """See that these facts can become a machine.

    Raises:
        SettingsError: the first thing that is wrong, and what would be right.
    """
    for fault in _faults(facts):
        raise SettingsError(f"Pulumi.{facts.stack}.yaml, machine {facts.name}: {fault}.")
