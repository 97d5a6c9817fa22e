"""The one way to install a chart, and what a service hands to those who use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi_kubernetes.core.v1 import Secret
from pulumi_kubernetes.helm.v4 import Chart
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra import wiring
from infra.scales import Budget
from infra.settings import Settings
from infra.wiring import Endpoint

CHARTS = Path(__file__).resolve().parents[2] / "charts"
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reach:
    """A way to a service: where it is, as whom, and the resource that must be ready first."""

    endpoint: Endpoint
    ready: pulumi.Resource
    user: str = ""
    password: pulumi.Output[str] | None = None


def image(settings: Settings, name: str) -> str:
    """The image `name` by digest.

    Raises:
        KeyError: the stack's configuration has no such image.
    """
    try:
        return settings.images[name]
    except KeyError as missing:
        raise KeyError(f"iotlab:images has no '{name}'; `./lab up` and `./lab env` write it from the bundle.") from missing


def resources(budget: Budget) -> Values:
    """A budget as every chart takes it."""
    return {"requestMb": budget.request_mb, "limitMb": budget.limit_mb, "cpuRequestM": budget.cpu_request_m}


def clients(settings: Settings, service: str) -> tuple[str, ...]:
    """The chosen services that speak to `service`."""
    return tuple(name for name in wiring.clients_of(service) if settings.has(name))


def refuse_outputs(values: object, where: str = "values") -> None:
    """Refuse a value that isn't known yet.

    One unknown value, and the official provider previews no object of the chart; a secret one would end up in
    rendered YAML. Passwords go into Secrets, and charts take their names.

    Raises:
        TypeError: says where.
    """
    if isinstance(values, pulumi.Output):
        raise TypeError(f"{where} is an Output; a chart's values must be known, a password belongs into a Secret.")
    if isinstance(values, Mapping):
        for key, value in values.items():
            refuse_outputs(value, f"{where}.{key}")
    elif isinstance(values, Sequence) and not isinstance(values, str):
        for number, value in enumerate(values):
            refuse_outputs(value, f"{where}[{number}]")


def release(
    name: str, chart: str, values: Values, parent: pulumi.Resource, depends_on: Sequence[pulumi.Resource] = ()
) -> Chart:
    """Install `charts/<chart>` as `name`, after `depends_on`."""
    refuse_outputs(values)
    return Chart(
        name,
        chart=str(CHARTS / chart),
        name=name,
        namespace=wiring.NAMESPACE,
        values=values,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=list(depends_on)),
    )


def secret(name: str, data: Mapping[str, pulumi.Output[str]], parent: pulumi.Resource) -> Secret:
    """A Secret of the lab's namespace; its values stay secret in state and output."""
    return Secret(
        name,
        metadata=ObjectMetaArgs(name=name, namespace=wiring.NAMESPACE, labels=labels(name)),
        string_data={key: pulumi.Output.secret(value) for key, value in data.items()},
        opts=pulumi.ResourceOptions(parent=parent),
    )


def labels(name: str) -> dict[str, str]:
    """Labels of an object that the program makes itself; those of the charts come from charts/common."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "iotlab", "app.kubernetes.io/managed-by": "pulumi"}
