"""A registry that gives tokens, as the public ones do: the login goes to its token service only, and for the right scopes."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from infra.lab.bundle import upstream
from infra.lab.bundle.credentials import Login
from infra.lab.bundle.push import Registry
from infra.lab.errors import UserError
from infra.registries import RegistryAddress
from tests.support.registry import PASSWORD, USER, layer, make_images

BASIC = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"


class TokenRegistry(BaseHTTPRequestHandler):
    """Has every image already; wants the token that its own /token gives for the right login, twice if it is old."""

    realm: ClassVar[str] = ""
    scopes: ClassVar[list[str]] = []
    given: ClassVar[int] = 0
    anonymous: ClassVar[bool] = False

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: object, headers: dict[str, str]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(text))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def do_GET(self) -> None:
        """Give a token, or ask for one."""
        login = self.headers.get("Authorization", "")
        asked = urlsplit(self.path)
        if asked.path == "/token" and (login == BASIC or (self.anonymous and not login)):
            type(self).given += 1
            type(self).scopes = parse_qs(asked.query)["scope"]
            self._answer(200, {"token": f"token-{self.given}"}, {})
        elif asked.path == "/token":
            self._answer(401, {}, {})
        elif login == "Bearer token-2" or (login == "Bearer token-1" and "one" in self.path):
            self._answer(200, {}, {})
        else:
            self._answer(401, {}, {"WWW-Authenticate": f'Bearer realm="{self.realm}",service="lab"'})

    def do_HEAD(self) -> None:
        """As GET, without a body."""
        self.do_GET()


@pytest.fixture
def address() -> Iterator[RegistryAddress]:
    with ThreadingHTTPServer(("127.0.0.1", 0), TokenRegistry) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        TokenRegistry.realm = f"http://127.0.0.1:{server.server_port}/token"
        TokenRegistry.given = 0
        TokenRegistry.anonymous = False
        yield RegistryAddress.parse(f"http://127.0.0.1:{server.server_port}/lab")
        server.shutdown()
        thread.join()


def test_one_token_for_all_images_and_a_new_one_when_it_has_run_out(address: RegistryAddress, tmp_path: Path) -> None:
    images = make_images(tmp_path / "images", {"one": [layer("1")], "two": [layer("2")]})
    done = Registry(address, Login(USER, PASSWORD)).push(images)
    assert (done.sent, done.there) == (0, 6)
    assert TokenRegistry.scopes == ["repository:lab/one:pull,push", "repository:lab/two:pull,push"]
    assert TokenRegistry.given == 2


def test_a_wrong_login_gets_no_token_and_the_sentence_says_how_to_get_one(address: RegistryAddress, tmp_path: Path) -> None:
    images = make_images(tmp_path / "images", {"one": [layer("1")]})
    with pytest.raises(UserError, match=r"gave no token \(401\): docker login 127\.0\.0\.1") as refused:
        Registry(address, Login(USER, "wrong")).push(images)
    assert "wrong" not in str(refused.value)


def test_a_publishers_image_is_asked_for_without_a_login_and_with_the_right_to_pull_only(
    address: RegistryAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IOTLAB_SEALED", raising=False)
    image = upstream.Upstream("one", "registry.example", "lab/one", "1.0.0", "AGPL-3.0", address.url)
    assert upstream.reached(image) is None  # it gives no token to strangers
    TokenRegistry.anonymous = True
    session = upstream.reached(image)
    assert session
    assert TokenRegistry.scopes == ["repository:lab/one:pull"]
    assert upstream.resolved(image, session) == image.reference  # this one tells no digest
