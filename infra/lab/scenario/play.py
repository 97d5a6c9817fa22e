"""`./lab fleet play`: a CSV of cars, fans or boards as MQTT, by apps/fleet/play."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from rich.live import Live

from infra import wiring
from infra.lab.console import console
from infra.lab.errors import LabError, UserError
from infra.lab.lab import Lab
from infra.lab.scenario.plan import BOARDS_TOPIC, Target
from infra.lab.scenario.run import program
from infra.lab.scenario.target import Place
from infra.lab.views import out, print_json

TOPICS = {"car": f"{wiring.CARS_MQTT}/{{name}}", "fan": wiring.FAN_MQTT, "iotkit": BOARDS_TOPIC}


def play(file: Path, rate: float, place: Place, *, loop: bool, as_json: bool) -> None:
    """Send it, say how it was.

    Raises:
        UserError: there is no such file, or it is none of the contract's; with its line.
        LabError: something was thrown away, or refused.
    """
    if not file.is_file():
        raise UserError(f"there is no file {file}.")
    with place.target("fleet play") as (target, lab), tempfile.TemporaryDirectory() as folder:
        plan = Path(folder, "plan.json")
        plan.write_text(json.dumps(_plan(file, rate, target, lab, loop=loop)))
        done = _carry_out(plan, Path(folder, "play.log"))
    print_json(done) if as_json else out.print(
        f"{done['sent']:,} messages of {done['devices']:,} devices, {done['rate_msg_s']:,g} a second; "
        f"{done['acked']:,} acknowledged",
        soft_wrap=True,
    )
    if done["dropped"]:
        raise LabError(f"{done['dropped']:,} messages were not taken by the broker, {done['rejected']:,} of them refused.")


def _plan(file: Path, rate: float, target: Target, lab: Lab | None, *, loop: bool) -> dict[str, Any]:
    return {
        "file": str(file),
        "rate_msg_s": rate,
        "loop": loop,
        "qos": 1,
        "host": target.host,
        "ports": list(target.ports),
        "devices": target.devices.as_plan(),
        "board": wiring.BOARD_CLIENT_ID,
        "fan": f"play-{wiring.FAN_CLIENT_ID}",
        "topics": TOPICS,
        "taken": _taken(lab.settings.fleet) if lab else [],
    }


def _taken(devices: dict[str, int]) -> list[str]:
    """Client ids of the lab's own devices: a second connection of that name would throw them out."""
    cars = [wiring.CAR_CLIENT_ID.format(number=number + 1) for number in range(devices["car"])]
    boards = range(1, devices["iotkit"] + 1)
    return cars + [wiring.BOARD_CLIENT_ID.format(high=number >> 8, low=number & 255) for number in boards]


def _carry_out(plan: Path, log: Path) -> dict[str, Any]:
    with (
        Live(console=console, auto_refresh=False, transient=True) as live,
        program("fleet.play", [str(plan)], log, lambda: console.print("stopping: the devices say goodbye")) as running,
    ):
        for news in running.news():
            kind = news.pop("kind")
            if kind == "result":
                return news
            live.update(f"{news['sent']:,} sent, {news['acked']:,} acknowledged", refresh=True)
    raise LabError("the file was not played to its end.")
