"""A registry spoken to by the OCI distribution API: what it wants to be shown, and a sentence where it refuses."""

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
from infra.lab.bundle.credentials import Login
from infra.lab.errors import LabError, UserError
from infra.registries import RegistryAddress

CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class Use:
    """What a session is for: the rights that its token asks for, and how its sentences speak of it."""

    rights: str
    doing: str
    named: str


PUSH = Use("pull,push", "send images", "iotlab:registry")
PULL = Use("pull", "fetch images", "of an upstream image")


class Session:
    """Requests to one registry."""

    def __init__(self, address: RegistryAddress, login: Login | None, use: Use, *, patience_s: float | None = None) -> None:
        """`login` is used where the registry asks for one, and sent to nobody else; with `patience_s` nothing is tried twice."""
        self.address = address
        self._login = login
        self._use = use
        self._patience_s = patience_s
        self._web = web.pool(address.url, patience_s)
        self._headers: dict[str, str] = {}
        self._repositories: tuple[str, ...] = ()

    def open(self, *repositories: str) -> None:
        """See that a registry is there, and get what it wants to be shown with every request for `repositories`.

        Raises:
            UserError: it doesn't answer, or wants another login.
        """
        self._repositories = repositories
        answer = self._request("GET", f"{self.address.url}/v2/")
        if answer.status == HTTPStatus.UNAUTHORIZED:
            asked = answer.headers.get("WWW-Authenticate", "")
            kind, _, rest = asked.partition(" ")
            self._headers = self._token(dict(CHALLENGE.findall(rest))) if kind == "Bearer" else self._basic()
        elif answer.status != HTTPStatus.OK:
            raise UserError(f"{self.address.url} is no registry: its /v2/ answered {answer.status}; see {self._use.named}.")

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | IO[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        """One request; `path` may be a whole URL, which gets the login only if it leads to the registry itself.

        With `stream` the caller reads the answer and releases its connection.
        """
        url = urljoin(self.address.url, path)
        ours = urlsplit(url).netloc == self.address.host
        answer = self._request(method, url, body, {**(self._headers if ours else {}), **(headers or {})}, stream=stream)
        if answer.status == HTTPStatus.UNAUTHORIZED and ours and self._headers:
            self.open(*self._repositories)  # a token lasts minutes, a large layer on a slow line longer
            if body is not None and not isinstance(body, bytes):
                body.seek(0)
            answer = self._request(method, url, body, {**self._headers, **(headers or {})}, stream=stream)
        if answer.status in REFUSED:
            raise UserError(
                f"the registry {self.address.host} does not let this machine {self._use.doing} ({answer.status}): "
                f"docker login {self.address.host} with a user who may, then run it again."
            )
        return answer

    def insist(self, answer: urllib3.BaseHTTPResponse, wanted: set[HTTPStatus], what: str) -> None:
        """Go on only with one of the answers that are `wanted`.

        Raises:
            LabError: the registry's own words.
        """
        if answer.status not in wanted:
            raise LabError(f"the registry {self.address.host} refused {what}: {_said(answer)}.")

    def _request(
        self,
        method: str,
        url: str,
        body: bytes | IO[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        try:
            return self._web.request(method, url, body=body, headers=headers, preload_content=not stream)
        except HTTPError as failed:
            raise UserError(
                f"the registry {self.address.host} ({self._use.named}) does not answer over {self.address.scheme}: "
                f"{web.why(failed)}; see that it runs and that the address is right."
            ) from failed

    def _basic(self) -> dict[str, str]:
        return urllib3.make_headers(basic_auth=f"{self._login.user}:{self._login.password}") if self._login else {}

    def _token(self, challenge: Mapping[str, str]) -> dict[str, str]:
        """Trade the login, or none, for a token with the rights that are needed."""
        realm = challenge.get("realm", "")
        if urlsplit(realm).scheme not in {"https", self.address.scheme}:
            raise UserError(f"the registry {self.address.host} wants its login sent to {realm}, which is not encrypted: refused.")
        scopes = [("scope", f"repository:{repository}:{self._use.rights}") for repository in self._repositories]
        fields = [("service", challenge.get("service", "")), *scopes]
        try:
            answer = web.pool(realm, self._patience_s).request("GET", realm, fields=fields, headers=self._basic())
            said = answer.json() if answer.status == HTTPStatus.OK else {}
        except (HTTPError, ValueError) as failed:
            raise UserError(
                f"{realm}, where the registry {self.address.host} gives out its tokens, does not answer as it should: "
                f"{web.why(failed)}; see that this machine reaches it."
            ) from failed
        token = said.get("token") or said.get("access_token")
        if not token:
            raise UserError(
                f"the registry {self.address.host} gave no token ({answer.status}): docker login {self.address.host}, "
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
