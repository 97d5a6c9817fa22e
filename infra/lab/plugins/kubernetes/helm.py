"""Rendering a chart with the program helm, and its refusals as one sentence."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from infra.lab.errors import UserError
from infra.lab.plugins.kubernetes.api import Api
from infra.lab.plugins.values import Properties

_REFUSED: Final = ("postRenderer", "dependencyUpdate", "verify", "keyring")
_RENDERED_WITHIN_S: Final = 120


def rendered(name: str, arguments: Properties, namespace: str, api: Api | None) -> str:
    """What `helm template` makes of the chart, hooks left out.

    Raises:
        UserError: helm is missing or refuses; its sentence is in the message.
    """
    for key in _REFUSED:
        if arguments.get(key):
            raise UserError(f"Chart {name}: {key} needs the published Kubernetes plugin; the lab's stand-in can't do it.")
    helm = shutil.which("helm")
    if helm is None:
        raise UserError(f"Chart {name}: the program helm is not on PATH; `./lab up` brings it, `./lab env` puts it on PATH.")
    words = [
        helm,
        "template",
        str(arguments.get("name") or name),
        str(arguments["chart"]),
        "--namespace",
        namespace,
        "--no-hooks",
    ]
    words += _options(name, arguments) + _capabilities(api)
    with tempfile.TemporaryDirectory() as folder:
        for index, content in enumerate(_values(name, arguments)):
            file = Path(folder) / f"{index}.yaml"
            file.touch(mode=0o600)
            file.write_text(content)
            words += ["--values", str(file)]
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_RENDERED_WITHIN_S, check=False
            )
        except subprocess.TimeoutExpired as late:
            raise UserError(f"Chart {name}: helm gave no result within {_RENDERED_WITHIN_S} s.") from late
    if done.returncode:
        raise UserError(f"Chart {name}: {helm_sentence(done.stderr)}")
    return done.stdout


def helm_sentence(stderr: str) -> str:
    """Helm's error lines as one sentence."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    start = next((index for index, line in enumerate(lines) if line.startswith("Error:")), 0)
    kept = [line.removeprefix("Error:").strip() for line in lines[start:] if not line.startswith("Use --debug")]
    text = " ".join(kept) or "helm failed without a word"
    return text if text.endswith(".") else f"{text}."


def _options(name: str, arguments: Properties) -> list[str]:
    repository = arguments.get("repositoryOpts") or {}
    if repository.get("username") or repository.get("password"):
        raise UserError(f"Chart {name}: a repository's login would show in the process list; fetch the chart and give its path.")
    words = [] if arguments.get("skipCrds") else ["--include-crds"]
    for option, value in (("--version", arguments.get("version")), ("--repo", repository.get("repo"))):
        words += [option, str(value)] if value else []
    for option, key in (("--devel", "devel"), ("--plain-http", "plainHttp")):
        words += [option] if arguments.get(key) else []
    return words


def _capabilities(api: Api | None) -> list[str]:
    if api is None:
        return []
    return ["--kube-version", api.version(), "--api-versions", ",".join(api.group_versions())]


def _values(name: str, arguments: Properties) -> list[str]:
    """The values files in helm's order, the values given in the program last."""
    contents = []
    for asset in arguments.get("valueYamlFiles") or ():
        if asset.get("text"):
            contents.append(str(asset["text"]))
        elif asset.get("path"):
            try:
                contents.append(Path(asset["path"]).read_text())
            except OSError as missing:
                raise UserError(f"Chart {name}: no values file at {asset['path']}.") from missing
        else:
            raise UserError(f"Chart {name}: valueYamlFiles takes files and texts; the lab's stand-in fetches nothing.")
    return [*contents, json.dumps(arguments.get("values") or {})]
