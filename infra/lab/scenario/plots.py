"""Plots of a run as lines and bars in the units of an SVG: the template only draws them. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

WIDTH, HEIGHT = 640.0, 220.0  # of the area within the axes
MOST_POINTS = 320  # of a line: as many as a person can tell apart
COLOURS = ("#0b62a4", "#b35900", "#2e7d32", "#7b1fa2", "#b3261e", "#00796b", "#5d4037", "#455a64")
UNITS = (("M", 1e6), ("k", 1e3))
MOST_LABELS = 8  # of an axis with bars
Row = Mapping[str, Any]
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Tick:
    """A place of an axis, in the plot's units, and what stands there."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name, its colour and the `points` of a polyline."""

    name: str
    colour: str
    points: str
    last: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a histogram, from the bottom."""

    x: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot; it has lines or bars. `why` says what is missing where it has neither."""

    title: str
    unit: str
    x_unit: str
    lines: tuple[Line, ...] = ()
    bars: tuple[Bar, ...] = ()
    x_ticks: tuple[Tick, ...] = ()
    y_ticks: tuple[Tick, ...] = ()
    why: str = ""


def line_plots(samples: Sequence[Row], parts: Sequence[Row], targets: Mapping[str, float]) -> list[Plot]:
    """Over time: connections, messages, latency, and what each process took; `targets` are messages a second by stage."""
    connects = {"connects/s": rates(samples, "connects")}
    counters = {"sent": "sent", "acknowledged": "acked", "read back": "received"}
    aim = {"aimed at": [(row["at_s"], targets.get(row["stage"], 0.0)) for row in samples]}
    messages = aim | {name: rates(samples, key) for name, key in counters.items()}
    latencies = {name: _known(samples, f"{name}_ms") for name in ("p50", "p99")}
    cores = {part["name"]: [(at_s, cores) for at_s, cores, _ in part["samples"]] for part in parts}
    memory = {part["name"]: [(at_s, memory) for at_s, _, memory in part["samples"]] for part in parts}
    return [
        over_time("Connections", "connects/s", connects),
        over_time("Clients connected", "", {"connected": [(row["at_s"], row["connected"]) for row in samples]}),
        over_time("Messages", "messages/s", messages),
        over_time("From publishing to the reader, last 10 s", "ms", latencies),
        over_time("Processor by process", "cores", cores),
        over_time("Memory by process", "MB", memory),
    ]


def _known(samples: Sequence[Row], key: str) -> list[tuple[float, float]]:
    return [(row["at_s"], row[key]) for row in samples if row[key] is not None]


def rates(samples: Sequence[Row], key: str) -> list[tuple[float, float]]:
    """A counter's growth in a second, between each two samples."""
    return [
        (after["at_s"], (after[key] - before[key]) / (after["at_s"] - before["at_s"]))
        for before, after in pairwise(samples)
        if after["at_s"] > before["at_s"]
    ]


def thinned(points: Points) -> list[tuple[float, float]]:
    """The same line with fewer points: the means of neighbours."""
    step = math.ceil(len(points) / MOST_POINTS) or 1
    groups = [points[place : place + step] for place in range(0, len(points), step)]
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]


def over_time(title: str, unit: str, lines: Mapping[str, Points]) -> Plot:
    """Lines over the seconds of the run."""
    drawn = {name: thinned(points) for name, points in lines.items() if points}
    if not drawn:
        return Plot(title, unit, "s", why="nothing was measured")
    x_ticks = axis(max(x for points in drawn.values() for x, _ in points))
    y_ticks = axis(max(y for points in drawn.values() for _, y in points))
    width, height = WIDTH / x_ticks[-1], HEIGHT / y_ticks[-1]
    made = tuple(
        Line(
            name,
            COLOURS[place % len(COLOURS)],
            " ".join(f"{x * width:.1f},{HEIGHT - y * height:.1f}" for x, y in points),
            short(points[-1][1]),
        )
        for place, (name, points) in enumerate(drawn.items())
    )
    return Plot(
        title,
        unit,
        "s",
        lines=made,
        x_ticks=tuple(Tick(x * width, short(x)) for x in x_ticks),
        y_ticks=_y_ticks(y_ticks[-1]),
    )


def histogram(buckets: Sequence[tuple[float, int]]) -> Plot:
    """How many messages took how long; `buckets` are upper bounds in ms, each a factor above the one before, with counts."""
    title = "How long messages took from publishing to the reader"
    used = [place for place, (_, count) in enumerate(buckets) if count]
    if not used:
        return Plot(title, "messages", "ms", why="no message told when it was sent: MQTT 3.1.1 has no room for that")
    shown = buckets[max(0, used[0] - 2) : used[-1] + 3]
    width, step = WIDTH / len(shown), math.ceil(len(shown) / MOST_LABELS)
    x_ticks = tuple(Tick((place + 1) * width, short(shown[place][0])) for place in range(0, len(shown), step))
    bars = [(f"up to {short(bound)} ms", count) for bound, count in shown]
    return Plot(title, "messages", "ms", bars=_bars(bars), x_ticks=x_ticks, y_ticks=_y_ticks(max(count for _, count in bars)))


def by_qos(qualities: Mapping[str, Mapping[str, int]]) -> Plot:
    """What was lost and what came twice, for each quality of service."""
    bars = [(f"QoS {qos} {key}", counts[key]) for qos, counts in qualities.items() for key in ("lost", "duplicated")]
    title = "Lost and duplicated"
    if not any(count for _, count in bars):
        return Plot(title, "messages", "", why="none lost and none twice, at any quality of service")
    width = WIDTH / len(bars)
    x_ticks = tuple(Tick((place + 0.5) * width, name) for place, (name, _) in enumerate(bars))
    return Plot(title, "messages", "", bars=_bars(bars), x_ticks=x_ticks, y_ticks=_y_ticks(max(count for _, count in bars)))


def _bars(named: Sequence[tuple[str, int]]) -> tuple[Bar, ...]:
    width, height = WIDTH / len(named), HEIGHT / axis(max(count for _, count in named))[-1]
    return tuple(
        Bar(place * width, max(width - 1.0, 0.5), count * height, f"{name}: {count:,}")
        for place, (name, count) in enumerate(named)
    )


def _y_ticks(most: float) -> tuple[Tick, ...]:
    places = axis(most)
    return tuple(Tick(HEIGHT - y * HEIGHT / places[-1], short(y)) for y in places)


def axis(most: float) -> list[float]:
    """Round places from 0 to a little above `most`."""
    if most <= 0.0:
        return [0.0, 1.0]
    raw = most / 4.0
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if power * factor >= raw)
    return [step * place for place in range(math.ceil(most / step - 1e-9) + 1)]


def short(value: float) -> str:
    """As people read it, in three digits."""
    unit, factor = next(((unit, factor) for unit, factor in UNITS if value >= factor), ("", 1.0))
    return f"{value / factor:.3g}{unit}"
