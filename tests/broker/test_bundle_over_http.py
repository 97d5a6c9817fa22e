"""A bundle from a web server: taken whole, over http and https, and each failure says why."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra.lab.bundle import Exported, ImageRecord, Manifest, export_archive, images, import_archive
from infra.lab.bundle.manifest import ARCHIVE
from infra.lab.cluster import pki
from infra.lab.console import Steps
from infra.lab.errors import LabError, UserError
from infra.lab.paths import Paths
from infra.lab.toolchain import Toolchain
from tests.support.processes import free_port

RECORD = ImageRecord("kafka", "0123", "sha256:" + "ab" * 32, "9.9.9", "Apache-2.0", 7, ())
LOOPBACK = "127.0.0.1"


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder; a file that is called short ends too early."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Send a file, or less of it than was promised."""
        if "short" not in self.path:
            super().do_GET()
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.write(b"short")


def serve(folder: Path, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    with ThreadingHTTPServer((LOOPBACK, 0), partial(Quiet, directory=str(folder))) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"{'https' if tls else 'http'}://{LOOPBACK}:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the servers serve."""
    made = tmp_path / "served"
    made.mkdir()
    return made


@pytest.fixture
def http(folder: Path) -> Iterator[str]:
    yield from serve(folder)


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """The folder of an authority with a certificate for loopback."""
    made = tmp_path / "pki"
    made.mkdir()
    pki.ensure(made, pki.wanted("test", LOOPBACK, LOOPBACK))
    return made


@pytest.fixture
def https(folder: Path, authority: Path) -> Iterator[str]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority / "apiserver.crt", authority / "apiserver.key")
    yield from serve(folder, tls)


@pytest.fixture
def exported(tmp_path: Path, folder: Path) -> Exported:
    here = Paths(tmp_path / "here/cache", tmp_path / "here/state")
    made = here.cache / "images" / images.bundle_key()
    made.mkdir(parents=True)
    (made / ARCHIVE).write_bytes(bytes(range(256)) * 4096)
    Manifest(made, (RECORD,)).write()
    wheels = here.cache / "wheels/0123"
    wheels.mkdir(parents=True)
    steps = Steps(here)
    return export_archive(
        Toolchain(here, steps, known=()),
        Manifest(made, (RECORD,)),
        {f"wheels/{wheels.name}": wheels},
        steps,
        folder / "lab.tar.gz",
    )


def take(tmp_path: Path, source: str) -> Manifest:
    there = Paths(tmp_path / "there/cache", tmp_path / "there/state")
    steps = Steps(there)
    return import_archive(source, Toolchain(there, steps, known=()), there, steps)


def test_a_bundle_is_taken_over_http_by_its_hash(http: str, exported: Exported, tmp_path: Path) -> None:
    assert take(tmp_path, f"{http}/lab.tar.gz#sha256={exported.sha256}").images == (RECORD,)
    with pytest.raises(UserError, match="not the bundle that was meant"):
        take(tmp_path, f"{http}/lab.tar.gz#sha256={'0' * 64}")


def test_over_https_only_a_server_that_an_authority_vouches_for_is_believed(
    https: str, exported: Exported, authority: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"cannot be fetched: .*certificate verify failed"):
        take(tmp_path, f"{https}/lab.tar.gz")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.crt"))
    assert take(tmp_path, f"{https}/lab.tar.gz#sha256={exported.sha256}").images == (RECORD,)


def test_a_server_that_is_not_there_or_has_no_such_file_is_named(http: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"lab\.tar\.gz cannot be fetched: the server answered 404"):
        take(tmp_path, f"{http}/lab.tar.gz")
    port = free_port()
    with pytest.raises(UserError, match=rf"http://{LOOPBACK}:{port}/lab\.tar\.gz cannot be fetched: "):
        take(tmp_path, f"http://{LOOPBACK}:{port}/lab.tar.gz")


def test_a_transfer_that_ends_too_early_is_refused_and_leaves_nothing(http: str, tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"short\.tar\.gz cannot be fetched: "):
        take(tmp_path, f"{http}/short.tar.gz")
    assert not list((tmp_path / "there/cache").iterdir())
