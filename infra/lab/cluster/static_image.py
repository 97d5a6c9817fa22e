"""Images of one static program, written as an OCI archive without any tool; the same files always give the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

OCI = "application/vnd.oci.image"
NAME = "io.containerd.image.name"


@dataclass(frozen=True, slots=True)
class StaticImage:
    """What goes into one image: `files` by their path inside."""

    name: str
    files: Mapping[str, Path]
    entrypoint: Sequence[str]
    user: str


@dataclass(frozen=True, slots=True)
class _Blob:
    kind: str
    content: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def descriptor(self) -> dict[str, object]:
        return {"mediaType": self.kind, "digest": f"sha256:{self.digest}", "size": len(self.content)}


def _entry(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type = kind
    entry.mode = mode
    return entry


def _layer(image: StaticImage) -> bytes:
    packed = io.BytesIO()
    parents = {str(parent) for path in image.files for parent in Path(path.lstrip("/")).parents if parent != Path()}
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for folder in sorted(parents):
            archive.addfile(_entry(folder, tarfile.DIRTYPE, 0o755))
        for path, source in sorted(image.files.items()):
            content = source.read_bytes()
            entry = _entry(path.lstrip("/"), tarfile.REGTYPE, 0o755)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _image(image: StaticImage) -> tuple[dict[str, object], list[_Blob]]:
    layer = _layer(image)
    packed = _Blob(f"{OCI}.layer.v1.tar", layer)  # not compressed: it is read once, on this machine
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"User": image.user, "Entrypoint": list(image.entrypoint), "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{packed.digest}"]},
    }
    described = _Blob(f"{OCI}.config.v1+json", json.dumps(config, sort_keys=True).encode())
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": described.descriptor(),
        "layers": [packed.descriptor()],
    }
    head = _Blob(f"{OCI}.manifest.v1+json", json.dumps(manifest, sort_keys=True).encode())
    return head.descriptor() | {"annotations": {NAME: image.name}}, [packed, described, head]


def write(images: Sequence[StaticImage], archive: Path) -> None:
    """Write all images into one OCI archive, in one move."""
    heads, blobs = [], {}
    for image in images:
        head, parts = _image(image)
        heads.append(head)
        blobs.update({f"blobs/sha256/{part.digest}": part.content for part in parts})
    index = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": heads}
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": json.dumps(index, sort_keys=True).encode(), **blobs}
    scratch = archive.with_suffix(".new")
    with tarfile.open(scratch, mode="w", format=tarfile.USTAR_FORMAT) as packed:
        for name, content in files.items():
            entry = _entry(name, tarfile.REGTYPE, 0o644)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    scratch.replace(archive)
