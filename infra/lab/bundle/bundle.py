"""Makes and keeps the bundle: builds what changed, writes one archive and its manifest, hands out references."""

from __future__ import annotations

import fcntl
import json
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.lab.bundle import images
from infra.lab.bundle.builder import Builder, tag
from infra.lab.bundle.images import IMAGES, Image
from infra.lab.bundle.manifest import ARCHIVE, REPOSITORY, ImageRecord, Manifest
from infra.lab.bundle.rootfs import EPOCH_S, sources
from infra.lab.console import Steps
from infra.lab.errors import LabError, UserError
from infra.lab.paths import Paths
from infra.lab.toolchain.debian import LISTS

CONTAINERD_NAME = "io.containerd.image.name"  # containerd and docker read an image's name from here
REFERENCE_NAME = "org.opencontainers.image.ref.name"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Images of this checkout: all, or those that a stack's services need. Making one touches nothing."""

    paths: Paths
    steps: Steps
    chosen: tuple[Image, ...] = IMAGES

    @property
    def folder(self) -> Path:
        """Where the archive of exactly this checkout's images lies; one with all of them, once it is there, serves any stack."""
        kept = self.paths.cache / "images"
        whole = kept / images.bundle_key()
        return whole if Manifest.read(whole) is not None else kept / images.bundle_key(self.chosen)

    @property
    def _shipped(self) -> list[Image]:
        return [image for image in self.chosen if image.shipped]

    def manifest(self) -> Manifest:
        """The manifest of what was built.

        Raises:
            LabError: it has not been built.
        """
        found = Manifest.read(self.folder)
        if found is None:
            raise LabError("the images of this checkout have not been built; run ./lab up.")
        return found

    def check(self) -> None:
        """Refuse now what `ensure` would refuse, before minutes are spent on the toolchain that it needs.

        Raises:
            UserError: this machine can't make the images.
        """
        if Manifest.read(self.folder) is not None:
            return
        if shutil.which("apt-get") is None:
            raise UserError("the images are made with apt of Debian 12, which is missing here: use ./lab up --bundle FILE.")
        if any(LISTS.glob("*Release")):  # before its first update, apt can't tell the release of its sources
            sources()

    def ensure(self) -> Manifest:
        """Build what is missing and write the archive; costs nothing when nothing changed.

        Raises:
            LabError: an image could not be built; names the step, the command and the log.
        """
        found = Manifest.read(self.folder)
        if found is not None:
            return found
        with self._alone():
            return Manifest.read(self.folder) or self._make(Builder(self.paths, self.steps))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One build at a time in one cache; whoever waited finds the work done."""
        folder = self.paths.cache / "images"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _make(self, builder: Builder) -> Manifest:
        builder.clear()
        kept = builder.kept()
        for image in self.chosen:
            if tag(image) not in kept:
                with self.steps.step(f"Image {image.name}"):
                    builder.build(image)
        with self.steps.step("Archive of the images"):
            manifest = self._write(builder)
        self._prune(builder)
        return manifest

    def _write(self, builder: Builder) -> Manifest:
        scratch = self.folder.with_suffix(".new")
        shutil.rmtree(scratch, ignore_errors=True)
        layout = scratch / "layout"
        layout.mkdir(parents=True)
        for image in self._shipped:
            builder.push(image, layout)
        digests = name_images(layout)
        pack(layout, scratch / ARCHIVE)
        records = tuple(_record(builder, image, layout, digests[tag(image)]) for image in self._shipped)
        shutil.rmtree(layout)
        Manifest(scratch, records).write()
        shutil.rmtree(self.folder, ignore_errors=True)
        scratch.replace(self.folder)
        return self.manifest()

    def _prune(self, builder: Builder) -> None:
        """Drop archives and images of earlier checkouts: they are 0.5 GB each, and can be built again."""
        for folder in (self.paths.cache / "images").iterdir():
            if folder != self.folder and folder.is_dir():
                shutil.rmtree(folder)
        needed = {tag(image) for image in IMAGES}
        builder.forget({name for name in builder.kept() - needed if name.startswith(f"{REPOSITORY}/")})


def _record(builder: Builder, image: Image, layout: Path, digest: str) -> ImageRecord:
    described = json.loads(_blob(layout, digest).read_text())
    size = sum(int(layer["size"]) for layer in described["layers"])
    packages = builder.packages(image)
    return ImageRecord(image.name, images.key(image), digest, image.version, image.licence, size, packages)


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def name_images(layout: Path) -> dict[str, str]:
    """Give each image of the layout the name that containerd imports it under; returns tag -> digest."""
    index_file = layout / "index.json"
    index = json.loads(index_file.read_text())
    digests: dict[str, str] = {}
    for entry in index["manifests"]:
        name = entry["annotations"][REFERENCE_NAME]
        entry["annotations"] = {CONTAINERD_NAME: name, REFERENCE_NAME: name.rsplit(":", 1)[1]}
        digests[name] = entry["digest"]
    index_file.write_text(json.dumps(index, sort_keys=True))
    return digests


def pack(layout: Path, archive: Path) -> None:
    """Write the layout as a tar file that depends on its content alone."""
    with tarfile.open(archive, "w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(layout.rglob("*")):
            member = tar.gettarinfo(path, str(path.relative_to(layout)))
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime = EPOCH_S
            member.mode = 0o755 if path.is_dir() else 0o644
            if path.is_dir():
                tar.addfile(member)
            else:
                with path.open("rb") as content:
                    tar.addfile(member, content)
