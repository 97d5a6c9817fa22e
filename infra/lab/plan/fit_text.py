"""What a machine can carry, as it looks on a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from infra.lab.costs import Cost, Curve
from infra.lab.plan.fit import MOST_CARS, Most, Need, Size
from infra.lab.plan.room import Room
from infra.lab.plan.text import heading, table
from infra.lab.views import figure, out, plain

NOT_MEASURED = (
    "processor time of the services beside the cars' way (all idle ones count as the cluster's own 0.4 cores)",
    "pods' network, a run's own reader, 100,000 connections: cores are of loopback, and XL's run left nothing of two, not 1.3",
    "Kafka with several nodes, and its cost of a partition by itself",
    "InfluxDB's memory by series",
    "other processors than the one below: a core there may be slower",
)
ELSEWHERE = "files, connection tracking and local ports of a machine elsewhere: run this on it"


@dataclass(frozen=True, slots=True)
class Fit:
    """The whole answer."""

    stack: str
    room: Room
    sizes: Sequence[Size]
    most: Sequence[Most]
    impossible: Mapping[str, Need]

    @property
    def figures(self) -> list[Cost | Curve]:
        """All that was reckoned with, once."""
        needs = [need for size in self.sizes for need in size.needs]
        return list(dict.fromkeys(figure for need in needs for figure in need.by))

    @property
    def not_measured(self) -> tuple[str, ...]:
        """What the answer leaves out."""
        return (*NOT_MEASURED, *(() if self.room.files else (ELSEWHERE,)))

    def as_json(self) -> dict[str, Any]:
        """All of it; a limit that is not known has no `have` and no `used`."""
        return {
            "stack": self.stack,
            "machine": asdict(self.room),
            "sizes": [_size(size) for size in self.sizes],
            "most": [asdict(each) | {"first": _need(each.first), "then": _need(each.then)} for each in self.most],
            "impossible": {scale: _need(need) for scale, need in self.impossible.items()},
            "figures": [{"what": each.what, "value": str(each)} | asdict(each.source) for each in self.figures],
            "not_measured": self.not_measured,
        }


def _size(size: Size) -> dict[str, Any]:
    load = size.load
    return {
        "size": size.name,
        "scale": load.scale.name,
        "cars": load.cars,
        "interval_s": load.interval_s,
        "qos": load.qos,
        "msg_s": load.msg_s,
        "shards": load.sessions.shards,
        "kafka_keeps_h": round(load.kafka_keeps_h, 1),
        "fits": size.fits,
        "limits": [_need(need) for need in size.needs],
    }


def _need(need: Need) -> dict[str, Any]:
    have, used = (None, None) if need.have is None else (round(need.have, 2), round(need.used, 3))
    told: dict[str, Any] = {"limit": need.limit, "need": round(need.need, 2), "have": have, "unit": need.unit}
    return told | {"used": used, "remedy": need.remedy, "by": [figure.what for figure in need.by]}


def show_fit(found: Fit) -> None:
    """Machine, sizes, the most cars, figures with their day, what nobody measured."""
    room = found.room
    have = [f"{room.cores} core{'s' * (room.cores > 1)}", f"{room.memory_mb:,} MB"]
    have += [f"{value:,} {what}" for what, value in _known(room)]
    out.print(
        f"[bold]What {plain(room.name)} can carry[/] with the services of {plain(found.stack)}: {', '.join(have)}", soft_wrap=True
    )
    if room.note:
        out.print(plain(room.note), soft_wrap=True)
    heading("Sizes, each with its simulated cars on the same machine")
    table(
        ("size", "cars", "every", "QoS", "Kafka keeps", "", "fullest limit", "or what breaks, and what helps"),
        map(_row, found.sizes),
    )
    heading("The most cars")
    table(
        ("every", "QoS", "cars", "scale", "what breaks first, and what helps", "what would be next"), map(_most_row, found.most)
    )
    for scale, need in found.impossible.items():
        out.print(f"Not with scale {scale}, whatever the cars: {_said(need)}: {need.remedy}", soft_wrap=True)
    heading("By these figures")
    rows = ((each.what, str(each), each.source.day, each.source.machine, each.source.repeat) for each in found.figures)
    table(("what", "measured", "on", "machine", "again by"), rows)
    out.print(f"Not measured: {'; '.join(found.not_measured)}.", soft_wrap=True)


def _known(room: Room) -> Iterable[tuple[str, int]]:
    told = {
        "GB of disk": room.disk_gb,
        "files a process": room.files,
        "files in all": room.all_files,
        "connections tracked": room.tracked,
        "local ports": room.ports,
    }
    return ((what, value) for what, value in told.items() if value is not None)


def _row(size: Size) -> tuple[str, ...]:
    load, fullest = size.load, size.needs[0]
    broken = [f"{_said(need)}: {need.remedy}" for need in size.needs if need.used > 1]
    keeps = f"{load.kafka_keeps_h:,.1f} h"
    verdict = "fits" if size.fits else "breaks"
    full = f"{fullest.limit}, {fullest.used:.0%}"
    return (size.name, f"{load.cars:,}", f"{load.interval_s:g} s", str(load.qos), keeps, verdict, full, "; ".join(broken))


def _most_row(found: Most) -> tuple[str, ...]:
    cars = f"{found.cars:,}" if found.cars < MOST_CARS else f"{MOST_CARS:,} or more"
    then = f"{found.then.limit} at {found.then_cars:,}"
    first = f"{found.first.limit}, {figure(found.first.have)} {found.first.unit}: {found.first.remedy}"
    return (f"{found.interval_s:g} s", str(found.qos), cars, found.scale, first, then)


def _said(need: Need) -> str:
    return f"{need.limit}, {figure(need.need)} of {figure(need.have)} {need.unit}"
