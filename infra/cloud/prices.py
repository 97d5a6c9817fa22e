"""What a stack costs, from a dated table in the repository; a limit that a person sets is kept before anything is made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from infra.settings import Settings, SettingsError

TABLE = Path(__file__).with_name("prices.yaml")
BUNDLE_GB = 1.3  # core and teaching with toolchain and Python packages: 1.23 GB, 2026-11-26


class Region(BaseModel):
    """The prices of one region, USD."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine_h: dict[str, float]
    disk_gb_month: float
    address_h: float
    store_gb_month: float
    snapshot_gb_month: float


class Prices(BaseModel):
    """The table with its source, the day of what it says, and the day on which a person last checked it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    known: date
    checked: date | str
    hours_a_month: int
    regions: dict[str, Region]

    @property
    def note(self) -> str:
        """Where the figures come from and how far they can be trusted, as one sentence."""
        seen = (
            f"checked {self.checked}"
            if self.checked
            else "not checked since: check infra/cloud/prices.yaml before you rely on it"
        )
        return f"USD without tax; {self.source}, as known on {self.known}, {seen}; traffic out of the cloud is not counted."


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that costs: what a month of it costs, and whether it does so while the machines are stopped, too."""

    what: str
    count: int
    usd_h: float
    usd_month: float
    when_stopped: bool


@cache
def table() -> Prices:
    """The table in the repository."""
    return Prices.model_validate(yaml.safe_load(TABLE.read_text()))


def lines(settings: Settings, bundle_gb: float = BUNDLE_GB) -> tuple[Line, ...]:
    """What each part of the stack costs; nothing where the table doesn't know the region."""
    cloud, prices = settings.cloud, table()
    if cloud is None or cloud.region not in prices.regions:
        return ()
    region, hours, count = prices.regions[cloud.region], prices.hours_a_month, len(settings.machines)
    size = settings.machine_type
    machine_h, disk_month = region.machine_h[size.name], region.disk_gb_month * cloud.disk_gb
    store_month = region.store_gb_month * bundle_gb
    each = (
        Line(f"machine {size.name}", count, machine_h * count, machine_h * count * hours, when_stopped=False),
        Line(f"disk of {cloud.disk_gb} GB", count, disk_month * count / hours, disk_month * count, when_stopped=True),
        Line("public address", count, region.address_h * count, region.address_h * count * hours, when_stopped=True),
    )
    return (*each, Line(f"store, {bundle_gb:.1f} GB", 1, store_month / hours, store_month, when_stopped=True))


def keep_limit(settings: Settings) -> None:
    """Refuse a stack above its `monthlyLimit`, or whose price nobody knows.

    Raises:
        SettingsError: the price, the limit and what to change.
    """
    if settings.cloud is None or settings.cloud.monthly_limit is None:
        return
    limit = settings.cloud.monthly_limit
    found = lines(settings)
    if not found:
        known = ", ".join(table().regions)
        raise SettingsError(
            f"iotlab:cloud.monthlyLimit can't be kept: infra/cloud/prices.yaml has no prices of {settings.cloud.region} "
            f"(it has {known}): add them, or remove the limit."
        )
    month = sum(line.usd_month for line in found)
    if month > limit:
        raise SettingsError(
            f"the stack costs {month:.2f} USD a month, iotlab:cloud.monthlyLimit is {limit:g}: take fewer iotlab:machines, "
            "a smaller iotlab:cloud.machineType or diskGb, or raise the limit."
        )
