"""Facts to one cloud-init document: numbered parts of cloud-init/, each a valid document alone, put together.

Pure: the same facts give the same bytes. Lists of the parts are concatenated in their order; any other key may stand in one part
only. Every program that a part brings is written by `write_files` out of cloud-init/scripts, with its SHA-256 beside it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import yaml

from infra import wiring
from infra.cloud.checks import refuse
from infra.cloud.facts import MachineFacts
from infra.settings import PROJECT, SettingsError

PARTS = Path(__file__).resolve().parents[2] / "cloud-init"
LIBRARY = "/usr/local/lib/iotlab"
LOGIN = "ubuntu"  # a name that old lessons and host lists count on
POD_USER = "65532"  # whom the services' pods run as; files of /data are theirs
MOST_BYTES = 16_384  # of EC2's user data, after gzip and before base64
KUBECONFIG = "/var/snap/microk8s/current/credentials/client.config"
ADDONS = ("dns", "rbac", "hostpath-storage", "metrics-server")
PACKAGES = ("ca-certificates", "git", "iproute2", "jq", "nfs-kernel-server", "nftables", "python3-venv", "util-linux", "zstd")
WHERE: dict[str, Callable[[MachineFacts], bool]] = {  # parts that not every machine has
    "40-vpn": lambda facts: facts.vpn is not None,
    "50-microk8s": lambda facts: facts.kubernetes == "microk8s",
    "55-addons": lambda facts: facts.kubernetes == "microk8s",
    "65-course": lambda facts: facts.course is not None,
    "75-knative": lambda facts: facts.knative,
}


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as they are: a person reads this document when something went wrong."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """`|` where there are lines."""
        return self.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)


_Dumper.add_representer(str, _Dumper.represent_str)


def _file(path: str, content: str, permissions: str) -> str:
    """One entry of write_files."""
    return json.dumps({"path": path, "permissions": permissions, "content": content})


def _script(folder: str, name: str, source: str) -> str:
    return _file(f"{folder}/{name}", (PARTS / "scripts" / source).read_text(), "0755")


def _stage(label: str) -> str:
    return _script(f"{LIBRARY}/stages", f"{label}.sh", f"{label}.sh")


def _settings(label: str, **values: object) -> str:
    """A stage's settings: KEY=value lines, readable for root alone."""
    texts = {key: str(value) for key, value in values.items()}
    for key, text in texts.items():
        if not text.isprintable():
            raise SettingsError(f"{key} of the stage {label} has to be one line of plain text.")
    return _file(f"/etc/iotlab/stages/{label}.env", "".join(f"{key}={text}\n" for key, text in texts.items()), "0600")


def packages(facts: MachineFacts) -> tuple[str, ...]:
    """The system's packages that this machine's stages need."""
    more = (("wireguard-tools",) if facts.vpn else ()) + (("snapd",) if facts.kubernetes == "microk8s" else ())
    return tuple(sorted(PACKAGES + more))


def stack_file(facts: MachineFacts) -> str:
    """Pulumi.vm.yaml of the machine: what its own lab runs."""
    config: dict[str, object] = {f"{PROJECT}:scale": facts.scale, f"{PROJECT}:services": list(facts.services)}
    if facts.kubernetes == "microk8s":
        config[f"{PROJECT}:kubeconfig"] = KUBECONFIG
    config[f"{PROJECT}:hosts"] = [facts.name, *([facts.address] if facts.address else [])]
    return "# The lab of this machine, written by its user data.\n" + yaml.safe_dump({"config": config}, sort_keys=False)


def _values(facts: MachineFacts) -> dict[str, object]:
    """What the parts may name beside the facts themselves."""
    stack = stack_file(facts)
    vpn = facts.vpn
    return {
        "facts": facts,
        "login": LOGIN,
        "pod_user": POD_USER,
        "nfs_port": wiring.NFS_PORT,
        "packages": packages(facts),
        "addons": ADDONS,
        "net": wiring.vpn_net(vpn.net) if vpn else "",
        "vpn_address": wiring.vpn_address(vpn.net, vpn.host) if vpn else "",
        "vpn_port": wiring.vpn_port(vpn.net) if vpn else 0,
        "stack_file": stack,
        "stack_file_sha256": hashlib.sha256(stack.encode()).hexdigest(),
        "offline": facts.bundle.url.startswith("file:"),
        "program": partial(_script, "/usr/local/bin"),
        "library": partial(_script, LIBRARY),
        "stage": _stage,
        "settings": _settings,
    }


def parts(facts: MachineFacts) -> dict[str, str]:
    """The parts of this machine by name, each a cloud-config document, in their order.

    Raises:
        SettingsError: the facts can't become a machine.
    """
    refuse(facts)
    loader = jinja2.FileSystemLoader(PARTS)
    templates = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, autoescape=jinja2.select_autoescape())
    values = _values(facts)
    names = [file.name.removesuffix(".yaml.j2") for file in sorted(PARTS.glob("*.yaml.j2"))]
    chosen = [name for name in names if name not in WHERE or WHERE[name](facts)]
    return {name: templates.get_template(f"{name}.yaml.j2").render(values) for name in chosen}


def merged(documents: Mapping[str, str]) -> dict[str, Any]:
    """The parts as one document.

    Raises:
        ValueError: two parts say the same key, which only one of them could be heard with.
    """
    whole: dict[str, Any] = {}
    for name, text in documents.items():
        for key, value in yaml.safe_load(text).items():
            if key not in whole:
                whole[key] = value
            elif isinstance(value, list) and isinstance(whole[key], list):
                whole[key] = [*whole[key], *value]
            else:
                raise ValueError(f"cloud-init/{name}.yaml.j2 says {key} again")
    return whole


def _sums(files: list[dict[str, str]]) -> dict[str, str]:
    """The hashes of all programs, as sha256sum reads them."""
    programs = [file for file in files if file["permissions"] == "0755"]
    lines = [f"{hashlib.sha256(file['content'].encode()).hexdigest()}  {file['path']}\n" for file in programs]
    return {"path": f"{LIBRARY}/SHA256SUMS", "permissions": "0644", "content": "".join(lines)}


def document(facts: MachineFacts) -> dict[str, Any]:
    """The machine's whole user data. Its `write_files` is what another bundle or configuration has to lay down there later.

    Raises:
        SettingsError: the facts can't become a machine.
    """
    whole = merged(parts(facts))
    return whole | {"write_files": [*whole["write_files"], _sums(whole["write_files"])]}


def cloud_config(facts: MachineFacts) -> str:
    """The same as cloud-init reads it, not packed.

    Raises:
        SettingsError: the facts can't become a machine.
    """
    return "#cloud-config\n" + yaml.dump(document(facts), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)


def packed(text: str) -> bytes:
    """As a cloud takes it, gzip'd without a time: the same text gives the same bytes.

    Raises:
        SettingsError: it is larger than clouds take.
    """
    small = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    if len(small) > MOST_BYTES:
        raise SettingsError(f"the user data has {len(small)} bytes as gzip, clouds take {MOST_BYTES}: take fewer ssh keys.")
    return small
