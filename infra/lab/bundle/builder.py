"""Runs buildah: one image from its folder and inputs, what stands inside it, and its way into an OCI layout.

Everything that mounts runs in a mount namespace of its own: a build that is killed leaves no mount on the machine.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import versions
from infra.lab.bundle import images
from infra.lab.bundle.images import BY_NAME, Image
from infra.lab.bundle.inputs import Making, Node, Program
from infra.lab.bundle.manifest import REPOSITORY, Package
from infra.lab.bundle.rootfs import ALONE, EPOCH_S
from infra.lab.console import Steps
from infra.lab.errors import LabError, last_line
from infra.lab.paths import ROOT, Paths


def tag(image: Image) -> str:
    """The name under which buildah keeps the image."""
    return f"{REPOSITORY}/{image.name}:{images.key(image)}"


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds into the cache's container storage; `paths.bin` must have buildah and mmdebstrap."""

    paths: Paths
    steps: Steps

    @property
    def _buildah(self) -> str:
        return str(self.paths.bin / "buildah")

    def _ask(self, what: str, *command: str | Path) -> str:
        words = [*ALONE, *map(str, command)]
        try:
            done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        except OSError as missing:
            raise LabError(
                f"{missing.filename} is missing or cannot be run; ./lab up makes the toolchain, util-linux has unshare."
            ) from missing
        if done.returncode:
            raise LabError(f"{what}: {last_line(done.stderr)}")
        return done.stdout.strip()

    def kept(self) -> set[str]:
        """The tags of all images in the storage."""
        return set(self._ask("list images", self._buildah, "images", "--format", "{{.Name}}:{{.Tag}}").split())

    def clear(self) -> None:
        """Remove what an interrupted build left."""
        self._ask("clear containers", self._buildah, "rm", "--all")
        for folder in (self.paths.cache / "images").glob("making-*"):
            shutil.rmtree(folder)

    def forget(self, tags: set[str]) -> None:
        """Remove images that no build needs any more."""
        if tags:
            self._ask("remove images", self._buildah, "rmi", "--force", *sorted(tags))

    def build(self, image: Image) -> None:
        """Build `image`; its parent must be there.

        Raises:
            LabError: an input could not be had or a line of the Containerfile failed.
        """
        context = self.paths.cache / "images" / f"making-{image.name}"
        shutil.rmtree(context, ignore_errors=True)
        try:
            self._prepare(image, context)
            command: list[str | Path] = [*ALONE, self._buildah, "bud", "--network", "host", "--http-proxy=false"]
            command += ["--format", "oci", "--timestamp", str(EPOCH_S), "--pull-never", "--tag", tag(image)]
            if image.parent:
                command += ["--from", tag(BY_NAME[image.parent])]
            self.steps.run(f"Image {image.name}", [*command, context])
        finally:
            shutil.rmtree(context, ignore_errors=True)

    def _prepare(self, image: Image, context: Path) -> None:
        for file in images.context_files(image):
            target = context / file.relative_to(image.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)
        status = context.parent / f"status-{image.name}"
        try:
            if image.parent:
                status.write_text(self._look_into(BY_NAME[image.parent])["status"])
            making = Making(self.paths, self.steps, image.name, image.folder, context, status)
            for made in image.inputs:
                made.prepare(making)
        finally:
            status.unlink(missing_ok=True)

    def _look_into(self, image: Image) -> dict[str, Any]:
        command = (sys.executable, "-m", "infra.lab.bundle.inventory", self._buildah, tag(image))
        told: dict[str, Any] = json.loads(self._ask(f"look into image {image.name}", *command))
        return told

    def packages(self, image: Image) -> tuple[Package, ...]:
        """Everything that stands in the image, with versions."""
        programs = [Package("program", made.name, made.version) for made in image.inputs if isinstance(made, Program)]
        programs += [Package("program", "node", versions.NODE) for made in image.inputs if isinstance(made, Node)]
        return (*programs, *(Package(**package) for package in self._look_into(image)["packages"]))

    def push(self, image: Image, layout: Path) -> None:
        """Add the image to an OCI layout; layers that are there already are shared."""
        words = ("push", "--quiet", "--format", "oci", tag(image), f"oci:{layout}:{tag(image)}")
        self._ask(f"write image {image.name}", self._buildah, *words)
