"""What the documentation says about money is what the plan says, to the cent."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.cloud import prices
from infra.cloud.quotas import quotas
from infra.cloud.user_data import PACKAGES
from infra.lab.stack import settings_of
from infra.scales import MACHINE_TYPES
from infra.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COSTS = (ROOT / "docs/what-it-costs.md").read_text()
S = settings_of("s")
CLASSES = (1, 3, 12, 24, 48)


def sized(machines: int = 1, machine_type: str = "") -> Settings:
    assert S.cloud is not None
    cloud = S.cloud.model_copy(update={"machine_type": machine_type})
    return S.model_copy(update={"cloud": cloud, "machines": tuple(f"m-{number}" for number in range(machines))})


def sums(settings: Settings) -> tuple[float, float, float]:
    """An hour, a month, a month while stopped."""
    lines = prices.lines(settings)
    stopped = sum(line.usd_month for line in lines if line.when_stopped)
    return sum(line.usd_h for line in lines), sum(line.usd_month for line in lines), stopped


def parts() -> list[str]:
    rows = [
        f"| {line.what} | {line.usd_h:.4f} | {line.usd_month:.2f} | {'yes' if line.when_stopped else 'no'} |"
        for line in prices.lines(S)
    ]
    hour, month, _ = sums(S)
    return [
        "| what | USD an hour | USD a month | while stopped, too |",
        "|---|---|---|---|",
        *rows,
        f"| all | {hour:.4f} | {month:.2f} | |",
    ]


def types() -> list[str]:
    rows = []
    for one in MACHINE_TYPES.values():
        hour, month, _ = sums(sized(machine_type=one.name))
        kind = "slow for long" if one.burstable else "whole cores"
        rows.append(f"| `{one.name}` | {one.vcpus} | {one.memory_gb} GB | {kind} | {hour:.3f} | {month:.2f} |")
    return ["| `machineType` | vCPUs | memory | | USD an hour | USD a month |", "|---|---|---|---|---|---|", *rows]


def classes() -> list[str]:
    rows = []
    for count in CLASSES:
        settings = sized(count)
        hour, month, stopped = sums(settings)
        asks = ", ".join(f"{quota.needed} {quota.name}" for quota in quotas(settings) if not quota.enough) or "nothing"
        rows.append(f"| {count} | {hour:.2f} | {8 * hour:.2f} | {month:.2f} | {stopped:.2f} | {asks} |")
    head = "| machines | USD an hour | a day of 8 hours | a month | a month, stopped | to ask AWS for |"
    return [head, "|---|---|---|---|---|---|", *rows]


@pytest.mark.parametrize("table", [parts, types, classes], ids=lambda table: table.__name__)
def test_the_tables_of_costs_are_the_plans(table: object) -> None:
    assert callable(table)
    text = "\n".join(table())
    assert text in COSTS, text


def test_the_page_says_of_which_day_its_prices_are_and_that_nobody_checked_them() -> None:
    found = prices.table()
    assert f"compared on {found.compared}" in COSTS
    assert found.checked or "Nobody has looked at AWS's own pages" in COSTS
    assert f"{found.data_out_gb} USD a GB" in COSTS
    assert f"{found.data_out_free_gb} GB a month" in COSTS


@pytest.mark.parametrize("page", ["README.md", "docs/tutorials/your-first-cloud-lab.md"])
def test_the_price_of_the_first_lab_is_the_same_everywhere(page: str) -> None:
    hour, month, stopped = sums(S)
    text = " ".join((ROOT / page).read_text().split())
    for said in (f"{hour:.3f} USD an hour", f"{month:.0f} a month", f"{stopped:.2f} while"):
        assert said in text, said


def test_an_image_without_a_network_is_told_every_package_that_it_has_to_bring() -> None:
    page = (ROOT / "docs/howto/a-classroom-without-internet.md").read_text()
    assert f"apt-get install {' '.join(PACKAGES)}" in page, " ".join(PACKAGES)
