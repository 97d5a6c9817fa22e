"""How a forecast looks on a terminal."""

from __future__ import annotations

from datetime import timedelta

from rich.table import Table

from infra.lab.scenario.forecast import Forecast
from infra.lab.views import figure, out, plain


def show_forecast(found: Forecast) -> None:
    """A line a stage, then the sums and the needs."""
    stages = Table("stage", "begins at", "lasts", "clients", "connects/s", "messages/s", box=None, pad_edge=False)
    for stage in found.stages:
        rates = (figure(rate) if rate else "-" for rate in (stage.connects_s, stage.msg_s))
        stages.add_row(plain(stage.name), _time(stage.begins_s), _time(stage.lasts_s), f"{stage.clients:,}", *rates)
    out.print(stages)
    if found.qos is not None:
        out.print(
            f"{found.cars:,} clients publish at QoS {found.qos}, each {found.messages_each:,g} messages, one every "
            f"{found.interval_s:g} s: {found.messages:,} messages in {_time(found.lasts_s)}",
            soft_wrap=True,
        )
    out.print(
        f"Needs {found.files:,} files and {found.memory_mb:,} MB of memory, by a prototype's figures; "
        f"processes of the fleet: {found.processes}, brokers: {found.shards}",
        soft_wrap=True,
    )


def _time(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
