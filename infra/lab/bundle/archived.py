"""Images read out of a bundle's archive, one OCI layout in a tar file, without unpacking it."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from infra.lab.errors import LabError

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def blob_path(digest: str) -> str:
    """Where the layout keeps the file with this digest."""
    return f"blobs/{digest.replace(':', '/')}"


@dataclass(frozen=True, slots=True)
class Blob:
    """One file of an image: its digest and size in bytes."""

    digest: str
    size: int


class ArchivedImages:
    """The open archive."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        """`tar` is open for reading."""
        self._tar = tar

    @classmethod
    @contextmanager
    def open(cls, archive: Path) -> Iterator[ArchivedImages]:
        """Open `archive` while the body runs.

        Raises:
            LabError: it is no archive.
        """
        try:
            with tarfile.open(archive, "r:") as tar:
                yield cls(tar)
        except (OSError, tarfile.TarError) as broken:
            raise LabError(f"{archive} cannot be read ({broken}): remove its folder, then run ./lab up.") from broken

    def blob(self, digest: str) -> IO[bytes]:
        """The content of one file, to be read from its start or anywhere."""
        try:
            found = self._tar.extractfile(blob_path(digest))
        except KeyError:
            found = None
        if found is None:
            raise LabError(f"{self._tar.name!s} lacks the content {digest}: remove its folder, then run ./lab up.")
        return found

    def manifest(self, digest: str) -> tuple[bytes, str, list[Blob]]:
        """An image's manifest as it stands there, its media type, and what it consists of: the configuration, then the layers."""
        with self.blob(digest) as content:
            text = content.read()
        described: dict[str, Any] = json.loads(text)
        parts = [described["config"], *described["layers"]]
        media_type = str(described.get("mediaType", OCI_MANIFEST))  # OCI's may leave it out, Docker's may not
        return text, media_type, [Blob(part["digest"], int(part["size"])) for part in parts]
