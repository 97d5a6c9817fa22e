"""A real container registry on loopback, and images small enough to look at."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from infra.lab.bundle.manifest import ARCHIVE, REPOSITORY, ImageRecord, Manifest
from tests.support import tools
from tests.support.processes import Process, free_port

USER, PASSWORD = "pusher", "push-secret"
# bcrypt of PASSWORD; the registry takes no other kind
HTPASSWD = f"{USER}:$2b$05$S6sebMAwi5qUUeRxRpQQKuB2Ob3QAl3p3GyDp5zNKOPQlmRerf2ry\n"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class DockerRegistry(Process):
    """The registry of Debian's package docker-registry."""

    def __init__(self, folder: Path, *, login: bool = False) -> None:
        """With `login` nobody enters without USER and PASSWORD."""
        self.data = folder / "data"
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        settings: dict[str, object] = {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": str(self.data)}},
            "http": {"addr": self.address},
            "log": {"accesslog": {"disabled": False}},
        }
        if login:
            (folder / "htpasswd").write_text(HTPASSWD)
            settings["auth"] = {"htpasswd": {"realm": "lab", "path": str(folder / "htpasswd")}}
        (folder / "registry.yaml").write_text(yaml.safe_dump(settings))
        super().__init__("registry", [tools.docker_registry(), "serve", folder / "registry.yaml"], folder)

    def start(self) -> None:
        """Start and wait until it listens."""
        super().start()
        self.wait_for_port(self.port)


@contextmanager
def registry_in(folder: Path) -> Iterator[DockerRegistry]:
    """A registry that runs as long as the body, open to anybody on loopback."""
    server = DockerRegistry(folder)
    try:
        server.start()
        yield server
    finally:
        server.close()


def digest(content: bytes) -> str:
    """`sha256:…`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer(text: str) -> bytes:
    """A layer with one file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("file")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


def make_images(folder: Path, layers_by_name: dict[str, Sequence[bytes]]) -> Manifest:
    """A bundle's folder with an archive of images of these layers, and its manifest."""
    blobs: dict[str, bytes] = {}
    records = []
    for name, layers in layers_by_name.items():
        rootfs = {"type": "layers", "diff_ids": [digest(one) for one in layers]}
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}).encode()
        kinds = ["application/vnd.oci.image.config.v1+json", *(["application/vnd.oci.image.layer.v1.tar"] * len(layers))]
        parts = [
            {"mediaType": kind, "digest": digest(part), "size": len(part)}
            for kind, part in zip(kinds, [config, *layers], strict=True)
        ]
        text = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]}).encode()
        blobs |= {digest(part): part for part in (config, *layers, text)}
        records.append(ImageRecord(name, digest(config)[7:19], digest(text), "1", "Apache-2.0", 1, ()))
    folder.mkdir(parents=True)
    heads = [
        {
            "mediaType": MANIFEST,
            "digest": record.digest,
            "size": len(blobs[record.digest]),
            "annotations": {"io.containerd.image.name": f"{REPOSITORY}/{record.name}:{record.key}"},
        }
        for record in records
    ]
    files = {f"blobs/{name.replace(':', '/')}": content for name, content in blobs.items()}
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": heads}).encode()
    files["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
    with tarfile.open(folder / ARCHIVE, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    manifest = Manifest(folder, tuple(records))
    manifest.write()
    return manifest
