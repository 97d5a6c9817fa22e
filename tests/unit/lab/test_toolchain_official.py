"""Official downloads: verified, or not used."""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from email.message import Message
from pathlib import Path
from typing import IO
from urllib.error import HTTPError

import pytest

from infra.lab.errors import LabError
from infra.lab.toolchain.official import SEALED, Download, Publishers, expected_sha256, open_https

HASH = "ab" * 32
PROGRAM = b"\x7fELF program"


def archive(members: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


class Web:
    """Answers for some URLs; nobody is there for the others."""

    def __init__(self, pages: Mapping[str, bytes]) -> None:
        self.pages = pages
        self.asked: list[str] = []

    def __call__(self, url: str, timeout_s: float) -> IO[bytes]:
        self.asked.append(url)
        assert timeout_s <= 5
        if url not in self.pages:
            raise TimeoutError("nobody answers")
        return io.BytesIO(self.pages[url])


PACKED = archive({"linux-amd64/tool": PROGRAM, "linux-amd64/README": b"read me"})
TOOL = Download("1.0", "https://tool.example/tool.tar.gz", "https://tool.example/SHA256SUMS", {"linux-amd64/tool": "tool"})
BARE = Download("1.0", "https://tool.example/bare", "https://tool.example/bare.sha256")
PAGES = {
    TOOL.url: PACKED,
    TOOL.checksums: f"{'0' * 64}  other.tar.gz\n{hashlib.sha256(PACKED).hexdigest()}  ./tool.tar.gz\n".encode(),
    BARE.url: PROGRAM,
    BARE.checksums: hashlib.sha256(PROGRAM).hexdigest().encode(),
}


@pytest.fixture(autouse=True)
def _open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SEALED, raising=False)


def test_programs_come_out_of_archives_and_bare_files(tmp_path: Path) -> None:
    sources = Publishers(Web(PAGES)).make((TOOL, BARE), tmp_path)
    assert sources is not None
    assert [source.name for source in sources] == ["tool.tar.gz", "bare"]
    for name in ("tool", "bare"):
        assert (tmp_path / "bin" / name).read_bytes() == PROGRAM
        assert (tmp_path / "bin" / name).stat().st_mode & 0o777 == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


def test_a_file_that_is_not_what_its_publisher_says_is_refused(tmp_path: Path) -> None:
    web = Web(PAGES | {TOOL.url: PACKED[:-1]})
    with pytest.raises(
        LabError, match=r"tool.tar.gz has the SHA-256 .* checksums say .* run ./lab up again, or set IOTLAB_SEALED=1"
    ):
        Publishers(web).make((TOOL,), tmp_path)
    assert list((tmp_path / "bin").iterdir()) == []


def test_a_silent_publisher_is_asked_once_and_a_package_does(tmp_path: Path) -> None:
    web = Web({})
    publishers = Publishers(web)
    assert publishers.make((TOOL,), tmp_path) is None
    assert publishers.make((BARE,), tmp_path) is None
    assert web.asked == [TOOL.checksums]


def test_a_publisher_that_does_not_name_the_file_is_not_trusted(tmp_path: Path) -> None:
    assert Publishers(Web(PAGES | {TOOL.checksums: b"<html>moved</html>\n"})).make((TOOL,), tmp_path) is None


def test_a_release_that_is_not_there_does_not_silence_its_publisher(tmp_path: Path) -> None:
    class Moved(Web):
        def __call__(self, url: str, timeout_s: float) -> IO[bytes]:
            if url == TOOL.checksums:
                raise HTTPError(url, 404, "Not Found", Message(), None)
            return super().__call__(url, timeout_s)

    publishers = Publishers(Moved(PAGES))
    assert publishers.make((TOOL,), tmp_path) is None
    assert publishers.make((BARE,), tmp_path) is not None


def test_a_sealed_lab_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SEALED, "1")
    web = Web(PAGES)
    assert Publishers(web).make((TOOL,), tmp_path) is None
    assert web.asked == []


def test_an_archive_without_the_program_is_refused_with_a_way_out(tmp_path: Path) -> None:
    other = archive({"elsewhere/tool": PROGRAM})
    web = Web({TOOL.url: other, TOOL.checksums: f"{hashlib.sha256(other).hexdigest()}  tool.tar.gz".encode()})
    with pytest.raises(LabError, match="has no file linux-amd64/tool; set IOTLAB_SEALED=1"):
        Publishers(web).make((TOOL,), tmp_path)


def test_only_https_is_opened() -> None:
    with pytest.raises(LabError, match="is not https"):
        open_https("http://tool.example/tool", 1.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{HASH.upper()}\n", HASH),
        (f"{HASH}  tool.tar.gz\n", HASH),
        (f"{HASH} *tool.tar.gz\n", HASH),
        (f"{'c' * 64}  other\n{HASH}  ./build/tool.tar.gz\n", HASH),
        (f"{HASH}  other\n", None),
        ("<html>\n", None),
        ("", None),
    ],
)
def test_checksum_files_of_all_publishers_are_understood(text: str, expected: str | None) -> None:
    assert expected_sha256(text, "tool.tar.gz") == expected
