"""What a bundle of images says of itself: names, digests, versions, licences, and every package inside (a simple SBOM)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.lab.errors import LabError

MANIFEST = "manifest.json"
ARCHIVE = "images.tar"
REPOSITORY = "localhost/iotlab"


@dataclass(frozen=True, slots=True)
class Package:
    """One thing that stands in an image: a Debian package, a jar, an npm or Python package, or a program."""

    kind: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image. `key` is the hash of all it was made from, `digest` that of what came out."""

    name: str
    key: str
    digest: str
    version: str
    licence: str
    size: int
    packages: tuple[Package, ...]

    @property
    def reference(self) -> str:
        """The name by which charts ask for exactly this image."""
        return f"{REPOSITORY}/{self.name}@{self.digest}"

    @property
    def tag(self) -> str:
        """The name under which the archive carries it."""
        return f"{REPOSITORY}/{self.name}:{self.key}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """All images of one bundle; `folder` holds the archive and this manifest as JSON."""

    folder: Path
    images: tuple[ImageRecord, ...]

    @property
    def archive(self) -> Path:
        """The archive (one OCI layout) that a container runtime imports."""
        return self.folder / ARCHIVE

    def image(self, name: str) -> ImageRecord:
        """The image `name`.

        Raises:
            LabError: the bundle has no such image.
        """
        for image in self.images:
            if image.name == name:
                return image
        raise LabError(f"the bundle has no image '{name}'; it has {', '.join(image.name for image in self.images)}.")

    def references(self) -> dict[str, str]:
        """Name -> reference by digest, as the program's settings want them."""
        return {image.name: image.reference for image in self.images}

    def write(self) -> None:
        """Write manifest.json; it is written last, so a folder that has one is complete."""
        text = json.dumps({"images": [asdict(image) for image in self.images]}, indent=1)
        scratch = self.folder / f"{MANIFEST}.new"
        scratch.write_text(text + "\n")
        scratch.replace(self.folder / MANIFEST)

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """The manifest of a complete bundle in `folder`; None where there is none."""
        try:
            loaded = json.loads((folder / MANIFEST).read_text())
            images = tuple(
                ImageRecord(**(record | {"packages": tuple(Package(**package) for package in record["packages"])}))
                for record in loaded["images"]
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
        found = cls(folder, images)
        return found if found.archive.exists() else None
