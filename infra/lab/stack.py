"""The stack of this machine's lab, driven through Pulumi's Automation API.

Pulumi writes into the stack's file (`encryptionsalt`), so it is pointed to a private copy in the state folder: the
checkout never changes. The copy is written anew from the checkout's file at every use.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from pulumi import automation

from infra.lab import engines, fleet
from infra.lab.cluster.exposure import device_address
from infra.lab.cluster.pki import write_private
from infra.lab.engine_command import PatientCommand
from infra.lab.engine_events import Report, Told, Watcher, counts, silent
from infra.lab.errors import LabError, UserError, last_line
from infra.lab.paths import ROOT, Paths
from infra.settings import PROJECT, Settings, SettingsError

# Pulumi takes this one before the file, even empty: with a person's own, the lab's secrets could not be read.
FOREIGN = "PULUMI_CONFIG_PASSPHRASE"
ADDRESS = f"{PROJECT}:deviceAddress"


class _Loader(yaml.SafeLoader):
    """YAML without days and times: `expires: 2030-01-31` is the text that it is in JSON, too, where Pulumi puts it."""


_Loader.yaml_implicit_resolvers = {
    first: [found for found in resolvers if found[0] != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def config_of(name: str) -> dict[str, object]:
    """The `config` section of `Pulumi.<name>.yaml`.

    Raises:
        UserError: there is no such stack, or its file isn't what Pulumi expects.
    """
    file = ROOT / f"Pulumi.{name}.yaml"
    try:
        loaded = _Loader(file.read_text()).get_single_data() or {}
    except FileNotFoundError as missing:
        known = ", ".join(sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml")))
        raise UserError(f"there is no stack '{name}': {file.name} does not exist; stacks are {known}.") from missing
    except OSError as failed:
        raise UserError(f"{file} cannot be read: {failed.strerror}.") from failed
    except (UnicodeDecodeError, yaml.YAMLError) as broken:
        raise UserError(f"{file.name} is not valid YAML: {' '.join(str(broken).split())}.") from broken
    config = loaded.get("config") if isinstance(loaded, dict) else None
    if not isinstance(config, dict):
        raise UserError(f"{file.name} has no section 'config:'.")
    return {str(key): value for key, value in config.items()}


def settings_of(name: str, paths: Paths | None = None) -> Settings:
    """The checked settings of the stack `name`; with `paths`, as the program of that lab will see them.

    Raises:
        UserError: the configuration cannot work.
    """
    config = config_of(name)
    try:
        settings = Settings.parse(fleet.laid_over(config, paths, name) if paths else config)
        settings.refuse_illegal_pairs()
    except SettingsError as wrong:
        raise UserError(f"Pulumi.{name}.yaml: {wrong}") from wrong
    return settings


def private_file(paths: Paths, name: str) -> Path:
    """The copy of a stack's file that Pulumi may write to."""
    return paths.pulumi / f"Pulumi.{name}.yaml"


def remembered_images(paths: Paths, name: str) -> dict[str, str]:
    """The image references that the last `prepare` of this stack wrote; none before the first."""
    return dict(_remembered(paths, name).get(f"{PROJECT}:images") or {})


def _remembered(paths: Paths, name: str) -> dict[str, Any]:
    """The configuration that the last `prepare` of this stack wrote; none before the first."""
    try:
        loaded = yaml.safe_load(private_file(paths, name).read_text()) or {}
        return dict(loaded["config"])
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return {}


def _device_address(cidr: str, remembered: str) -> str:
    """The address for Mosquitto's certificate; away from that network the last one, as nothing has changed in the lab."""
    try:
        return device_address(cidr)
    except UserError:
        return remembered


