"""`./lab fleet`: the simulated devices that a lab always has, and scenarios that are run once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.lab import bringup, fleet, views
from infra.lab.console import console
from infra.lab.errors import UserError
from infra.lab.lab import LOCAL, Lab, lab_here
from infra.lab.options import AsJson, StackName
from infra.lab.scenario.choose import choose, scaled, shortened
from infra.lab.scenario.command import run_scenario
from infra.lab.scenario.forecast import forecast
from infra.lab.scenario.limits import Machine, refusal
from infra.lab.scenario.play import play
from infra.lab.scenario.presets import RUNS
from infra.lab.scenario.show import show_forecast
from infra.lab.scenario.target import place_of
from infra.lab.stack import config_of

fleet_app = typer.Typer(help="Simulated devices: car, iotkit, fan.", no_args_is_help=True)
SIZES = ", ".join(RUNS)
Brokers = Annotated[list[str] | None, typer.Option(help="tcp://host:port instead of the lab's; once for each shard.")]
Logins = Annotated[
    list[str] | None,
    typer.Option(help="USER:PASSWORD-FILE for --broker: the first of the devices, the second, if another one, of who reads."),
]
Kind = Annotated[str, typer.Argument(help="car, iotkit or fan.")]
Count = Annotated[int, typer.Argument(min=1, help="How many.")]


@fleet_app.command("list")
def fleet_list(stack: StackName = LOCAL, json_: AsJson = False) -> None:
    """Show how many devices of each kind there are."""
    devices = lab_here(stack, "fleet list").settings.fleet
    if json_:
        views.print_json(devices)
        return
    for kind, count in devices.items():
        views.out.print(f"{kind:<8}{count:>6}")


@fleet_app.command("add", epilog="Example: ./lab fleet add iotkit 3")
def fleet_add(kind: Kind, count: Count, stack: StackName = LOCAL) -> None:
    """Add devices; they stay until they are removed."""
    _change_fleet(lab_here(stack, f"fleet add {kind} {count}"), kind, count)


@fleet_app.command("remove", epilog="Example: ./lab fleet remove iotkit 3")
def fleet_remove(kind: Kind, count: Count, stack: StackName = LOCAL) -> None:
    """Remove devices."""
    _change_fleet(lab_here(stack, f"fleet remove {kind} {count}"), kind, -count)


def _change_fleet(lab: Lab, kind: str, by: int) -> None:
    stack = lab.stack_name
    with lab.lock():
        fleet.keep(lab.paths, stack, fleet.change(lab.settings, config_of(stack), kind, by))
        changed = Lab(stack)
        if changed.embedded and not changed.cluster.status().running:
            console.print("The lab is not up; the next ./lab up has them.")
            return
        bringup.up(changed)
    console.print(f"The fleet has {changed.settings.fleet[kind]} devices of the kind {kind} now.")


@fleet_app.command("run", epilog="Examples: ./lab fleet run S --dry-run  ·  ./lab fleet run scenario.yaml --duration 60 --json")
def fleet_run(
    scenario: Annotated[str, typer.Argument(help=f"A preset ({SIZES}), or a file: .yaml, or .xml to import.")],
    scale: Annotated[str, typer.Option(help=f"As many cars as a size has: {SIZES}.")] = "",
    duration: Annotated[float | None, typer.Option(min=0.001, help="Most seconds that each client publishes in a stage.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen and what it needs; start nothing.")] = False,
    read_back: Annotated[int, typer.Option(min=1, help="Read back the messages of one client in so many; 1 is all.")] = 1,
    stack: StackName = LOCAL,
    broker: Brokers = None,
    login: Logins = None,
    json_: AsJson = False,
) -> None:
    """Run a scenario of many devices against the lab, count what comes back, and write a report."""
    choice = choose(scenario)
    for note in choice.notes:
        console.print(views.plain(note), soft_wrap=True)
    asked = scaled(choice.scenario, scale) if scale else choice.scenario
    asked = asked if duration is None else shortened(asked, duration)
    place, found = place_of(stack, broker or (), login or ()), forecast(asked)
    if not dry_run:
        run_scenario(asked, found, place, every=read_back, as_json=json_)
        return
    found = found.over(place.shards) if place.named else found
    why = refusal(found, Machine.here())
    views.print_json(found.as_json() | {"refused": why}) if json_ else show_forecast(found)
    if why and choice.ours:  # a preset may be meant for a larger machine: its dry run is a plan, and no mistake
        console.print(views.plain(f"Not on this machine: {why}."), soft_wrap=True)
    elif why:
        raise UserError(f"{scenario} cannot run on this machine: {why}.")


@fleet_app.command("play", epilog="Examples: ./lab fleet play cars.csv --rate 100  ·  ./lab fleet play ml-data.csv --rate 2")
def fleet_play(
    file: Annotated[Path, typer.Argument(help="A CSV of cars, fans or IoTKit boards, with the columns of the contract.")],
    rate: Annotated[float, typer.Option(min=0.001, max=20_000, help="Messages a second of all devices together.")],
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end, until Ctrl-C.")] = False,
    stack: StackName = LOCAL,
    broker: Brokers = None,
    login: Logins = None,
    json_: AsJson = False,
) -> None:
    """Send what devices once measured, as if they measured it now."""
    play(file, rate, place_of(stack, broker or (), login or ()), loop=loop, as_json=json_)
