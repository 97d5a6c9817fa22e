"""A plan and a difference of two, as they look on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import yaml
from rich.table import Table

from infra.cloud.user_data import MOST_BYTES
from infra.lab.plan.collect import Plan
from infra.lab.plan.difference import Changes, Difference
from infra.lab.plan.words import about
from infra.lab.views import out, plain


def _heading(text: str) -> None:
    out.print(f"\n[bold]{plain(text)}[/]")


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(plain(cell) for cell in row))
    out.print(table)


def objects(manifest: str) -> list[str]:
    """`Kind/name` of every object of a manifest; a Secret is a comment in it and counts by its first word."""
    found = [one for one in yaml.safe_load_all(manifest) if isinstance(one, dict)]
    secrets = [line.split()[2].rstrip(",") for line in manifest.splitlines() if line.startswith("# Secret ")]
    return [f"{one['kind']}/{one['metadata']['name']}" for one in found] + [f"Secret/{name}" for name in secrets]


def show_plan(plan: Plan) -> None:
    """All of a plan but the long texts, which the page and the JSON hold."""
    out.print(f"[bold]Stack {plain(plan.stack)}[/]: scale {plan.scale}, services {', '.join(plan.services)}", soft_wrap=True)
    for host, size in plan.machines.items():
        data = plan.user_data_bytes[host]
        out.print(f"machine {plain(host)}: {size}; user data {data} of at most {MOST_BYTES} bytes", soft_wrap=True)
    _heading(f"Resources ({len(plan.resources)})")
    _table(("type", "name", ""), ((kind, name, about(kind, inputs)) for kind, name, inputs in plan.resources))
    _heading(f"Ways in ({len(plan.ports)})")
    ports = (
        (port.service, f"{port.port}/{port.protocol}", port.source, "yes" if port.encrypted else "NO", port.login, port.reason)
        for port in plan.ports
    )
    _table(("service", "port", "from", "encrypted", "login", "why"), ports)
    _heading(f"Objects in {'each machine' if plan.machines else 'the cluster'} ({len(plan.manifests)} files)")
    for file, text in plan.manifests.items():
        kinds = Counter(name.partition("/")[0] for name in objects(text))
        counted = ", ".join(f"{kind} {count}" if count > 1 else kind for kind, count in kinds.items())
        out.print(f"{plain(file)}: {counted}", soft_wrap=True)
    if plan.not_shown:
        out.print(plain(plan.not_shown), soft_wrap=True)
    if plan.quotas:
        _heading("The account has to allow")
        rows = ((q.name, q.code, str(q.needed), f"{q.usual}{'' if q.enough else '  ask for more'}") for q in plan.quotas)
        _table(("what", "code in Service Quotas", "needed", "new accounts have"), rows)
    _show_price(plan)
    _show_refusals(plan)


def _show_price(plan: Plan) -> None:
    _heading("Price")
    if plan.price:
        rows = [(f"{line.count} x {line.what}", f"{line.usd_h:.4f}", f"{line.usd_month:.2f}") for line in plan.price]
        sums = [("all", f"{plan.usd_h:.4f}", f"{plan.usd_month:.2f}"), ("while stopped", "", f"{plan.usd_month_stopped:.2f}")]
        _table(("what", "USD/hour", "USD/month"), rows + sums)
    out.print(plain(plan.price_note), soft_wrap=True)


def _show_refusals(plan: Plan) -> None:
    if plan.assumed:
        out.print(f"\nAssumed, because nobody has said it: {', '.join(plan.assumed)}", soft_wrap=True)
    for why in plan.refused:
        out.print(f"[yellow]Not to be made yet:[/] {plain(why)}", soft_wrap=True)
    out.print("\nWhole texts (cloud-init, manifests): ./lab plan --page FILE or --json", soft_wrap=True)


def show_difference(found: Difference) -> None:
    """What the second stack has more, less and otherwise."""
    out.print(f"[bold]{plain(found.first)} → {plain(found.second)}[/]")
    parts = {"Resources": found.resources, "Ways in": found.ports, "User data": found.user_data, "Manifests": found.manifests}
    for heading, changes in parts.items():
        _heading(heading)
        _show_changes(changes)
    _heading("Price")
    for what, (first, second) in (("hour", found.usd_h), ("month", found.usd_month)):
        out.print(f"USD/{what}: {first:.4f} → {second:.4f} ({second - first:+.4f})")


def _show_changes(changes: Changes) -> None:
    for mark, names in (("[green]+[/]", changes.added), ("[red]-[/]", changes.removed)):
        for name in names:
            out.print(f"{mark} {plain(name)}", soft_wrap=True)
    for name, lines in changes.changed.items():
        out.print(f"[yellow]~[/] {plain(name)}", soft_wrap=True)
        for line in lines.splitlines():
            out.print(f"    {plain(line)}", soft_wrap=True)
    if not (changes.added or changes.removed or changes.changed):
        out.print("the same")
