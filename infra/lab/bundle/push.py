"""Images into a registry: the archive's files are sent as they are, so that every digest stays what the manifest says.

Only the six requests of the OCI distribution API that this takes. Nothing is sent that the registry has already, and what
several images share is sent once.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from infra.lab.bundle.archived import ArchivedImages, Blob
from infra.lab.bundle.credentials import Login
from infra.lab.bundle.manifest import ImageRecord, Manifest
from infra.lab.bundle.session import PUSH, Session
from infra.registries import RegistryAddress


@dataclass(slots=True)
class Pushed:
    """What a push came to: files sent, and files that were there."""

    sent: int = 0
    sent_bytes: int = 0
    there: int = 0


class Registry:
    """A registry that images are sent to."""

    def __init__(self, address: RegistryAddress, login: Login | None) -> None:
        """`login` is used where the registry asks for one, and sent to nobody else."""
        self._address = address
        self._session = Session(address, login, PUSH)
        self._known: dict[str, str] = {}  # digest -> a repository that has it

    def push(self, manifest: Manifest) -> Pushed:
        """Bring every image of the bundle there.

        Raises:
            UserError: the registry doesn't answer, or wants another login.
            LabError: it refused something; the message is its own.
        """
        done = Pushed()
        self._session.open(*(self._address.repository(image.name) for image in manifest.images))
        with ArchivedImages.open(manifest.archive) as archive:
            for image in manifest.images:
                self._push_image(archive, image, done)
        return done

    def _push_image(self, archive: ArchivedImages, image: ImageRecord, done: Pushed) -> None:
        repository = self._address.repository(image.name)
        text, media_type, blobs = archive.manifest(image.digest)
        manifests = f"/v2/{repository}/manifests"
        found = self._session.ask("HEAD", f"{manifests}/{image.digest}", headers={"Accept": media_type})
        if found.status == HTTPStatus.OK:
            done.there += len(blobs) + 1
            self._known |= {blob.digest: repository for blob in blobs}
            return
        for blob in blobs:
            self._push_blob(archive, repository, blob, done)
        put = self._session.ask("PUT", f"{manifests}/{image.key}", body=text, headers={"Content-Type": media_type})
        self._session.insist(put, {HTTPStatus.CREATED}, f"the manifest of {image.name}")
        done.sent += 1
        done.sent_bytes += len(text)

    def _push_blob(self, archive: ArchivedImages, repository: str, blob: Blob, done: Pushed) -> None:
        found = self._session.ask("HEAD", f"/v2/{repository}/blobs/{blob.digest}")
        if found.status == HTTPStatus.OK or self._mounted(repository, blob):
            done.there += 1
        else:
            begun = self._session.ask("POST", f"/v2/{repository}/blobs/uploads/")
            self._session.insist(begun, {HTTPStatus.ACCEPTED}, repository)
            self._upload(archive, begun.headers["Location"], blob)
            done.sent += 1
            done.sent_bytes += blob.size
        self._known[blob.digest] = repository

    def _mounted(self, repository: str, blob: Blob) -> bool:
        """Whether the registry took the file over from another image that has it."""
        other = self._known.get(blob.digest)
        if not other:
            return False
        asked = self._session.ask("POST", f"/v2/{repository}/blobs/uploads/?mount={blob.digest}&from={other}")
        return asked.status == HTTPStatus.CREATED

    def _upload(self, archive: ArchivedImages, location: str, blob: Blob) -> None:
        join = "&" if "?" in location else "?"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
        with archive.blob(blob.digest) as content:
            put = self._session.ask("PUT", f"{location}{join}digest={blob.digest}", body=content, headers=headers)
        self._session.insist(put, {HTTPStatus.CREATED}, blob.digest)
