"""The publishers' own downloads, tried before a package recipe, and given up fast where they can't be reached.

Every file is checked against the publisher's checksum file of the same release, fetched over TLS.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import IO, Protocol
from urllib.error import HTTPError
from urllib.parse import urlsplit

from infra.lab.errors import LabError
from infra.lab.toolchain.store import Source

SEALED = "IOTLAB_SEALED"
PATIENCE_S = 5.0  # for a connection, and for the next bytes of one that stalls
BLOCK = 1 << 20
SHA256 = re.compile(r"[0-9A-Fa-f]{64}")


class UnfitError(Exception):
    """The publisher answers, but not with what is needed."""


class Opener(Protocol):
    """Opens a URL for reading."""

    def __call__(self, url: str, timeout_s: float) -> IO[bytes]:
        """Raises OSError where nobody answers."""
        ...


def open_https(url: str, timeout_s: float) -> IO[bytes]:
    """Open an https URL; honours the usual proxy variables."""
    if urlsplit(url).scheme != "https":
        raise LabError(f"{url} is not https: an official download must be.")
    opened: IO[bytes] = urllib.request.build_opener().open(url, timeout=timeout_s)
    return opened


@dataclass(frozen=True, slots=True)
class Download:
    """A released file: an archive with `members` (path in it -> program), or, without any, the program itself."""

    version: str
    url: str
    checksums: str
    members: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name, as checksum files spell it."""
        return Path(urlsplit(self.url).path).name

    @property
    def host(self) -> str:
        """Who serves it."""
        return urlsplit(self.url).netloc


def expected_sha256(checksums: str, name: str) -> str | None:
    """The hash of the file `name` in a checksum file: lines `hash  name`, or one bare hash."""
    lines = [line.split() for line in checksums.splitlines() if line.strip()]
    bare = len(lines) == 1 and len(lines[0]) == 1
    for words in lines:
        if SHA256.fullmatch(words[0]) and (bare or Path(words[-1].lstrip("*")).name == name):
            return words[0].lower()
    return None


class Publishers:
    """Fetches official files; a host that was silent once is not asked again in this run."""

    def __init__(self, opener: Opener = open_https) -> None:
        """`opener` is what reaches the network."""
        self._opener = opener
        self._silent: set[str] = set()

    def make(self, downloads: tuple[Download, ...], into: Path) -> tuple[Source, ...] | None:
        """Put all programs of `downloads` into `into/bin`; None where they can't be had and a recipe must do.

        Raises:
            LabError: a file came, but isn't what its publisher's checksums say.
        """
        if not downloads or os.environ.get(SEALED) == "1":
            return None
        if any(download.host in self._silent for download in downloads):
            return None
        (into / "bin").mkdir(parents=True, exist_ok=True)
        sources = []
        for download in downloads:
            try:
                sources.append(self._fetch(download, into))
            except (UnfitError, HTTPError):
                return None
            except (OSError, HTTPException):
                self._silent.add(download.host)
                return None
        return tuple(sources)

    def _fetch(self, download: Download, into: Path) -> Source:
        with self._opener(download.checksums, PATIENCE_S) as answer:
            expected = expected_sha256(answer.read(BLOCK).decode(errors="replace"), download.name)
        if expected is None:
            raise UnfitError(f"{download.checksums} does not name {download.name}")
        fetched = into / download.name
        digest = hashlib.sha256()
        with self._opener(download.url, PATIENCE_S) as answer, fetched.open("wb") as output:
            while block := answer.read(BLOCK):
                digest.update(block)
                output.write(block)
        if digest.hexdigest() != expected:
            raise LabError(
                f"{download.url} has the SHA-256 {digest.hexdigest()}, its publisher's checksums say {expected}: "
                f"it was cut short or is not genuine; run ./lab up again, or set {SEALED}=1 to build from packages."
            )
        _unpack(download, fetched, into / "bin")
        return Source(download.name, download.version, expected)


def _unpack(download: Download, fetched: Path, programs: Path) -> None:
    if not download.members:
        fetched.replace(programs / download.name)
        (programs / download.name).chmod(0o755)
        return
    with tarfile.open(fetched) as archive:
        names = set(archive.getnames())
        for member, program in download.members.items():
            data = archive.extractfile(member) if member in names else None
            if data is None:
                raise LabError(f"{download.url} has no file {member}; set {SEALED}=1 to build from packages.")
            with data, (programs / program).open("wb") as output:
                while block := data.read(BLOCK):
                    output.write(block)
            (programs / program).chmod(0o755)
    fetched.unlink()
