"""Runs buildah: one image from its folder and inputs, what stands inside it, and its way into an OCI layout."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.lab.bundle import images
from infra.lab.bundle.images import BY_NAME, Image
from infra.lab.bundle.inputs import Making
from infra.lab.bundle.manifest import REPOSITORY, Package
from infra.lab.bundle.rootfs import EPOCH_S
from infra.lab.console import Steps
from infra.lab.errors import LabError
from infra.lab.paths import Paths

DPKG_STATUS = "var/lib/dpkg/status"
JAR = re.compile(r"(?P<name>.+?)-(?P<version>\d[\w.+-]*)\.jar")


def tag(image: Image) -> str:
    """The name under which buildah keeps the image."""
    return f"{REPOSITORY}/{image.name}:{images.key(image)}"


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds into the cache's container storage; `paths.bin` must have buildah and mmdebstrap."""

    paths: Paths
    steps: Steps

    def _ask(self, *words: str | Path) -> str:
        command = [str(self.paths.bin / "buildah"), *map(str, words)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError as missing:
            raise LabError(f"{command[0]} is missing; ./lab up makes it.") from missing
        if done.returncode:
            raise LabError(f"buildah {words[0]} failed: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
        return done.stdout.strip()

    def kept(self) -> set[str]:
        """The tags of all images in the storage."""
        return set(self._ask("images", "--format", "{{.Name}}:{{.Tag}}").split())

    def forget(self, tags: set[str]) -> None:
        """Remove images that no build needs any more."""
        if tags:
            self._ask("rmi", "--force", *sorted(tags))

    @contextmanager
    def tree(self, image: Image) -> Iterator[Path]:
        """The image's files, mounted for the time of the body."""
        container = self._ask("from", "--pull-never", tag(image))
        try:
            yield Path(self._ask("mount", container))
        finally:
            self._ask("rm", container)

    def build(self, image: Image) -> None:
        """Build `image`; its parent must be there.

        Raises:
            LabError: an input could not be had or a line of the Containerfile failed.
        """
        context = self.paths.cache / "images" / f"making-{image.name}"
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir(parents=True)
        try:
            self._prepare(image, context)
            command: list[str | Path] = [self.paths.bin / "buildah", "bud", "--network", "host"]
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
                with self.tree(BY_NAME[image.parent]) as tree:
                    shutil.copyfile(tree / DPKG_STATUS, status)
            making = Making(self.paths, self.steps, image.name, image.folder, context, status)
            for made in image.inputs:
                made.prepare(making)
        finally:
            status.unlink(missing_ok=True)

    def packages(self, image: Image) -> tuple[Package, ...]:
        """Everything that stands in the image, with versions."""
        with self.tree(image) as tree:
            return tuple(inventory(tree))

    def push(self, image: Image, layout: Path) -> None:
        """Add the image to an OCI layout; layers that are there already are shared."""
        self._ask("push", "--quiet", "--disable-compression", "--format", "oci", tag(image), f"oci:{layout}:{tag(image)}")


def inventory(tree: Path) -> Iterator[Package]:
    """Debian packages, jars and Python packages of a file tree."""
    status = tree / DPKG_STATUS
    if status.exists():
        for stanza in status.read_text(errors="replace").split("\n\n"):
            fields = dict(line.split(": ", 1) for line in stanza.splitlines() if re.match(r"(Package|Version|Status): ", line))
            if fields.get("Status", "").endswith(" installed"):
                yield Package("deb", fields["Package"], fields["Version"])
    for jar in sorted(tree.glob("opt/*/libs/*.jar")):
        if found := JAR.fullmatch(jar.name):
            yield Package("jar", found["name"], found["version"])
    for folder in sorted(tree.glob("usr/local/lib/python3*/dist-packages/*.dist-info")):
        name, _, version = folder.name.removesuffix(".dist-info").rpartition("-")
        yield Package("pypi", name, version)
