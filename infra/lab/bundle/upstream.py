"""Images that only their publishers make: which there are, and how one is fetched without changing a byte of it.

Everything else the lab builds itself. An image is fetched by the requests of the OCI distribution API, anonymously, its
files compared with their digests, and kept as an archive of its own beside the bundle's.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from urllib3.exceptions import HTTPError

from infra import versions
from infra.lab import web
from infra.lab.bundle.archived import Blob, blob_path
from infra.lab.bundle.bundle import CONTAINERD_NAME, REFERENCE_NAME, pack
from infra.lab.bundle.manifest import ARCHIVE, ImageRecord, Manifest
from infra.lab.bundle.session import PULL, Session
from infra.lab.errors import LabError, UserError
from infra.lab.paths import Paths
from infra.lab.toolchain.official import PATIENCE_S, SEALED
from infra.registries import RegistryAddress

FOLDER = "upstream"
ARCHITECTURE, SYSTEM = "amd64", "linux"
OCI, DOCKER = "application/vnd.oci.image", "application/vnd.docker.distribution"
SINGLE = (f"{OCI}.manifest.v1+json", f"{DOCKER}.manifest.v2+json")
SEVERAL = (f"{OCI}.index.v1+json", f"{DOCKER}.manifest.list.v2+json")
ACCEPT = {"Accept": ", ".join(SINGLE + SEVERAL)}
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Upstream:
    """An image of a service of the same name: `registry` as references spell it, `api` where it answers."""

    name: str
    registry: str
    repository: str
    version: str
    licence: str
    api: str

    @property
    def reference(self) -> str:
        """The image by its version."""
        return f"{self.registry}/{self.repository}:{self.version}"

    def exact(self, digest: str) -> str:
        """The image by its digest."""
        return f"{self.registry}/{self.repository}@{digest}"


UPSTREAM = (
    Upstream("grafana", "docker.io", "grafana/grafana", versions.GRAFANA, "AGPL-3.0", api="registry-1.docker.io"),
    Upstream("headlamp", "ghcr.io", "headlamp-k8s/headlamp", f"v{versions.HEADLAMP}", "Apache-2.0", api="ghcr.io"),
)


def reached(image: Upstream) -> Session | None:
    """The image's registry, if it answers soon; it is not tried where the machine is sealed."""
    if os.environ.get(SEALED) == "1":
        return None
    session = Session(RegistryAddress.parse(image.api), None, PULL, patience_s=PATIENCE_S)
    try:
        session.open(image.repository)
    except UserError:
        return None
    return session


def resolved(image: Upstream, session: Session) -> str | None:
    """The reference by digest; by version if the registry doesn't tell the digest, None if it says there is no such image."""
    try:
        answer = session.ask("HEAD", _manifests(image, image.version), headers=ACCEPT)
    except UserError:
        return image.reference
    if answer.status == HTTPStatus.NOT_FOUND:
        return None
    digest = answer.headers.get("Docker-Content-Digest", "")
    return image.exact(digest) if answer.status == HTTPStatus.OK and DIGEST.fullmatch(digest) else image.reference


def folder(image: Upstream, paths: Paths) -> Path:
    """Where the image's archive and manifest lie."""
    return paths.cache / FOLDER / f"{image.name}-{image.version}"


def kept(image: Upstream, paths: Paths) -> Manifest | None:
    """The image as it was fetched, or as a bundle brought it."""
    return Manifest.read(folder(image, paths))


def fetch(image: Upstream, paths: Paths) -> Manifest:
    """Fetch the image into an archive of its own.

    Raises:
        UserError: the registry went away or refuses.
        LabError: what came is not what was asked for.
    """
    session = Session(RegistryAddress.parse(image.api), None, PULL)
    session.open(image.repository)
    own = folder(image, paths)
    scratch = own.with_name(f"{own.name}.new")
    shutil.rmtree(scratch, ignore_errors=True)
    layout = scratch / "layout"
    layout.mkdir(parents=True)
    try:
        media_type, text = _manifest(image, session)
        head = Blob(_digest(text), len(text))
        _place(layout, head.digest).write_bytes(text)
        described = json.loads(text)
        for part in (described["config"], *described["layers"]):
            _fetch_blob(image, session, Blob(part["digest"], int(part["size"])), layout)
        size = sum(int(layer["size"]) for layer in described["layers"])
        _finish(image, layout, {"mediaType": media_type, "digest": head.digest, "size": head.size})
        pack(layout, scratch / ARCHIVE)
        shutil.rmtree(layout)
        Manifest(scratch, (ImageRecord(image.name, image.version, head.digest, image.version, image.licence, size, ()),)).write()
        for old in own.parent.glob(f"{image.name}-*"):
            if old != scratch:
                shutil.rmtree(old)
        scratch.replace(own)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    found = kept(image, paths)
    if found is None:
        raise LabError(f"{own} has no valid manifest: remove the folder, then run ./lab up.")
    return found


def _manifests(image: Upstream, name: str) -> str:
    return f"/v2/{image.repository}/manifests/{name}"


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _place(layout: Path, digest: str) -> Path:
    place = layout / blob_path(digest)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _manifest(image: Upstream, session: Session, name: str = "") -> tuple[str, bytes]:
    """Media type and text of the image's manifest; of several for several machines, the one for ours."""
    answer = session.ask("GET", _manifests(image, name or image.version), headers=ACCEPT)
    session.insist(answer, {HTTPStatus.OK}, image.reference)
    text, media_type = answer.data, answer.headers.get("Content-Type", "").partition(";")[0]
    if name and _digest(text) != name:
        raise LabError(f"the registry {image.api} sent another manifest of {image.reference} than {name}: run it again.")
    if media_type not in SEVERAL or name:
        return media_type, text
    wanted: dict[str, Any] = {"architecture": ARCHITECTURE, "os": SYSTEM}
    for entry in json.loads(text)["manifests"]:
        if wanted.items() <= entry.get("platform", {}).items():
            return _manifest(image, session, str(entry["digest"]))
    raise LabError(f"{image.reference} is not made for {SYSTEM}/{ARCHITECTURE}.")


def _fetch_blob(image: Upstream, session: Session, blob: Blob, layout: Path) -> None:
    if not DIGEST.fullmatch(blob.digest):
        raise LabError(f"the manifest of {image.reference} names a file by {blob.digest[:80]!r}, which is no SHA-256.")
    answer = session.ask("GET", f"/v2/{image.repository}/blobs/{blob.digest}", stream=True)
    said = hashlib.sha256()
    try:
        session.insist(answer, {HTTPStatus.OK}, f"{blob.digest} of {image.reference}")
        with _place(layout, blob.digest).open("wb") as file:
            for chunk in answer.stream(CHUNK, decode_content=False):
                said.update(chunk)
                file.write(chunk)
    except HTTPError as failed:
        raise UserError(f"{image.reference} could not be fetched whole: {web.why(failed)}; run it again.") from failed
    finally:
        answer.release_conn()
    if f"sha256:{said.hexdigest()}" != blob.digest:
        raise LabError(f"the registry {image.api} sent another file than {blob.digest} of {image.reference}: run it again.")


def _finish(image: Upstream, layout: Path, head: dict[str, Any]) -> None:
    """The layout's table of contents, with the name that containerd imports the image under."""
    names = {CONTAINERD_NAME: image.reference, REFERENCE_NAME: image.version}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [head | {"annotations": names}]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
