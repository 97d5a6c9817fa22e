"""lab-fetch against a real server: whole, broken off and resumed, changed on the way, expired."""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.cloud.user_data import PARTS

CONTENT = os.urandom(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
BREAKS_AFTER = 1_000_000
TAKES_S = 60


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT, by parts if asked; breaks off as often as it is told, or refuses."""

    breaks = 0
    code = 0
    ranges: tuple[str, ...] = ()


class Answer(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        self.server.ranges += (asked,)
        if self.server.code:
            self.send_error(self.server.code)
            return
        begin = int(asked.removeprefix("bytes=").rstrip("-") or 0)
        if begin >= len(CONTENT):
            self.send_error(416)
            return
        rest = CONTENT[begin:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if self.server.breaks:
            self.server.breaks -= 1
            self.wfile.write(rest[:BREAKS_AFTER])
            self.close_connection = True
        else:
            self.wfile.write(rest)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Answer) as opened:
        threading.Thread(target=opened.serve_forever, daemon=True).start()
        yield opened
        opened.shutdown()


def fetch(server: Server, file: Path, wanted: str = SHA256) -> subprocess.CompletedProcess[str]:
    url = f"http://127.0.0.1:{server.server_address[1]}/lab.tar.zst?X-Amz-Signature=word"
    env = {"PATH": os.environ["PATH"], "BUNDLE_URL": url, "BUNDLE_SHA256": wanted, "no_proxy": "127.0.0.1"}
    words = [sys.executable, str(PARTS / "scripts/lab_fetch.py"), str(file)]
    return subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=TAKES_S)


def test_a_whole_bundle_comes_and_its_place_is_printed(server: Server, tmp_path: Path) -> None:
    done = fetch(server, tmp_path / "bundle")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'bundle'}\n"), done.stderr
    assert (tmp_path / "bundle").read_bytes() == CONTENT


def test_a_transfer_that_broke_off_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.breaks = 2
    done = fetch(server, tmp_path / "bundle")
    assert done.returncode == 0, done.stderr
    assert server.ranges == ("", "bytes=1000000-", "bytes=2000000-")
    assert (tmp_path / "bundle").read_bytes() == CONTENT
    assert "word" not in done.stderr, "who reads the log must not be able to fetch the bundle"


def test_another_bundle_than_the_one_that_was_meant_is_thrown_away(server: Server, tmp_path: Path) -> None:
    done = fetch(server, tmp_path / "bundle", "ab" * 32)
    assert done.returncode == 1
    assert f"is not the bundle that was meant: its SHA-256 is {SHA256}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_expired_address_is_one_sentence_and_a_remedy_at_once(server: Server, tmp_path: Path) -> None:
    server.code = 403
    done = fetch(server, tmp_path / "bundle")
    assert (done.returncode, len(server.ranges)) == (1, 1)
    assert "/lab.tar.zst cannot be fetched: HTTP Error 403" in done.stderr
    assert "remedy: an expired address: put a new one into /etc/iotlab/stages/60-bundle.env" in done.stderr
    assert "word" not in done.stderr
