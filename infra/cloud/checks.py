"""What can't become a machine is refused with a sentence, before anything costs money."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from infra.cloud.facts import MachineFacts
from infra.settings import SettingsError
from infra.vpn_settings import KEY, MACHINES

HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
KEY_TYPES = r"(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
PUBLIC_KEY = re.compile(KEY_TYPES + r" [A-Za-z0-9+/]+=*( [^\n]*)?")
SHA256 = re.compile(r"[0-9a-f]{64}")
COMMIT = re.compile(r"[0-9a-f]{40}")
CHANNEL = re.compile(r"\d+\.\d+(-strict)?/(stable|candidate|beta|edge)")
BUNDLE_URL = re.compile(r"(s3://[a-z0-9.-]+/\S+|https?://[^/@\s]+/\S+|file:///\S+)")
REPOSITORY = re.compile(r"https://[^/@\s]+/\S+")
END_POINT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


def _faults(facts: MachineFacts) -> Iterator[str]:
    if not HOST_NAME.fullmatch(facts.name):
        yield f"'{facts.name}' is no host name: small letters, digits and hyphens"
    if not facts.ssh_keys:
        yield "nobody could log in: give at least one public key (iotlab:cloud sshKeys)"
    for key in facts.ssh_keys:
        if not PUBLIC_KEY.fullmatch(key):
            yield f"'{key[:20]}…' is no public ssh key in one line, as ~/.ssh/id_ed25519.pub has it"
    if not BUNDLE_URL.fullmatch(facts.bundle.url):
        yield f"'{facts.bundle.url.partition('?')[0]}' is no address of a bundle: s3://bucket/key, https://… or file:///…"
    if not SHA256.fullmatch(facts.bundle.sha256):
        yield f"the bundle's SHA-256 is 64 hexadecimal digits in small letters, not '{facts.bundle.sha256}'"
    try:
        date.fromisoformat(facts.expires)
    except ValueError:
        yield f"'{facts.expires}' is no date like 2026-12-31 (iotlab:cloud expires)"
    yield from _kubernetes_faults(facts)
    yield from _vpn_faults(facts)


def _kubernetes_faults(facts: MachineFacts) -> Iterator[str]:
    if facts.kubernetes == "microk8s" and not CHANNEL.fullmatch(facts.microk8s_channel):
        yield f"'{facts.microk8s_channel}' is no channel of MicroK8s like 1.34/stable"
    if facts.knative and facts.kubernetes != "microk8s":
        yield "knative is an add-on of microk8s: take kubernetes: microk8s, or knative: false"
    if facts.course and not REPOSITORY.fullmatch(facts.course.repository):
        yield f"'{facts.course.repository}' is no https address without a login, as a course repository needs"
    if facts.course and not COMMIT.fullmatch(facts.course.commit):
        yield f"'{facts.course.commit}' is no whole commit (40 hexadecimal digits): a branch would move"


def _vpn_faults(facts: MachineFacts) -> Iterator[str]:
    if not facts.vpn:
        return
    if facts.vpn.net not in range(256):
        yield f"there is no VPN net 192.168.{facts.vpn.net}.0/24"
    if facts.vpn.host not in MACHINES:
        yield f"host number {facts.vpn.host} is no machine's: those are {MACHINES.start} to {MACHINES.stop - 1}"
    if facts.vpn.gateway_public_key and not KEY.fullmatch(facts.vpn.gateway_public_key):
        yield "the VPN gateway's public key is no WireGuard key"
    if facts.vpn.gateway_public_key and not END_POINT.fullmatch(facts.vpn.gateway):
        yield f"'{facts.vpn.gateway}' is no name or address of a VPN gateway"


def refuse(facts: MachineFacts) -> None:
    """See that these facts can become a machine.

    Raises:
        SettingsError: the first thing that is wrong, and what would be right.
    """
    for fault in _faults(facts):
        raise SettingsError(f"machine {facts.name}: {fault}.")
