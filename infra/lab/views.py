"""How results look on a terminal: tables and one-line verdicts, no logic."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from infra.lab.kubernetes_plugin import OURS as STANDIN

if TYPE_CHECKING:
    from infra.lab.bench import Bench
    from infra.lab.doctor import Diagnosis
    from infra.lab.status import LabStatus

WHOLE_FROM = 100
out = Console(highlight=False, emoji=False)  # iotlab:cloud is a key, no picture


def plain(text: str) -> str:
    """Text of others, safe to print between markup."""
    return escape(text)


def figure(value: float | None) -> str:
    """A number as people read it: whole from 100 on, in three digits below."""
    if value is None:
        return "?"
    return f"{value:,.0f}" if value >= WHOLE_FROM else f"{value:.3g}"


def mark(*, ok: bool) -> str:
    """Green or red."""
    return "[green]✓[/]" if ok else "[red]✗[/]"


def show_diagnosis(diagnosis: Diagnosis) -> None:
    """Hops with their latencies, then services, then what was not looked at."""
    hops = Table("", "hop", "from → to", "latency", "what to do", box=None, pad_edge=False)
    for hop in diagnosis.hops:
        latency = "-" if hop.latency_ms is None else f"{hop.latency_ms:.1f} ms"
        hops.add_row(mark(ok=hop.ok), hop.name, f"{hop.origin} → {hop.to}", latency, plain(hop.why or ""))
    if diagnosis.hops:
        out.print(hops)
    for check in diagnosis.services:
        out.print(f"{mark(ok=check.ok)}  {check.name}{plain(f': {check.why}') if check.why else ''}", soft_wrap=True)
    for said in filter(None, (diagnosis.note, *diagnosis.left_out.values())):
        out.print(plain(said), soft_wrap=True)


def show_status(found: LabStatus) -> None:
    """The cluster's parts, then the pods."""
    if found.cluster:
        if not found.cluster.running:
            out.print("The lab is down. Start it with ./lab up")
            return
        parts = Table("", "part", "pid", "restarts", "last exit", box=None, pad_edge=False)
        for part in found.cluster.parts:
            pid = "-" if part.pid is None else str(part.pid)
            parts.add_row(mark(ok=part.pid is not None), part.name, pid, str(part.restarts), plain(part.last_exit))
        out.print(parts)
    pods = Table("", "service", "pod", "restarts", "memory", "limit", "why", box=None, pad_edge=False)
    for pod in found.pods:
        memory = ["-" if value is None else f"{value} MB" for value in (found.used_mb.get(pod.name), pod.limit_mb)]
        pods.add_row(mark(ok=pod.ready), pod.service, pod.name, str(pod.restarts), *memory, plain(pod.why or ""))
    for service in found.missing:
        pods.add_row(mark(ok=False), service, "-", "", "-", "-", "not all there; run ./lab up")
    out.print(pods)
    for said in found.left_out.values():
        out.print(plain(said), soft_wrap=True)
    if found.memory_mb:
        out.print(f"Memory of the whole lab: {found.memory_mb} MB")
    if found.kubernetes_plugin == STANDIN:
        out.print("Kubernetes plugin: the lab's stand-in (the official one could not be fetched)")


def show_access(entries: dict[str, dict[str, str]], hints: Iterable[str | None]) -> None:
    """Addresses and logins, then what else there is to say. No table: a narrow terminal would cut the passwords."""
    if not entries:
        out.print("No service of this stack has a login or an address outside of it.")
    columns = ("url", "user", "password")
    rows = [
        ("service", "address", "user", "password"),
        *((name, *(entry[key] for key in columns)) for name, entry in entries.items()),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows if entries else ():
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        out.print(line.rstrip(), soft_wrap=True, markup=False)
    for hint in filter(None, hints):
        out.print(plain(hint), soft_wrap=True)


def show_bench(found: Bench) -> None:
    """A line a lane: what was sent, what became of it, how long it took."""

    def ms(value: float | None) -> str:
        return "-" if value is None else f"{value:.0f} ms"

    columns = ("", "lane", "messages/s", "sent", "lost", "twice", "p50", "p99", "goal", "p99 / bridge's")
    lanes = Table(*columns, box=None, pad_edge=False)
    for lane in found.lanes:
        counts = [f"{count}" for count in (lane.sent, lane.lost, lane.twice)]
        times = [ms(value) for value in (lane.p50_ms, lane.p99_ms, lane.goal_p99_ms)]
        ratio = "-" if lane.ratio is None else f"{lane.ratio:.2f}"
        lanes.add_row(mark(ok=not lane.lost), lane.name, f"{lane.rate_s:g}", *counts, *times, ratio)
    out.print(lanes)
    if found.memory_mb:
        out.print(f"Memory of the whole lab: {found.memory_mb} MB (goal: {found.goal_memory_mb} MB)")


def print_json(value: object) -> None:
    """One JSON object on standard output, for programs."""
    typer.echo(json.dumps(value, indent=2))
