"""From what a person types to a scenario: a preset or a file, with other counts or a shorter time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from infra.failures import UserError
from infra.lab.scenario.model import LifeCycle, Scenario
from infra.lab.scenario.presets import RUNS, preset
from infra.lab.scenario.xml_import import Importer
from infra.lab.scenario.yaml_file import read_yaml
from infra.scales import FLEET_SIZES


@dataclass(frozen=True, slots=True)
class Choice:
    """A scenario, whether it is one of ours, and what there is to say about how it was read."""

    scenario: Scenario
    ours: bool
    notes: tuple[str, ...] = ()


def choose(told: str) -> Choice:
    """The preset of that name, or what is in that file.

    Raises:
        UserError: there is none, or something in the file cannot be; with its line.
    """
    if told in RUNS:
        return Choice(preset(told), ours=True)
    file = Path(told)
    if not file.is_file():
        raise UserError(f"there is no file {told} and no preset of that name; presets are {', '.join(RUNS)}.")
    match file.suffix:
        case ".yaml":
            return Choice(read_yaml(file).scenario(), ours=False)
        case ".xml":
            importer = Importer(file)
            return Choice(importer.source().scenario(), ours=False, notes=tuple(importer.notes))
    raise UserError(f"{told} is no scenario by its name; that ends with .yaml, or with .xml for one of the load generator.")


def scaled(scenario: Scenario, size: str) -> Scenario:
    """The same with as many cars as the size has.

    Raises:
        UserError: there is no such size, or not exactly one group of cars.
    """
    if size not in FLEET_SIZES:
        raise UserError(f"there is no size '{size}'; sizes are {', '.join(FLEET_SIZES)}.")
    cars = [name for name, group in scenario.client_groups.items() if group.kind == "car"]
    if len(cars) != 1:
        raise UserError(
            f"--scale says how many cars there are, and {scenario.name} has {len(cars)} groups of the kind car, not one."
        )
    groups = scenario.client_groups
    if (names := groups[cars[0]].names) and not names.digits:
        raise UserError(f"{scenario.name} has one car, '{names}'; give its clientIds a range, [0-9]{{n}}, for --scale.")
    more = groups[cars[0]].model_copy(update={"count": FLEET_SIZES[size].cars})
    return scenario.model_copy(update={"client_groups": groups | {cars[0]: more}})


def shortened(scenario: Scenario, seconds: float) -> Scenario:
    """The same, with each client publishing for at most so long in each stage.

    Raises:
        UserError: it is no time, or so short that nothing would be sent.
    """
    if not math.isfinite(seconds):
        raise UserError(f"--duration is seconds, not {seconds}.")
    return scenario.model_copy(
        update={
            "stages": tuple(
                stage.model_copy(update={"life_cycles": tuple(_shortened(stage.life_cycles, seconds))})
                for stage in scenario.stages
            )
        }
    )


def _shortened(cycles: Iterable[LifeCycle], seconds: float) -> Iterable[LifeCycle]:
    for cycle in cycles:
        publish = cycle.publish
        if not publish:
            yield cycle
            continue
        each = min(publish.messages_each, publish.rate.within(round(seconds * 1_000)))
        if not each:
            raise UserError(
                f"in {seconds:g} s '{cycle.clients}' sends nothing at {publish.rate}; give --duration at least one interval."
            )
        shorter = publish.model_copy(update={"count": each, "duration_ms": None})
        yield cycle.model_copy(update={"publish": shorter})
