"""The images as data: what each is made from, on top of which, and under which licence.

A key is the hash of everything that goes into an image and its parents, so unchanged input is never built again.
The versions of Debian's packages are those that apt's signed lists name on the day of the build.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra import versions
from infra.lab.bundle.inputs import Classes, Debs, Input, Jars, Node, NodeModules, Program, Rootfs, Wheels
from infra.lab.bundle.notebooks import Notebooks
from infra.lab.paths import ROOT

RECIPES = "1"  # raise it when the builder's code makes something else from the same files
CHARTS = ROOT / "charts"
APPS = ROOT / "apps"
NOT_CONTEXT = {"__pycache__", "node_modules", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


@dataclass(frozen=True, slots=True)
class Image:
    """One image: the folder with its Containerfile, what is laid beside it, and what it stands on."""

    name: str
    parent: str
    folder: Path
    inputs: tuple[Input, ...]
    version: str
    licence: str
    shipped: bool = True  # false for those that others stand on and that no pod runs


DEBIAN_LICENCE = "each package's own, in /usr/share/doc/*/copyright"
_JUPYTER: tuple[Input, ...] = (Program("kubectl", versions.KUBECTL), Notebooks())
IMAGES = (
    Image("base", "", CHARTS / "images/base", (Rootfs(),), versions.DEBIAN, DEBIAN_LICENCE, shipped=False),
    Image("java", "base", CHARTS / "images/java", (Debs(),), str(versions.JDK), "GPL-2.0, Classpath exception", shipped=False),
    Image("python", "base", CHARTS / "images/python", (Debs(),), "3.11", "PSF-2.0", shipped=False),
    Image("mosquitto", "base", CHARTS / "mosquitto/image", (Debs(),), versions.MOSQUITTO, "EPL-2.0 or BSD-3-Clause"),
    Image("influxdb", "base", CHARTS / "influxdb/image", (Debs(),), versions.INFLUXDB, "MIT"),
    Image("registry", "base", CHARTS / "registry/image", (Debs(),), versions.REGISTRY, "Apache-2.0"),
    Image("kafka", "java", CHARTS / "kafka/image", (Jars("kafka"), Classes("kafka")), versions.KAFKA, "Apache-2.0"),
    Image("camunda", "java", CHARTS / "camunda/image", (Jars("camunda"), Classes("camunda")), versions.OPERATON, "Apache-2.0"),
    Image("ingress", "", CHARTS / "ingress/image", (Program("traefik", versions.TRAEFIK),), versions.TRAEFIK, "MIT"),
    Image(
        "node-red",
        "base",
        CHARTS / "node-red/image",
        (Debs(), Node(), NodeModules()),
        versions.NODE_RED,
        "Apache-2.0; Node.js MIT",
    ),
    Image("apps", "python", APPS, (Debs(), Wheels()), versions.LAB, "Apache-2.0"),
    Image(
        "jupyterlab",
        "python",
        CHARTS / "images/jupyterlab",
        (Debs(), Wheels()),
        versions.JUPYTERLAB,
        "BSD-3-Clause",
        shipped=False,
    ),
    Image("jupyter", "jupyterlab", CHARTS / "jupyter/image", _JUPYTER, versions.JUPYTERLAB, "BSD-3-Clause; kubectl Apache-2.0"),
)
BY_NAME = {image.name: image for image in IMAGES}
APPS_IMAGE = "apps"


def context_files(image: Image) -> list[Path]:
    """The files of the image's folder that its build sees, sorted."""
    inside = (path for path in image.folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path for path in inside if not NOT_CONTEXT.intersection(path.parts) and path.suffix != ".pyc")


def key(image: Image) -> str:
    """Twelve hex digits that change with anything the image is made from."""
    said = hashlib.sha256(f"{RECIPES} {image.version} {key(BY_NAME[image.parent]) if image.parent else ''}\n".encode())
    for file in context_files(image):
        said.update(f"{file.relative_to(image.folder)} {file.stat().st_mode & 0o111:o}\n".encode())
        said.update(hashlib.sha256(file.read_bytes()).digest())
    for made in image.inputs:
        said.update(made.fingerprint().encode())
    return said.hexdigest()[:12]


def needed_by(services: Collection[str]) -> tuple[Image, ...]:
    """The images that these services run, with those that they stand on; in the order of IMAGES, parents first.

    A service that has none of its own is an app of ours.
    """
    found = {service if service in BY_NAME else APPS_IMAGE for service in services} | {APPS_IMAGE}
    while more := {BY_NAME[name].parent for name in found} - found - {""}:
        found |= more
    return tuple(image for image in IMAGES if image.name in found)


def bundle_key(chosen: Sequence[Image] = IMAGES) -> str:
    """One key over all images, or over those chosen."""
    return hashlib.sha256("\n".join(f"{image.name} {key(image)}" for image in chosen).encode()).hexdigest()[:16]
