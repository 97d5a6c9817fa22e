"""The one way to install a chart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from infra import wiring
from infra.scales import Budget

CHARTS = Path(__file__).resolve().parents[2] / "charts"


def resources(budget: Budget) -> dict[str, int]:
    """A budget as every chart of the lab wants it."""
    return {"requestMb": budget.request_mb, "limitMb": budget.limit_mb, "cpuRequestM": budget.cpu_request_m}


def release(
    name: str, chart: str, values: Mapping[str, Any], parent: pulumi.Resource, needs: Sequence[pulumi.Resource] = ()
) -> k8s.helm.v4.Chart:
    """Install `charts/<chart>` as `name` once `needs` are there.

    Raises:
        TypeError: a value is an Output: the preview would show nothing of the chart, or a secret would end in a manifest.
    """
    for path, value in _leaves("values", values):
        if isinstance(value, pulumi.Output):
            raise TypeError(f"{name}: {path} is not known at preview time; charts take known values and names of Secrets")
    return k8s.helm.v4.Chart(
        name,
        chart=str(CHARTS / chart),
        name=name,
        namespace=wiring.NAMESPACE,
        values=dict(values),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=list(needs)),
    )


def _leaves(path: str, value: object) -> Iterable[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}", inner)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _leaves(f"{path}[{index}]", inner)
    else:
        yield path, value
