"""What a person sees of a run while it goes on, and at its end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.live import Live
from rich.table import Table

from infra.lab.console import console
from infra.lab.scenario.report import Report
from infra.lab.views import mark, out, plain

SAY_EVERY_S = 10.0  # where nobody sees a line change
COUNTS, WRONG = ("sent", "acked", "received"), ("missing", "duplicated")
COLUMNS = ("stage", "connected", "messages/s", "sent", "acknowledged", "read back", "p50", "p99", "missing", "twice")


class Progress:
    """One line that changes; `show` gets each progress."""

    def __init__(self, live: Live) -> None:
        """`live` is what changes."""
        self._live = live
        self._before: Mapping[str, Any] = {}
        self._said_s = time.monotonic()

    def show(self, now: Mapping[str, Any]) -> None:
        """One more."""
        rate = self._rate(now)
        self._before = now
        times = ["-" if now[key] is None else f"{now[key]:g} ms" for key in ("p50_ms", "p99_ms")]
        counts, wrong = ([f"{now[key]:,}" for key in keys] for keys in (COUNTS, WRONG))
        cells = (plain(now["stage"]), f"{now['connected']:,}", f"{rate:,.0f}", *counts, *times, *wrong)
        if not console.is_terminal:
            if time.monotonic() >= self._said_s + SAY_EVERY_S:
                self._said_s = time.monotonic()
                console.print("  ".join(f"{name} {cell}" for name, cell in zip(COLUMNS, cells, strict=True)), soft_wrap=True)
            return
        table = Table(*COLUMNS, box=None, pad_edge=False)
        table.add_row(*cells)
        self._live.update(table, refresh=True)

    def _rate(self, now: Mapping[str, Any]) -> float:
        if not self._before or now["at_s"] <= self._before["at_s"]:
            return 0.0
        return float((now["sent"] - self._before["sent"]) / (now["at_s"] - self._before["at_s"]))


@contextmanager
def progress() -> Iterator[Progress]:
    """One that is on the terminal while the body runs."""
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield Progress(live)


def show_report(report: Report) -> None:
    """The figures, then what is wrong, then where the files are."""
    found = report.found
    table = Table("", *("QoS", "sent", "acknowledged", "read back", "lost", "twice"), box=None, pad_edge=False)
    for qos, counts in found["qos"].items():
        figures = (f"{counts[key]:,}" for key in (*COUNTS, "lost", "duplicated"))
        table.add_row(mark(ok=not counts["lost"]), qos, *figures)
    out.print(table)
    rate = "-" if found["rate_msg_s"] is None else f"{found['rate_msg_s']:,.0f}"
    times = ", ".join(f"{key[:3]} {found[key]:g} ms" for key in ("p50_ms", "p99_ms") if found[key] is not None)
    out.print(
        f"{found['connected']:,} clients connected, {found['connects_s']:,.0f} a second; {rate} of {found['target_msg_s']:,g} "
        f"messages a second{f'; to the reader {times}' if times else ''}",
        soft_wrap=True,
    )
    if report.read_back_every > 1:
        out.print(f"Read back: the messages of one client in {report.read_back_every}; lost, twice and the times are of these.")
    for hop, each in report.beyond.items():
        out.print(f"{each['arrived']:,} in {hop}, with those of the lab's own devices{_times(each)}", soft_wrap=True)
    out.print(f"Report: {plain(str(report.folder / 'report.html'))}", soft_wrap=True)


def _times(each: Mapping[str, Any]) -> str:
    """How long it took from the bridge on; a class of a histogram, so at most so long."""
    told = [f"{key[:3]} at most {each[key]:g} ms" for key in ("p50_ms", "p99_ms") if each[key] is not None]
    return f"; from the bridge on {', '.join(told)}" if told else ""
