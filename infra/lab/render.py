"""`./lab render`: every object of the stack as plain YAML, to read, to learn from, and to compare with what runs.

The program itself runs, with nothing behind it: what it asks the engine for is noted, and each chart is rendered by helm with
exactly the values that it was given. Generated passwords don't exist here, so a Secret appears with its keys alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks

from infra.lab import pretended
from infra.lab.errors import LabError, UserError
from infra.lab.paths import ROOT
from infra.lab.plugins.kubernetes.helm import helm_sentence
from infra.settings import PROJECT, SettingsError

CHART = "kubernetes:helm.sh/v4:Chart"
REFERENCE = ("v1", "Secret")
MARK = "4dabf18193072939515e22adb298388d"  # how the engine's wire marks a secret value; the value is beside it
GENERATED = {"value": "generated", "certificate": "generated", "key": "generated", "ca": "generated"}
NOTE = "# Written by ./lab render from what `./lab up` would make; a change here changes nothing.\n"
Resource = tuple[str, str, dict[str, Any]]  # type, name, inputs
_to_the_end: Callable[[Callable[[], object]], Callable[[], None]] = pulumi.runtime.test  # the SDK has no type for it


@dataclass(slots=True)
class _Asked(Mocks):
    """Notes what the program asks the engine for, and answers as if all of it were made."""

    resources: list[Resource] = field(default_factory=list)

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        """Note one resource: type, name, inputs."""
        self.resources.append((args.typ, args.name, dict(args.inputs)))
        ident, outputs = pretended.made(args.typ, args.name, args.inputs)
        return ident, GENERATED | outputs

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        """Answer a function of the cloud.

        Raises:
            LabError: nobody knows what it would say.
        """
        if args.token not in pretended.ANSWERS:
            raise LabError(f"the program calls {args.token}, which ./lab render can't answer.")
        return dict(pretended.ANSWERS[args.token]), []


def _refusal(failed: BaseException | None) -> SettingsError | None:
    """The program's own refusal behind what the SDK makes of it on its way through outputs."""
    while failed:
        if isinstance(failed, SettingsError):
            return failed
        failed = failed.__cause__ or failed.__context__
    return None


def asked(settings: Mapping[str, object], stack: str = "render") -> list[Resource]:
    """What the program asks for with these settings (`iotlab:` left out), in its order.

    Raises:
        UserError: the settings can't be carried out; the message is the program's own.
    """
    raw = {f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    noted = _Asked()
    asyncio.set_event_loop(asyncio.new_event_loop())  # the SDK wants one that waits for it
    pulumi.runtime.set_mocks(noted, project=PROJECT, stack=stack, preview=False)
    before = os.environ.get("PULUMI_CONFIG")
    os.environ["PULUMI_CONFIG"] = json.dumps(raw)
    try:
        _to_the_end(lambda: runpy.run_path(str(ROOT / "infra/__main__.py")))()
    except ValueError as failed:
        if refusal := _refusal(failed):
            raise UserError(str(refusal)) from failed
        raise
    finally:
        os.environ.pop("PULUMI_CONFIG")
        if before is not None:
            os.environ["PULUMI_CONFIG"] = before
    return noted.resources


def whole(value: object) -> object:
    """Without the wire's marks of secrets; and JSON's numbers come as floats, where helm's schemas want integers back."""
    if isinstance(value, dict):
        if MARK in value:
            return whole(value["value"])
        return {key: whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _helm(name: str, inputs: Mapping[str, Any], env: Mapping[str, str]) -> str:
    words = ["helm", "template", name, str(inputs["chart"]), "--namespace", str(inputs["namespace"]), "--no-hooks", "-f", "-"]
    values = yaml.safe_dump(whole(inputs["values"]))
    try:
        done = subprocess.run(words, input=values, env=dict(env), capture_output=True, text=True, check=False)
    except FileNotFoundError as missing:
        raise LabError("the program helm is missing; ./lab up makes the toolchain.") from missing
    if done.returncode:
        raise LabError(f"{name}: {helm_sentence(done.stderr)}")
    return done.stdout


def _is_secret(inputs: Mapping[str, Any]) -> bool:
    return (inputs.get("apiVersion"), inputs.get("kind")) == REFERENCE


def _plain(inputs: Mapping[str, Any]) -> str:
    """One object of the program's own as YAML; of a Secret the keys, each with its name for a value."""
    shown: dict[str, Any] = {key: whole(value) for key, value in sorted(inputs.items()) if value is not None}
    if not _is_secret(shown):
        return f"---\n{yaml.safe_dump(shown, sort_keys=False)}"
    name, space = shown["metadata"]["name"], shown["metadata"]["namespace"]
    keys = sorted(shown.pop("stringData", {}))
    files = " ".join(f"--from-file={key}=FILE" for key in keys)
    return f"# Secret {name}, keys: {', '.join(keys)}. By hand: kubectl create secret generic {name} -n {space} {files}\n"


def rendered(settings: Mapping[str, object], env: Mapping[str, str]) -> dict[str, str]:
    """File name -> text: `<service>.yaml` for each chart, and of the program's own `secrets.yaml` and `lab.yaml`.

    Raises:
        LabError: helm is missing or refuses; the message says which chart and why.
    """
    return manifests(asked(settings), env)


def manifests(resources: Sequence[Resource], env: Mapping[str, str]) -> dict[str, str]:
    """The same, of what the program asked for."""
    charts = [(name, inputs) for kind, name, inputs in resources if kind == CHART]
    with ThreadPoolExecutor(os.cpu_count()) as at_once:
        files = dict(at_once.map(lambda chart: (f"{chart[0]}.yaml", NOTE + _helm(chart[0], chart[1], env)), charts))
    own: dict[str, list[str]] = {"lab": [], "secrets": []}
    for kind, _, inputs in resources:
        if kind.startswith("kubernetes:") and "kind" in inputs:
            own["secrets" if _is_secret(inputs) else "lab"].append(_plain(inputs))
    return {f"{name}.yaml": NOTE + "".join(texts) for name, texts in own.items() if texts} | files


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files, and take away what an earlier run wrote there for services that are no more."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.yaml"):
        if old.name not in files and old.read_text(errors="replace").startswith(NOTE):
            old.unlink()
    for name, text in files.items():
        (folder / name).write_text(text)
