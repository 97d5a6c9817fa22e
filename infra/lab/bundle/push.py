"""Images into a registry: the archive's files are sent as they are, so that every digest stays what the manifest says.

Only the six requests of the OCI distribution API that this takes. Nothing is sent that the registry has already, and what
several images share is sent once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from infra.lab import web
from infra.lab.bundle.archived import ArchivedImages, Blob
from infra.lab.bundle.credentials import Login
from infra.lab.bundle.manifest import ImageRecord, Manifest
from infra.lab.errors import LabError, UserError
from infra.registries import RegistryAddress

CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


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
        self._login = login
        self._web = web.pool(address.url)
        self._headers: dict[str, str] = {}
        self._repositories: list[str] = []
        self._known: dict[str, str] = {}  # digest -> a repository that has it

    def push(self, manifest: Manifest) -> Pushed:
        """Bring every image of the bundle there.

        Raises:
            UserError: the registry doesn't answer, or wants another login.
            LabError: it refused something; the message is its own.
        """
        done = Pushed()
        self._repositories = [self._address.repository(image.name) for image in manifest.images]
        self._knock()
        with ArchivedImages.open(manifest.archive) as archive:
            for image in manifest.images:
                self._push_image(archive, image, done)
        return done

    def _push_image(self, archive: ArchivedImages, image: ImageRecord, done: Pushed) -> None:
        repository = self._address.repository(image.name)
        text, media_type, blobs = archive.manifest(image.digest)
        manifests = f"/v2/{repository}/manifests"
        found = self._ask("HEAD", f"{manifests}/{image.digest}", headers={"Accept": media_type})
        if found.status == HTTPStatus.OK:
            done.there += len(blobs) + 1
            self._known |= {blob.digest: repository for blob in blobs}
            return
        for blob in blobs:
            self._push_blob(archive, repository, blob, done)
        put = self._ask("PUT", f"{manifests}/{image.key}", body=text, headers={"Content-Type": media_type})
        self._insist(put, {HTTPStatus.CREATED}, f"the manifest of {image.name}")
        done.sent += 1
        done.sent_bytes += len(text)

    def _push_blob(self, archive: ArchivedImages, repository: str, blob: Blob, done: Pushed) -> None:
        if self._ask("HEAD", f"/v2/{repository}/blobs/{blob.digest}").status == HTTPStatus.OK or self._mounted(repository, blob):
            done.there += 1
        else:
            begun = self._ask("POST", f"/v2/{repository}/blobs/uploads/")
            self._insist(begun, {HTTPStatus.ACCEPTED}, repository)
            self._upload(archive, begun.headers["Location"], blob)
            done.sent += 1
            done.sent_bytes += blob.size
        self._known[blob.digest] = repository

    def _mounted(self, repository: str, blob: Blob) -> bool:
        """Whether the registry took the file over from another image that has it."""
        other = self._known.get(blob.digest)
        if not other:
            return False
        asked = self._ask("POST", f"/v2/{repository}/blobs/uploads/?mount={blob.digest}&from={other}")
        return asked.status == HTTPStatus.CREATED

    def _upload(self, archive: ArchivedImages, location: str, blob: Blob) -> None:
        join = "&" if "?" in location else "?"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
        with archive.blob(blob.digest) as content:
            put = self._ask("PUT", f"{location}{join}digest={blob.digest}", body=content, headers=headers)
        self._insist(put, {HTTPStatus.CREATED}, blob.digest)

    def _ask(
        self, method: str, path: str, *, body: bytes | IO[bytes] | None = None, headers: Mapping[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        """One request; `path` may be a whole URL, which gets the login only if it leads to the registry itself."""
        url = urljoin(self._address.url, path)
        ours = urlsplit(url).netloc == self._address.host
        answer = self._request(method, url, body, {**(self._headers if ours else {}), **(headers or {})})
        if answer.status == HTTPStatus.UNAUTHORIZED and ours and self._headers:
            self._knock()  # a token lasts minutes, a large layer on a slow line longer
            if body is not None and not isinstance(body, bytes):
                body.seek(0)
            answer = self._request(method, url, body, {**self._headers, **(headers or {})})
        if answer.status in REFUSED:
            raise UserError(
                f"the registry {self._address.host} does not let this machine send images ({answer.status}): "
                f"docker login {self._address.host} with a user who may, then run it again."
            )
        return answer

    def _request(
        self, method: str, url: str, body: bytes | IO[bytes] | None = None, headers: Mapping[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        try:
            return self._web.request(method, url, body=body, headers=headers)
        except HTTPError as failed:
            raise UserError(
                f"the registry {self._address.host} (iotlab:registry) does not answer over {self._address.scheme}: "
                f"{web.why(failed)}; see that it runs and that the address is right."
            ) from failed

    def _insist(self, answer: urllib3.BaseHTTPResponse, wanted: set[HTTPStatus], what: str) -> None:
        if answer.status not in wanted:
            raise LabError(f"the registry {self._address.host} refused {what}: {_said(answer)}.")

    def _knock(self) -> None:
        """See that a registry is there, and get what it wants to be shown with every request."""
        answer = self._request("GET", f"{self._address.url}/v2/")
        if answer.status == HTTPStatus.UNAUTHORIZED:
            asked = answer.headers.get("WWW-Authenticate", "")
            kind, _, rest = asked.partition(" ")
            self._headers = self._token(dict(CHALLENGE.findall(rest))) if kind == "Bearer" else self._basic()
        elif answer.status != HTTPStatus.OK:
            raise UserError(f"{self._address.url} is no registry: its /v2/ answered {answer.status}; see iotlab:registry.")

    def _basic(self) -> dict[str, str]:
        return urllib3.make_headers(basic_auth=f"{self._login.user}:{self._login.password}") if self._login else {}

    def _token(self, challenge: Mapping[str, str]) -> dict[str, str]:
        """Trade the login for a token that may push all images."""
        realm = challenge.get("realm", "")
        if urlsplit(realm).scheme not in {"https", self._address.scheme}:
            raise UserError(
                f"the registry {self._address.host} wants its login sent to {realm}, which is not encrypted: refused."
            )
        scopes = [("scope", f"repository:{repository}:pull,push") for repository in self._repositories]
        fields = [("service", challenge.get("service", "")), *scopes]
        try:
            answer = web.pool(realm).request("GET", realm, fields=fields, headers=self._basic())
            said = answer.json() if answer.status == HTTPStatus.OK else {}
        except (HTTPError, ValueError) as failed:
            raise UserError(
                f"{realm}, where the registry {self._address.host} gives out its tokens, does not answer as it should: "
                f"{web.why(failed)}; see that this machine reaches it."
            ) from failed
        token = said.get("token") or said.get("access_token")
        if not token:
            raise UserError(
                f"the registry {self._address.host} gave no token ({answer.status}): docker login {self._address.host}, "
                "then run it again."
            )
        return {"Authorization": f"Bearer {token}"}


def _said(answer: urllib3.BaseHTTPResponse) -> str:
    """The registry's own words."""
    try:
        first = json.loads(answer.data)["errors"][0]
        return f"{first.get('code')} {first.get('message')}".strip()
    except (ValueError, KeyError, IndexError, TypeError):
        return f"it answered {answer.status}"
