"""`./lab fleet`: how many simulated devices of each kind a stack has; what was added stays until it is removed or purged.

The numbers stand in the state folder as an overlay of the stack's configuration, so the checkout never changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from infra.lab.errors import UserError
from infra.lab.paths import Paths
from infra.settings import PROJECT, Settings, SettingsError

KEY = f"{PROJECT}:devices"


def file_of(paths: Paths, stack: str) -> Path:
    """Where the numbers of a stack are kept."""
    return paths.pulumi / f"devices.{stack}.json"


def laid_over(config: Mapping[str, object], paths: Paths, stack: str) -> dict[str, object]:
    """The stack's configuration with the numbers that were chosen by `./lab fleet`.

    Raises:
        UserError: the numbers cannot be read.
    """
    file = file_of(paths, stack)
    if not file.exists():
        return dict(config)
    try:
        chosen: dict[str, int] = json.loads(file.read_text())
        told = config.get(KEY) or {}
        return {**config, KEY: {**(told if isinstance(told, dict) else {}), **chosen}}
    except (ValueError, TypeError) as broken:
        raise UserError(f"{file} cannot be read ({broken}); remove it and add the devices again.") from broken


def change(settings: Settings, told: Mapping[str, object], kind: str, by: int) -> dict[str, int]:
    """The numbers that differ from the stack's own, with `by` more (or fewer) of `kind`; `told` is the stack's configuration.

    Raises:
        UserError: no such kind, no fleet in this stack, or more or fewer than can be.
    """
    now = settings.fleet
    if kind not in now:
        raise UserError(f"there is no kind '{kind}' of device; kinds are {', '.join(now)}")
    if not settings.has("fleet"):
        raise UserError("this stack has no fleet; add the service 'fleet' to iotlab:services")
    if now[kind] + by < 0:
        raise UserError(f"there are only {now[kind]} devices of the kind '{kind}'")
    wanted = settings.devices | {kind: now[kind] + by}
    try:
        Settings.parse({KEY: wanted})
    except SettingsError as wrong:
        raise UserError(f"that cannot be: {wrong}") from wrong
    own = Settings.parse(told).fleet
    return {str(name): count for name, count in wanted.items() if count != own[name]}


def keep(paths: Paths, stack: str, devices: Mapping[str, int]) -> None:
    """Write the numbers down."""
    file = file_of(paths, stack)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = file.with_suffix(".new")
    scratch.write_text(json.dumps(dict(devices)) + "\n")
    scratch.replace(file)
