"""What every cluster has besides its parts: names, volumes, and the rights the API server needs at kubelet."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

import yaml

from infra.lab.cluster import static_image
from infra.lab.cluster.images import archive_index
from infra.lab.cluster.layout import HOME
from infra.lab.cluster.network import Network
from infra.lab.cluster.static_image import StaticImage
from infra.lab.errors import LabError

MANIFESTS = Path(__file__).parent / "addons"
PREFIX = "localhost/iotlab"
PROGRAMS = {
    "pause": "pause",
    "coredns": "coredns",
    "local-path-provisioner": "local-path-provisioner",
    "metrics-server": "metrics-server",
    "volume-folder": "volume-folder",
}
DEPLOYMENTS = (("kube-system", "coredns"), ("iotlab-storage", "local-path-provisioner"))
NOT_AWAITED = (("kube-system", "metrics-server"),)  # ready after its second measurement, 20 s; nothing of the lab needs it


def _image(name: str, program: Path) -> StaticImage:
    tag = hashlib.sha256(program.read_bytes()).hexdigest()[:12]
    full = f"{PREFIX}/{name}:{tag}"
    user = "0:0" if name == "volume-folder" else "65532:65532"  # the folder above all volumes is root's
    return StaticImage(full, {f"/{name}": program}, [f"/{name}"], user)


def build_images(programs: Path, folder: Path) -> Path:
    """Make the add-ons' images of static programs; an archive that was made of the same programs is used again.

    Args:
        programs: the folder with those of PROGRAMS, all static.
        folder: where the archive is kept.

    Raises:
        LabError: a program is missing.
    """
    if missing := [program for program in PROGRAMS.values() if not (programs / program).exists()]:
        raise LabError(f"the add-ons' programs {', '.join(missing)} are missing in {programs}; run ./lab up, it fetches them.")
    stamps = [
        f"{name} {(programs / program).stat().st_size} {(programs / program).stat().st_mtime_ns}"
        for name, program in PROGRAMS.items()
    ]
    archive = folder / f"addons-{hashlib.sha256(repr(stamps).encode()).hexdigest()[:12]}.tar"
    if not archive.exists():
        for old in folder.glob("addons-*"):
            old.unlink()
        static_image.write([_image(name, programs / program) for name, program in PROGRAMS.items()], archive)
    return archive


def image_names(archive: Path) -> dict[str, str]:
    """The full name of each add-on's image, by its short name.

    Raises:
        LabError: the archive lacks one.
    """
    found = {name.rsplit("/", 1)[-1].split(":")[0]: name for name in archive_index(archive)}
    if missing := [name for name in PROGRAMS if name not in found]:
        raise LabError(f"the add-ons' image archive {archive} lacks {', '.join(missing)}.")
    return {name: found[name] for name in PROGRAMS}


def manifests(network: Network, images: Mapping[str, str]) -> list[dict[str, Any]]:
    """Every object of the add-ons, in the order in which they can be applied."""
    values = {
        "dns": network.dns,
        "volumes": str(HOME / "volumes"),
        "coredns": images["coredns"],
        "provisioner": images["local-path-provisioner"],
        "metrics": images["metrics-server"],
        "helper": images["volume-folder"],
    }
    found: list[dict[str, Any]] = []
    for file in sorted(MANIFESTS.glob("*.yaml")):
        found += [item for item in yaml.safe_load_all(Template(file.read_text()).substitute(values)) if item]
    return found
