"""A plan and a difference of two, as they look on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rich.table import Table

from infra.cloud.user_data import MOST_BYTES
from infra.lab.plan.collect import Plan
from infra.lab.plan.difference import Changes, Difference
from infra.lab.plan.whole import CLOUD_INIT, MANIFESTS, RESOURCES, objects, stages
from infra.lab.plan.words import about
from infra.lab.views import out, plain


def heading(text: str) -> None:
    """A line of its own."""
    out.print(f"\n[bold]{plain(text)}[/]")


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Rows of text; nothing is cut off, on a narrow terminal either."""
    made = Table(box=None, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(plain(cell) for cell in row))
    out.print(made)


def show_plan(plan: Plan) -> None:
    """All of a plan; the long texts by their sizes, and how each is printed whole."""
    out.print(f"[bold]Stack {plain(plan.stack)}[/]: scale {plan.scale}, services {', '.join(plan.services)}", soft_wrap=True)
    _show_machines(plan)
    heading(f"Resources ({len(plan.resources)})")
    table(("type", "name"), ((kind, name) for kind, name, _ in plan.resources))
    for kind, name, inputs in plan.resources:
        if said := about(kind, inputs):
            out.print(plain(f"{kind} {name}: {said}"), soft_wrap=True)
    _whole("with every input", plan, RESOURCES)
    heading(f"Ways in ({len(plan.ports)})")
    ports = (
        (port.service, f"{port.port}/{port.protocol}", port.source, "yes" if port.encrypted else "NO", port.login, port.reason)
        for port in plan.ports
    )
    table(("service", "port", "from", "encrypted", "login", "why"), ports)
    _show_manifests(plan)
    if plan.quotas:
        heading("The account has to allow")
        rows = ((q.name, q.code, str(q.needed), f"{q.usual}{'' if q.enough else '  ask for more'}") for q in plan.quotas)
        table(("what", "code in Service Quotas", "needed", "new accounts have"), rows)
    _show_price(plan)
    _show_refusals(plan)


def _whole(what: str, plan: Plan, name: str) -> None:
    out.print(f"{what}: ./lab plan -s {plain(plan.stack)} --show {plain(name)}", soft_wrap=True)


def _show_machines(plan: Plan) -> None:
    if not plan.machines:
        return
    heading(f"Machines ({len(plan.machines)})")
    rows = ((host, size, f"{plan.user_data_bytes[host]:,} of {MOST_BYTES:,}") for host, size in plan.machines.items())
    table(("name", "what it is", "cloud-init, bytes as gzip"), rows)
    host, text = next(iter(plan.user_data.items()))
    out.print(f"stages of {plain(host)}: {', '.join(stages(text))}", soft_wrap=True)
    _whole(f"cloud-init, {len(text.splitlines()):,} lines a machine", plan, CLOUD_INIT)


def _show_manifests(plan: Plan) -> None:
    """What a lab's cluster holds, by file."""
    heading(f"Objects in {'each machine' if plan.machines else 'the cluster'} ({len(plan.manifests)} files)")
    for file, text in plan.manifests.items():
        kinds = Counter(name.partition("/")[0] for name in objects(text))
        counted = ", ".join(f"{kind} {count}" if count > 1 else kind for kind, count in kinds.items())
        out.print(f"{plain(file)}, {len(text.splitlines())} lines: {counted}", soft_wrap=True)
    if plan.not_shown:
        out.print(plain(plan.not_shown), soft_wrap=True)
    if plan.manifests:
        _whole(f"all {sum(len(text.splitlines()) for text in plan.manifests.values()):,} lines", plan, MANIFESTS)
        first = next(iter(plan.manifests))
        _whole("one file", plan, first)


def _show_price(plan: Plan) -> None:
    heading("Price")
    if plan.price:
        rows = [(f"{line.count} x {line.what}", f"{line.usd_h:.4f}", f"{line.usd_month:.2f}") for line in plan.price]
        sums = [("all", f"{plan.usd_h:.4f}", f"{plan.usd_month:.2f}"), ("while stopped", "", f"{plan.usd_month_stopped:.2f}")]
        table(("what", "USD/hour", "USD/month"), rows + sums)
    out.print(plain(plan.price_note), soft_wrap=True)
    if plan.price_old:
        out.print(f"[yellow]{plain(plan.price_old)}[/]", soft_wrap=True)


def _show_refusals(plan: Plan) -> None:
    if plan.assumed:
        out.print(f"\nAssumed, because nobody has said it: {', '.join(plan.assumed)}", soft_wrap=True)
    for why in plan.refused:
        out.print(f"[yellow]Not to be made yet:[/] {plain(why)}", soft_wrap=True)
    out.print(
        f"\nAll of it whole: ./lab plan -s {plain(plan.stack)} --show all, as one page: --page FILE, for programs: --json",
        soft_wrap=True,
    )


def show_difference(found: Difference) -> None:
    """What the second stack has more, less and otherwise."""
    out.print(f"[bold]{plain(found.first)} → {plain(found.second)}[/]")
    parts = {"Resources": found.resources, "Ways in": found.ports, "User data": found.user_data, "Manifests": found.manifests}
    for part, changes in parts.items():
        heading(part)
        _show_changes(changes)
    heading("Price")
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
