"""What differs between two stacks' plans: objects, ways in, manifests, user data, price."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from infra.cloud.firewall import Rule
from infra.lab.plan.collect import Plan, shown


@dataclass(frozen=True, slots=True)
class Changes:
    """Of one kind of thing: what only the second stack has, what only the first, and for what is in both, how it differs."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: dict[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """Two stacks, from the first to the second."""

    first: str
    second: str
    resources: Changes
    ports: Changes
    user_data: Changes
    manifests: Changes
    usd_h: tuple[float, float]
    usd_month: tuple[float, float]

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


def _changes(first: Mapping[str, str], second: Mapping[str, str]) -> Changes:
    """Compare texts by name; a changed one is told as its lines that differ."""
    both = [name for name in first if name in second and first[name] != second[name]]
    return Changes(
        tuple(name for name in second if name not in first),
        tuple(name for name in first if name not in second),
        {name: _lines(first[name], second[name]) for name in both},
    )


def _lines(first: str, second: str) -> str:
    lines = list(difflib.unified_diff(first.splitlines(), second.splitlines(), lineterm="", n=0))[2:]
    return "\n".join(line for line in lines if not line.startswith("@@"))


def _resources(plan: Plan) -> dict[str, str]:
    return {
        f"{kind} {name}": "\n".join(f"{key}: {value}" for key, value in shown(inputs).items())
        for kind, name, inputs in plan.resources
    }


def _port(port: Rule) -> str:
    return "\n".join(
        (
            f"from {port.source}",
            f"encrypted: {'yes' if port.encrypted else 'no'}",
            f"login: {port.login}",
            f"why: {port.reason}",
        )
    )


def difference(first: Plan, second: Plan, names: tuple[str, str]) -> Difference:
    """Compare two plans that were made under one and the same name, so that their stacks' own names are no difference."""
    ports = [{f"{port.service} {port.port}/{port.protocol}": _port(port) for port in plan.ports} for plan in (first, second)]
    return Difference(
        *names,
        resources=_changes(_resources(first), _resources(second)),
        ports=_changes(*ports),
        user_data=_changes(first.user_data, second.user_data),
        manifests=_changes(first.manifests, second.manifests),
        usd_h=(first.usd_h, second.usd_h),
        usd_month=(first.usd_month, second.usd_month),
    )
