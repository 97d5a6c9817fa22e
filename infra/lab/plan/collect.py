"""Everything that is to be known of a stack before it is made: the program itself runs, with nothing behind it."""

from __future__ import annotations

import base64
import gzip
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from infra import wiring
from infra.cloud import firewall, prices
from infra.cloud.bundle_store import StoredBundle
from infra.cloud.facts import Bundle
from infra.cloud.quotas import Quota, quotas
from infra.cloud.told import facts_of
from infra.cloud.user_data import stack_file
from infra.lab import fleet
from infra.lab.bundle.manifest import REPOSITORY
from infra.lab.errors import LabError
from infra.lab.lab import Lab
from infra.lab.render import Resource, asked, manifests, whole
from infra.lab.stack import config_of
from infra.lab.toolchain import host, parts
from infra.settings import PROJECT, UPSTREAM, Settings, SettingsError

INSTANCE = "aws:ec2/instance:Instance"
LIMIT = "monthlyLimit"
NOTHING_TO_PAY = "Nothing to pay: this stack makes no machines."
USER_DATA = "userDataBase64"
UNBUILT = f"sha256:{64 * '0'}"  # of images and bundles that are not built yet
NOT_SHOWN = frozenset(
    {"stringData", USER_DATA, "userData", "privateKey"}
)  # inputs that are told otherwise: by their keys alone, as text
# what stands for what a person has not filled in yet, so that the rest can be seen
FILLING: dict[str, object] = {
    "ownerCidr": "203.0.113.7/32",
    "owner": "you",
    "expires": (datetime.now(UTC).date() + timedelta(days=30)).isoformat(),
    "sshKeys": [f"ssh-ed25519 {68 * 'A'} your-key"],
    "bundle": 64 * "0",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What `./lab up` would make of a stack; `refused` says why it would not, `assumed` what the plan put where nobody said."""

    stack: str
    scale: str
    services: tuple[str, ...]
    resources: tuple[Resource, ...]
    ports: tuple[firewall.Rule, ...]
    manifests: dict[str, str]
    not_shown: str
    price_note: str
    price: tuple[prices.Line, ...] = ()
    quotas: tuple[Quota, ...] = ()
    machines: dict[str, str] = field(default_factory=dict)
    user_data: dict[str, str] = field(default_factory=dict)
    user_data_bytes: dict[str, int] = field(default_factory=dict)
    assumed: dict[str, object] = field(default_factory=dict)
    refused: tuple[str, ...] = ()

    @property
    def usd_h(self) -> float:
        """All of it, an hour."""
        return sum(line.usd_h for line in self.price)

    @property
    def usd_month(self) -> float:
        """All of it, a month."""
        return sum(line.usd_month for line in self.price)

    @property
    def usd_month_stopped(self) -> float:
        """What goes on costing a month while the machines are stopped."""
        return sum(line.usd_month for line in self.price if line.when_stopped)

    def as_json(self) -> dict[str, Any]:
        """All of it, with the sums."""
        told = {key: value for key, value in asdict(self).items() if key not in {"resources", "price"}}
        told["resources"] = [{"type": kind, "name": name, "inputs": shown(inputs)} for kind, name, inputs in self.resources]
        lines = [asdict(line) for line in self.price]
        sums = {"usd_h": self.usd_h, "usd_month": self.usd_month, "usd_month_stopped": self.usd_month_stopped}
        return told | {"price": {key: round(value, 4) for key, value in sums.items()} | {"lines": lines}}


def shown(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A resource's inputs without what is told elsewhere or to nobody."""
    plain = whole({key: value for key, value in inputs.items() if key not in NOT_SHOWN})
    return {key: value for key, value in sorted(plain.items()) if value is not None} if isinstance(plain, dict) else {}


def plan_of(lab: Lab, named: str | None = None) -> Plan:
    """What the lab's stack would be; `named` stands for the stack's name in it.

    Raises:
        UserError: the stack's file is wrong.
    """
    stack = named or lab.stack_name
    config = _own(fleet.laid_over(config_of(lab.stack_name), lab.paths, lab.stack_name))
    return _of_machines(lab, stack, config) if lab.settings.cloud else _of_cluster(lab, stack, config)


def _in_order(resources: Sequence[Resource]) -> tuple[Resource, ...]:
    """By type and name: the program asks for many things at the same moment, so its own order is another each time."""
    return tuple(sorted(resources, key=lambda one: one[:2]))


def _own(config: Mapping[str, object]) -> dict[str, object]:
    return {key.removeprefix(f"{PROJECT}:"): value for key, value in config.items()}


def _of_cluster(lab: Lab, stack: str, config: Mapping[str, object]) -> Plan:
    """A stack that fills a cluster: no machines, nothing to pay, its ports on loopback."""
    settings = lab.settings
    resources = _in_order(asked({**config, "images": _images(lab)}, stack))
    made, why = _manifests(lab, resources)
    source = {"loopback": "127.0.0.1", "device": settings.device_cidr or "127.0.0.1"}
    exposed = [row for row in wiring.EXPOSED if row.service in settings.asked]
    ports = [firewall.Rule(r.service, r.node_port, "tcp", source[r.source], r.login, r.reason, r.encrypted) for r in exposed]
    return Plan(stack, settings.scale_name, tuple(sorted(settings.asked)), resources, tuple(ports), made, why, NOTHING_TO_PAY)


def _of_machines(lab: Lab, stack: str, config: Mapping[str, object]) -> Plan:
    """A stack that makes machines, with the lab that each of them makes of itself."""
    settings, assumed = lab.settings, _assumed(lab.settings)
    given = config["cloud"]
    cloud = {key: value for key, value in {**(given if isinstance(given, dict) else {}), **assumed}.items() if key != LIMIT}
    resources = _in_order(asked({**config, "cloud": cloud}, stack))
    complete = Settings.parse({f"{PROJECT}:{key}": value for key, value in {**config, "cloud": cloud}.items()})
    made, why = _manifests(lab, _in_order(asked({**_lab_of_a_machine(complete, stack), "images": _images(lab)})))
    packed = {name: base64.b64decode(inputs[USER_DATA]) for kind, name, inputs in resources if kind == INSTANCE}
    rules = firewall.rules(complete.cloud, settings.asked) if complete.cloud else ()
    size, price = settings.machine_type, prices.lines(settings)
    return Plan(
        stack=stack,
        scale=settings.scale_name,
        services=tuple(sorted(settings.asked)),
        resources=resources,
        ports=rules,
        manifests=made,
        not_shown=why,
        price_note=prices.table().note if price else "No price: infra/cloud/prices.yaml does not know this region.",
        price=price,
        quotas=quotas(settings),
        machines=dict.fromkeys(settings.machines, f"{size.name}, {size.vcpus} vCPUs, {size.memory_gb} GB"),
        user_data={host: gzip.decompress(data).decode() for host, data in packed.items()},
        user_data_bytes={host: len(data) for host, data in packed.items()},
        assumed=assumed,
        refused=_refused(settings),
    )


def _lab_of_a_machine(settings: Settings, stack: str) -> dict[str, object]:
    """The configuration of the lab that each machine runs, as its user data brings it."""
    told = facts_of(settings, stack, settings.machines[0], Bundle("", ""))
    config: dict[str, object] = yaml.safe_load(stack_file(told))["config"]
    return _own(config)


def _refused(settings: Settings) -> tuple[str, ...]:
    """Why this stack would not be made."""
    said = []
    if settings.cloud and (why := settings.cloud.unready(datetime.now(UTC).date())):
        said.append(why)
    try:
        if settings.cloud and settings.cloud.bundle:
            StoredBundle.of(settings.cloud.bundle)
    except SettingsError as wrong:
        said.append(str(wrong))
    try:
        prices.keep_limit(settings)
    except SettingsError as wrong:
        said.append(str(wrong))
    return tuple(said)


def _assumed(settings: Settings) -> dict[str, object]:
    """What the plan puts where a person has not said anything, or nothing that can be."""
    cloud = settings.cloud
    if cloud is None:
        return {}
    keys = set(cloud.unfilled)
    if cloud.expires and cloud.expires <= datetime.now(UTC).date():
        keys.add("expires")
    try:
        StoredBundle.of(cloud.bundle)
    except SettingsError:
        keys.add("bundle")
    return {key: value for key, value in FILLING.items() if key in keys}


def _images(lab: Lab) -> dict[str, str]:
    """References of the built images; of those that are not, a name with a digest of zeros."""
    try:
        known = lab.references(lab.whole_bundle.manifest())
    except LabError:
        known = dict(lab.settings.images)
    return {image.name: f"{REPOSITORY}/{image.name}@{UNBUILT}" for image in lab.whole_bundle.chosen} | known


def _manifests(lab: Lab, resources: Sequence[Resource]) -> tuple[dict[str, str], str]:
    """Every manifest of a lab, and why some or all can't be shown."""
    if host.fits() and lab.toolchain.missing(parts.KUBECTL_HELM.name):
        return {}, "No manifests: helm is not there yet; ./lab up makes it."
    try:
        made = dict(sorted(manifests(resources, os.environ | lab.toolchain.env()).items()))
    except LabError as failed:
        return {}, f"No manifests: {failed}"
    left_out = sorted(service for service in lab.settings.asked & UPSTREAM if f"{service}.yaml" not in made)
    return made, f"Without {', '.join(left_out)}: nobody has brought the publisher's image." if left_out else ""
