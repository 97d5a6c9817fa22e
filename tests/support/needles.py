"""Looks for known texts in files, archives and command lines."""

from __future__ import annotations

import base64
import gzip
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import psutil

CHUNK = 4 << 20
GZIP = b"\x1f\x8b"


class Readable(Protocol):
    """What gives bytes, packed or not."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


@contextmanager
def _unpacked(stream: IO[bytes]) -> Iterator[Readable]:
    packed = stream.read(2) == GZIP
    stream.seek(0)
    if packed:
        with gzip.GzipFile(fileobj=stream) as unpacked:
            yield unpacked
    else:
        yield stream


class Needles:
    """Texts that must be nowhere, plain or in base64; found ones are told by their names alone."""

    def __init__(self, named: dict[str, str]) -> None:
        """`named` are the texts by the names that a failing test may print."""
        self._bytes = {name: (text.encode(), base64.b64encode(text.encode())) for name, text in named.items()}
        self._longest = max(len(form) for forms in self._bytes.values() for form in forms)

    def within(self, content: bytes) -> set[str]:
        """The names of those in `content`."""
        return {name for name, forms in self._bytes.items() if any(form in content for form in forms)}

    def _in_stream(self, stream: Readable) -> set[str]:
        found: set[str] = set()
        kept = b""
        while chunk := stream.read(CHUNK):
            found |= self.within(kept + chunk)
            kept = chunk[-self._longest :]
        return found

    def in_folder(self, folder: Path) -> list[str]:
        """`file: name` for every find below `folder`; packed files are unpacked."""
        return [hit for path in sorted(folder.rglob("*")) if path.is_file() for hit in self._in_file(path)]

    def _in_file(self, path: Path) -> Iterator[str]:
        with path.open("rb") as file, _unpacked(file) as stream:
            yield from (f"{path}: {name}" for name in self._in_stream(stream))

    def in_images(self, archive: Path) -> list[str]:
        """`blob: name` for every find in the layers of an OCI archive."""
        found = []
        with tarfile.open(archive) as tar:
            for member in tar:
                blob = tar.extractfile(member)
                if blob:
                    with _unpacked(blob) as stream:
                        found += [f"{member.name}: {name}" for name in self._in_stream(stream)]
        return found

    def in_command_lines(self) -> list[str]:
        """`program: name` for every find in the words that a process of this machine was started with."""
        return [f"{name}: {hit}" for name, words in _commands() for hit in self.within(words)]


def _commands() -> Iterable[tuple[str, bytes]]:
    for process in psutil.process_iter(["name", "cmdline"]):
        yield process.info["name"], " ".join(process.info["cmdline"] or ()).encode()