class Stack:
    """One Pulumi stack with a file backend in the lab's state folder."""

    def __init__(self, name: str, paths: Paths, env: Mapping[str, str], kubeconfig: Path) -> None:
        """`env` is the toolchain's environment, `kubeconfig` the cluster's."""
        self.name = name
        self.paths = paths
        self.kubeconfig = kubeconfig
        self._tool_env = dict(env)

    @property
    def private_file(self) -> Path:
        """The copy of the stack's file that Pulumi may write to."""
        return private_file(self.paths, self.name)

    def env(self) -> dict[str, str]:
        """What a shell needs so that a plain `pulumi up -s <stack>` is the same thing as `lab up`."""
        return self._tool_env | {
            "PULUMI_BACKEND_URL": f"file://{self.paths.pulumi / 'backend'}",
            "PULUMI_HOME": str(self.paths.pulumi / "home"),
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.paths.pulumi / "passphrase"),
            "PULUMI_OPTION_CONFIG_FILE": str(self.private_file),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "KUBECONFIG": str(self.kubeconfig),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), self._no_proxy()),
        }

    def _no_proxy(self) -> str:
        """What a shell's proxy must not get: Pulumi's own traffic on loopback, and the API of the lab's own cluster.

        A given cluster is asked as the person's own kubectl asks it: it may well be reached through the proxy only.
        """
        told = ",".join(os.environ.get(name, "") for name in ("NO_PROXY", "no_proxy"))
        hosts = [host.strip() for host in told.split(",") if host.strip()] + ["127.0.0.1", "localhost"]
        if self.kubeconfig == self.paths.kubeconfig and self.kubeconfig.is_file():
            loaded = yaml.safe_load(self.kubeconfig.read_text())
            hosts += [urlsplit(entry["cluster"]["server"]).hostname or "" for entry in loaded["clusters"]]
        return ",".join(dict.fromkeys(hosts))

    def process_env(self) -> dict[str, str]:
        """This process's environment with `env` laid over it, for programs started from here."""
        return {name: value for name, value in (os.environ | self.env()).items() if name != FOREIGN}

    def put_on_path(self, folder: Path) -> None:
        """Let the engine find a plugin in `folder`; every pulumi-resource-* on PATH is loaded, used or not."""
        self._tool_env["PATH"] = f"{folder}{os.pathsep}{self._tool_env['PATH']}"

    def prepare(self, images: Mapping[str, str]) -> None:
        """Make backend, passphrase, stack and the private stack file; safe to repeat."""
        for folder in (self.paths.pulumi, self.paths.pulumi / "backend", self.paths.pulumi / "home"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        passphrase = self.paths.pulumi / "passphrase"
        if not passphrase.exists() or not passphrase.stat().st_size:
            write_private(passphrase, secrets.token_urlsafe(32).encode())
        if not self._salt():
            self._init()
        config = self._config(images)
        whole = {"encryptionsalt": self._salt(), "config": config}
        scratch = self.private_file.with_suffix(".new")
        scratch.write_text(yaml.safe_dump(whole, sort_keys=True))
        scratch.replace(self.private_file)

    def _config(self, images: Mapping[str, str]) -> dict[str, object]:
        """The checkout's configuration, with what the program has to be told beside it."""
        config = fleet.laid_over(config_of(self.name), self.paths, self.name)
        config[f"{PROJECT}:kubeconfig"] = str(self.kubeconfig)  # the one context that is meant, under an absolute path
        config[f"{PROJECT}:images"] = dict(images)
        if cidr := config.get(f"{PROJECT}:deviceCidr"):
            last = _remembered(self.paths, self.name).get(ADDRESS, "")
            config[ADDRESS] = _device_address(str(cidr), str(last))
        return config

    def _salt(self) -> str:
        with suppress(FileNotFoundError, yaml.YAMLError):
            loaded = yaml.safe_load(self.private_file.read_text()) or {}
            return str(loaded.get("encryptionsalt", ""))
        return ""

    def _init(self) -> None:
        """Make the stack; where an earlier run made it and lost the private file, the salt comes back from its state."""
        scratch = self.paths.pulumi / "scratch"
        scratch.mkdir(exist_ok=True)
        (scratch / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n")
        done = self._pulumi("stack", "select", "--create", "--non-interactive", self.name, cwd=scratch)
        if done.returncode:
            raise LabError(f"Pulumi could not make the stack '{self.name}': {last_line(done.stderr).rstrip('.')}.")
        if not self._salt():
            salt = self._exported(scratch).get("secrets_providers", {}).get("state", {}).get("salt")
            if not salt:
                raise LabError(f"the stack '{self.name}' has lost its encryption salt; ./lab down --purge starts it anew.")
            self.private_file.write_text(yaml.safe_dump({"encryptionsalt": salt}))

    def _exported(self, cwd: Path = ROOT) -> dict[str, Any]:
        """The stack's deployment as the engine keeps it; empty before the first `up`."""
        text = self._pulumi("stack", "export", "-s", self.name, cwd=cwd).stdout
        deployment: dict[str, Any] = json.loads(text or "{}").get("deployment") or {}
        return deployment

    def _pulumi(self, *words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pulumi", *words],
            cwd=cwd,
            env=self.process_env(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def _open(self) -> automation.Stack:
        os.environ["PATH"] = self._tool_env["PATH"]  # the API looks `pulumi` up in this process's PATH
        os.environ.pop(FOREIGN, None)  # and lays its variables over this process's
        pulumi = PatientCommand(skip_version_check=True)  # the toolchain pins it
        options = automation.LocalWorkspaceOptions(env_vars=self.env() | {engines.MARK: "1"}, pulumi_command=pulumi)
        return automation.select_stack(self.name, work_dir=str(ROOT), opts=options)

    def up(self, report: Report, told: Told = silent) -> dict[str, int]:
        """Bring the cluster to what the program says; returns how many resources were created, updated, same….

        The cluster's objects are read first, so what somebody deleted or changed comes back. Then a preview asks the API
        server about every object, so what it would refuse changes nothing.

        Raises:
            LabError: the engine refused or a resource failed; the message names the first one and why.
        """
        watcher = Watcher(report, told)
        with self._engine("up", watcher) as (stack, write):
            watcher.planning = True
            planned = stack.preview(refresh=True, on_output=write, on_event=watcher.see).change_summary
            if set(planned) <= {"same"}:
                return counts(planned)
            watcher.planning = False
            # Asked for secrets, Pulumi's history would write the salt into the checkout's stack file.
            done = stack.up(refresh=True, on_output=write, on_event=watcher.see, show_secrets=False)
        return counts(done.summary.resource_changes or {})

    @contextmanager
    def _engine(self, verb: str, watcher: Watcher) -> Iterator[tuple[automation.Stack, Report]]:
        """The stack, healed, and where the engine's own words go; what it refuses in the body is a sentence."""
        self.paths.logs.mkdir(parents=True, exist_ok=True)
        log = self.paths.logs / f"pulumi-{verb}.log"
        with log.open("w") as file:

            def write(line: str) -> None:
                file.write(f"{line}\n")
                file.flush()

            _interrupted_quietly()
            try:
                stack = self._open()
                self._heal(stack)
                yield stack, write
            except automation.CommandError as failed:
                raise LabError(f"pulumi: {watcher.why() or last_line(str(failed)).rstrip('.')}\n  log: {log}") from failed

    def _heal(self, stack: automation.Stack) -> None:
        """Go on after a killed `up`: end its engine and its lock, and ask the cluster about what it was making."""
        engines.end_orphans(self.paths)
        if engines.left_locks(self.paths, self.name):
            stack.cancel()
        if self._exported().get("pending_operations"):
            stack.refresh(clear_pending_creates=True, show_secrets=False)

    def forget(self) -> None:
        """Drop this stack's state, and no other's: its cluster's data are gone."""
        kept = self.paths.pulumi / "backend/.pulumi"
        for folder in (*kept.glob(f"*/{PROJECT}/{self.name}"), *kept.glob(f"*/*/{PROJECT}/{self.name}")):
            shutil.rmtree(folder)
        for file in kept.glob(f"stacks/{PROJECT}/{self.name}.json*"):
            file.unlink()
        for file in (self.private_file, *self.paths.authorities.values(), fleet.file_of(self.paths, self.name)):
            file.unlink(missing_ok=True)


def _interrupted_quietly() -> None:
    """After Ctrl-C the API closes what its own threads still read; that is no news for a person."""
    warnings.filterwarnings("ignore", message="Error in event stream")

    def hook(failed: threading.ExceptHookArgs) -> None:
        if not isinstance(failed.exc_value, ValueError):
            threading.__excepthook__(failed)

    threading.excepthook = hook
