"""The only reader of Pulumi's configuration: one frozen, typed model; what cannot work is refused with a sentence."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from infra.cloud_settings import INNER, CloudPart, unfit
from infra.ingest import refusal
from infra.refusals import alias_of, sentence
from infra.registries import RegistryAddress
from infra.scales import MACHINE_TYPES, SCALES, MachineType, Scale
from infra.wiring import CANARY_HOPS, IOTKIT_ROUTE, ROUTES, Route

PROJECT = "iotlab"

NEEDS: dict[str, tuple[str, ...]] = {
    "mosquitto": (),
    "kafka": (),
    "influxdb": (),
    "bridge": ("mosquitto", "kafka"),
    "timeseries": ("kafka", "influxdb"),
    "fleet": ("mosquitto",),
    "canary": ("bridge", "timeseries"),
    "ingress": (),
    "camunda": (),
    "node-red": ("mosquitto", "kafka"),
    "jupyter": ("mosquitto", "kafka", "influxdb"),
    "iot-kafka-consumer": ("kafka",),
    "iot-kafka-pipe": ("kafka",),
    "iot-kafka-alert": ("kafka", "camunda"),
    "process-worker": ("kafka", "camunda"),
    "grafana": ("influxdb",),
    "registry": ("jupyter",),  # it brings the namespace whose pods pull
    "headlamp": ("jupyter",),  # it brings the account that people log in with
}
SETS: dict[str, tuple[str, ...]] = {
    "core": ("mosquitto", "kafka", "influxdb", "bridge", "timeseries", "fleet", "canary", "ingress"),
    "teaching": (
        *("camunda", "node-red", "jupyter"),
        *("iot-kafka-consumer", "iot-kafka-pipe", "iot-kafka-alert", "process-worker"),
    ),
    "observing": ("grafana",),
    "lessons": ("registry", "headlamp"),
}
MOST_DEVICES = {"car": 15_000, "iotkit": 1_000, "fan": 1_000}  # as in apps/fleet/settings.py
SHARE_DATA = frozenset({"iot-kafka-consumer", "jupyter"})  # they mount the shared volume
CARRIED = frozenset({"scale_name", "services", "cloud", "machines", "images"})  # keys that a stack of machines can have
HOST = re.compile(r"[a-z0-9]([a-z0-9.:-]{0,251}[a-z0-9])?")
UPSTREAM = frozenset({"grafana", "headlamp"})  # run an image that only its publisher makes: left out where nobody brings it

NOT_HERE = {  # what a reader of the lessons may ask for, and why there is none: docs/adr/0017
    "knative": "the package registries serve only a version that gets no fixes any more",
    "dashboard": "the Kubernetes dashboard was given up by its makers; its place has the service headlamp",
}


class SettingsError(ValueError):
    """The configuration cannot work; the message is one sentence for the user."""


class Settings(CloudPart):
    """What a stack may decide. Everything else is the same everywhere."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale_name: Annotated[str, Field(alias="scale", description="size of the lab, a name of infra/scales.py")] = "S"
    services: Annotated[tuple[str, ...], Field(description="service sets or single services")] = ("core",)
    kubeconfig: Annotated[str, Field(description="path of the cluster's kubeconfig; the embedded cluster if empty")] = ""
    context: Annotated[str, Field(description="context of that kubeconfig; its current one if empty")] = ""
    registry: Annotated[
        str, Field(description="registry that the cluster pulls the images from, host:port/prefix; `lab up` pushes them there")
    ] = ""
    images: Annotated[dict[str, str], Field(default_factory=dict, description="image references by name, written by `lab`")]
    rotation: Annotated[int, Field(ge=1, description="raise it to replace every generated password")] = 1
    devices: Annotated[
        dict[Literal["car", "iotkit", "fan"], Annotated[int, Field(ge=0)]],
        Field(default_factory=dict, description="simulated devices by kind where they are not as many as the scale says"),
    ]
    device_cidr: Annotated[
        str, Field(alias="deviceCidr", description="private network whose boards may reach MQTT; nobody if empty")
    ] = ""
    device_address: Annotated[str, Field(alias="deviceAddress", description="this machine's in that network, by `lab`")] = ""
    hosts: Annotated[
        tuple[str, ...], Field(description="further names and addresses of this lab, for which its certificates vouch, too")
    ] = ()
    iotkit_ingest: Annotated[
        Literal["bridge", "node-red"], Field(alias="iotkitIngest", description="who carries iotkit/# to Kafka")
    ] = "bridge"

    @field_validator("scale_name")
    @classmethod
    def _scale_exists(cls, name: str) -> str:
        if name not in SCALES:
            raise ValueError(f"there is no scale '{name}'; choose one of {', '.join(SCALES)}")
        return name

    @field_validator("services")
    @classmethod
    def _services_exist(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = [*SETS, *NEEDS]
        if not names:
            raise ValueError(f"it names no service; choose from {', '.join(known)}, or leave the key out for {known[0]}")
        for name in names:
            if name in NOT_HERE:
                raise ValueError(f"there is no '{name}' in this lab: {NOT_HERE[name]}; take it out")
            if name not in known:
                raise ValueError(f"there is no service or set '{name}'; choose from {', '.join(known)}")
        return names

    @field_validator("devices")
    @classmethod
    def _one_pod_can_be_so_many(cls, devices: dict[str, int]) -> dict[str, int]:
        for kind, count in devices.items():
            if count > MOST_DEVICES[kind]:
                raise ValueError(f"{count} devices of the kind {kind} are more than the {MOST_DEVICES[kind]} that a pod can be")
        return devices

    @field_validator("hosts")
    @classmethod
    def _hosts_can_be_vouched_for(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not HOST.fullmatch(host):
                raise ValueError(f"'{host}' is no host name in small letters and no address; write it without scheme and port")
        return hosts

    @field_validator("registry")
    @classmethod
    def _registry_is_an_address(cls, text: str) -> str:
        if text:
            RegistryAddress.parse(text)
        return text

    @model_validator(mode="after")
    def _needs_are_met(self) -> Settings:
        for service, need in ((one, need) for one in sorted(self.asked) for need in NEEDS[one]):
            if need not in self.asked:
                raise ValueError(f"the service '{service}' needs '{need}'; add it to iotlab:services")
        if why := refusal(self.iotkit_ingest, self.chosen, self.asked, self.scale):
            raise ValueError(why)
        if self.cloud and (why := unfit(self.cloud, self.machine_type, self.services_mb, self.volumes_gb)):
            raise ValueError(why)
        return self

    def refuse_illegal_pairs(self) -> None:
        """Refuse what a stack's file can't say together; later `lab` adds the embedded cluster's own kubeconfig to it.

        Raises:
            SettingsError: the two keys, and which to remove.
        """
        if self.cloud and (lost := sorted(self.model_fields_set - CARRIED)):
            raise SettingsError(
                f"iotlab:{alias_of(Settings, lost[0])} does not reach the machines of iotlab:cloud yet: remove it."
            )
        if self.kubeconfig and self.device_cidr:
            raise SettingsError(
                "iotlab:deviceCidr opens a port of the embedded cluster and does nothing for the cluster of iotlab:kubeconfig: "
                "remove it; ./lab access says how a board reaches MQTT there."
            )
        for key, reason in (
            ("registry", "the embedded cluster takes its images from this machine"),
            ("context", "it names a context of that file"),
        ):
            if getattr(self, key) and not self.kubeconfig:
                raise SettingsError(f"iotlab:{key} needs iotlab:kubeconfig: {reason}; remove it, or name the kubeconfig.")

    @property
    def asked(self) -> frozenset[str]:
        """The services that the stack names, sets resolved."""
        return frozenset(service for name in self.services for service in SETS.get(name, (name,)))

    @property
    def left_out(self) -> frozenset[str]:
        """Those of them whose upstream image nobody has brought."""
        return self.asked & UPSTREAM - set(self.images)

    @property
    def chosen(self) -> frozenset[str]:
        """The services of this stack."""
        return self.asked - self.left_out

    @property
    def scale(self) -> Scale:
        """The size as data."""
        return SCALES[self.scale_name]

    @property
    def machine_type(self) -> MachineType:
        """What each machine of `cloud` is."""
        return MACHINE_TYPES[(self.cloud and self.cloud.machine_type) or self.scale.machine_type]

    @property
    def fleet(self) -> dict[str, int]:
        """Simulated devices by kind."""
        return self.scale.fleet | self.devices

    @property
    def shares_data(self) -> bool:
        """Whether a service of this stack mounts the shared volume."""
        return bool(self.chosen & SHARE_DATA)

    @property
    def mqtt_hosts(self) -> tuple[str, ...]:
        """Further names and addresses under which devices reach MQTT."""
        return self.hosts + ((self.device_address,) if self.device_address else ())

    @property
    def routes(self) -> tuple[Route, ...]:
        """What the bridge carries: everything, but for iotkit/# where Node-RED does."""
        return tuple(route for route in ROUTES if route != IOTKIT_ROUTE or not self.node_red_carries)

    @property
    def node_red_carries(self) -> bool:
        """Whether Node-RED carries iotkit/# to Kafka; of the two always exactly one does."""
        return self.iotkit_ingest == "node-red"

    @property
    def node_red_starts(self) -> bool:
        """Whether Node-RED's flow starts a process for an alert: where there is Camunda, and no service that does the same."""
        return self.has("camunda") and not self.has("iot-kafka-alert")

    @property
    def canary_hops(self) -> tuple[str, ...]:
        """The doctor's hops beyond the core: those that a service of this stack makes."""
        return tuple(hop for hop, service in CANARY_HOPS.items() if self.has(service))

    def has(self, service: str) -> bool:
        """Whether this stack runs `service`."""
        return service in self.chosen

    def image(self, name: str) -> str:
        """The reference of the image `name`.

        Raises:
            SettingsError: the stack was not prepared by `lab`.
        """
        try:
            return self.images[name]
        except KeyError as missing:
            raise SettingsError(f'iotlab:images names no image {name}; run ./lab up, or eval "$(./lab env)" first.') from missing

    def with_images(self, images: Mapping[str, str]) -> Settings:
        """The same with these image references."""
        return self.model_copy(update={"images": dict(images)})

    @property
    def services_mb(self) -> int:
        """Memory that the services may take in all, MB: the sum of their limits, with those that an image may still come for."""
        return sum(self.scale.pods_of(service) * self.scale.budgets[service].limit_mb for service in self.asked)

    @property
    def services_cpu_m(self) -> int:
        """Thousandths of a core that those services ask for in all."""
        return sum(self.scale.pods_of(service) * self.scale.budgets[service].cpu_request_m for service in self.asked)

    @property
    def volumes_gb(self) -> int:
        """What those services may fill on the disk in all, GB."""
        return sum(self.scale.pods_of(service) * size for service, size in self.scale.volumes_gb.items() if service in self.asked)

    @classmethod
    def parse(cls, config: Mapping[str, object]) -> Settings:
        """Read `iotlab:key -> value`.

        Raises:
            SettingsError: an unknown key, a wrong type or an illegal combination; the message says which and what to do.
        """
        own = {key.removeprefix(f"{PROJECT}:"): value for key, value in config.items() if key.startswith(f"{PROJECT}:")}
        try:
            return cls.model_validate(own)
        except ValidationError as wrong:
            raise SettingsError(sentence(wrong, PROJECT, cls, INNER)) from wrong

    @classmethod
    def load(cls) -> Settings:
        """Read the configuration that the Pulumi engine hands to a program."""
        raw: dict[str, str] = json.loads(os.environ.get("PULUMI_CONFIG", "{}"))
        return cls.parse({key: _plain(value) for key, value in raw.items()})


def _plain(value: str) -> object:
    """Pulumi hands every value over as text: structures and integers as JSON, strings as they are."""
    try:
        loaded: object = json.loads(value)
    except ValueError:
        return value
    return loaded if isinstance(loaded, (dict, list, int)) else value
