"""The lab as one file: Python packages, toolchain and images, each with its hash, for machines without a network or in a hurry.

The first member, bundle.json, names every other file with its SHA-256. A reader unpacks beside the cache, compares all
of them, and only then moves anything into place. Who wants to be sure of the origin gives the hash that the export
printed as `FILE#sha256=…` or `URL#sha256=…`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError

from infra.lab import web
from infra.lab.bundle import images
from infra.lab.bundle.manifest import Manifest
from infra.lab.bundle.upstream import FOLDER as UPSTREAM
from infra.lab.bundle.wheels import FOLDER as WHEELS
from infra.lab.console import Steps
from infra.lab.errors import OF_THE_USER, LabError, UserError
from infra.lab.paths import Paths
from infra.lab.toolchain import Toolchain
from infra.lab.toolchain.store import sha256_of

TABLE = "bundle.json"
FORMAT = 2
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Exported:
    """The file that was written; whoever takes it can check it by its hash."""

    file: Path
    sha256: str
    size: int


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


@contextmanager
def _writing(file: Path) -> Iterator[IO[bytes]]:
    """A stream into `file`: zstd where the machine has it, unless the name says gzip; then gzip at its fastest."""
    simple = file.suffix == ".gz" or not shutil.which("zstd")
    packer = ["gzip", "-1", "-c"] if simple else ["zstd", "-q", "-T0", "-6", "-c"]
    with file.open("wb") as target, subprocess.Popen(packer, stdin=subprocess.PIPE, stdout=target) as packing:
        if packing.stdin is not None:
            yield packing.stdin
            packing.stdin.close()
        if packing.wait():
            raise LabError(f"{packer[0]} could not write {file}: is the disk full?")


def export_archive(
    toolchain: Toolchain,
    manifest: Manifest,
    first: Mapping[str, Path],
    steps: Steps,
    file: Path,
    upstream: Sequence[Manifest] = (),
) -> Exported:
    """Write toolchain and images into `file`, after the folders `first` (place -> folder), which are read before the lab runs.

    `upstream` are the images that the lab doesn't build, an archive each.

    Raises:
        UserError: the file cannot be written there.
        LabError: packing failed.
    """
    if not file.parent.is_dir():
        raise UserError(f"there is no folder {file.parent} to write {file.name} into.")
    folders = dict(first) | {f"parts/{folder.name}": folder for folder in toolchain.folders()}
    folders[f"images/{manifest.folder.name}"] = manifest.folder
    folders |= {f"{UPSTREAM}/{one.folder.name}": one.folder for one in upstream}
    with steps.step("Hashes of the bundle"):
        hashes = {
            f"{place}/{path.relative_to(folder)}": sha256_of(path) for place, folder in folders.items() for path in _files(folder)
        }
    table = _table(manifest.folder.name, hashes)
    scratch = file.with_name(f".{file.name}.new{file.suffix}")
    try:
        with steps.step("Bundle"), _writing(scratch) as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
            head = tarfile.TarInfo(TABLE)
            head.size = len(table)
            tar.addfile(head, BytesIO(table))
            for place, folder in folders.items():
                tar.add(folder, place)
        scratch.replace(file)
    except OSError as failed:
        raise UserError(f"{file} cannot be written: {failed.strerror}.") from failed
    finally:
        scratch.unlink(missing_ok=True)
    return Exported(file, sha256_of(file), file.stat().st_size)


def _table(key: str, hashes: Mapping[str, str]) -> bytes:
    return json.dumps({"format": FORMAT, "checkout": images.bundle_key(), "images": key, "files": hashes}, indent=1).encode()


def import_archive(source: str, toolchain: Toolchain, paths: Paths, steps: Steps) -> Manifest:
    """Take toolchain and images from a file or URL; what the cache has already stays.

    Raises:
        UserError: it isn't there, isn't a bundle, isn't the one that was meant, or is of another checkout.
        LabError: it is damaged.
    """
    place, _, wanted = source.partition("#sha256=")
    paths.cache.mkdir(parents=True, exist_ok=True)
    scratch = paths.cache / ".bundle"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        with steps.step("Bundle: fetch"):
            file = _local(place, scratch)
            if wanted and (found := sha256_of(file)) != wanted.lower():
                raise UserError(f"{place} is not the bundle that was meant: its SHA-256 is {found}.")
        with steps.step("Bundle: unpack and check"):
            _unpack(file, scratch / "tree")
            key = _check(scratch / "tree", place)
        with steps.step("Bundle: take over"):
            toolchain.adopt(scratch / "tree/parts")
            _take_folders(scratch / "tree" / WHEELS, paths.cache / WHEELS)
            _take_folders(scratch / "tree" / UPSTREAM, paths.cache / UPSTREAM)
            return _take_images(scratch / "tree/images" / key, paths)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _local(place: str, scratch: Path) -> Path:
    """The bundle as a file on this machine."""
    try:
        scheme, file = urlsplit(place).scheme, Path(place).expanduser()
    except (ValueError, RuntimeError) as wrong:
        raise UserError(f"{place} is neither a file nor a URL: {wrong}.") from wrong
    if scheme not in {"http", "https"}:
        if not file.is_file():
            raise UserError(f"there is no bundle {file}.")
        return file
    file = scratch / "fetched"
    try:
        answer = web.pool(place).request("GET", place, preload_content=False)
        if answer.status != HTTPStatus.OK:
            raise UserError(f"the bundle {place} cannot be fetched: the server answered {answer.status}.")
        with file.open("wb") as target:
            shutil.copyfileobj(answer, target, CHUNK)
    except (HTTPError, OSError) as failed:
        raise UserError(f"the bundle {place} cannot be fetched: {web.why(failed)}.") from failed
    return file


def _unpack(file: Path, into: Path) -> None:
    with file.open("rb") as content:
        packed_by_zstd = content.read(len(ZSTD_MAGIC)) == ZSTD_MAGIC
    into.mkdir()
    try:
        if not packed_by_zstd:
            with tarfile.open(file, "r:*") as tar:
                _extract(tar, into)
            return
        if not shutil.which("zstd"):
            raise UserError(
                f"{file.name} is packed with zstd, which this machine lacks: apt-get install zstd, or export to a .tar.gz."
            )
        with subprocess.Popen(["zstd", "-q", "-dc", str(file)], stdout=subprocess.PIPE) as unpacking:
            with tarfile.open(fileobj=unpacking.stdout, mode="r|") as tar:
                _extract(tar, into)
            if unpacking.wait():
                raise LabError(f"{file.name} is damaged: fetch the bundle again.")
    except (tarfile.TarError, EOFError, OSError) as broken:
        if isinstance(broken, OSError) and broken.errno in OF_THE_USER:  # no space left is not the file's fault
            raise
        raise UserError(f"{file.name} is no bundle, or only a part of one: {broken}.") from broken


def _extract(tar: tarfile.TarFile, into: Path) -> None:
    # Debian 12's Python 3.11.2 has no filters yet (they came in 3.11.4): a name that leads out is refused here as well.
    tar.extraction_filter = getattr(tarfile, "tar_filter", None)
    for member in tar:
        if member.name.startswith("/") or ".." in Path(member.name).parts:
            raise tarfile.TarError(f"{member.name} leads out of it")
        tar.extract(member, into)


def _check(tree: Path, place: str) -> str:
    """Compare every file with the table; returns the key of the images."""
    try:
        table = json.loads((tree / TABLE).read_text())
        if table["format"] != FORMAT:
            raise UserError(f"{place} has the format {table['format']}; this lab reads {FORMAT}: export it anew.")
        hashes: dict[str, str] = table["files"]
        key, checkout = str(table["images"]), str(table["checkout"])
    except (OSError, ValueError, KeyError, TypeError) as broken:
        raise UserError(f"{place} is no bundle of this lab: it has no valid {TABLE}.") from broken
    if checkout != images.bundle_key():
        raise UserError(
            f"{place} was made from another checkout (images {checkout}, here {images.bundle_key()}): use the one it came from."
        )
    found = {str(path.relative_to(tree)) for path in _files(tree)} - {TABLE}
    wrong = sorted(found ^ set(hashes)) or [name for name in sorted(hashes) if sha256_of(tree / name) != hashes[name]]
    if wrong:
        raise LabError(f"{place} is damaged, first in {wrong[0]}: fetch the bundle again; nothing of it was used.")
    return key


def _take_folders(unpacked: Path, into: Path) -> None:
    """Keep Python packages and upstream images, so that a bundle can be exported again without a network."""
    for folder in unpacked.iterdir() if unpacked.is_dir() else ():
        kept = into / folder.name
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            folder.replace(kept)


def _take_images(unpacked: Path, paths: Paths) -> Manifest:
    folder = paths.cache / "images" / unpacked.name
    if Manifest.read(folder) is None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        unpacked.replace(folder)
    found = Manifest.read(folder)
    if found is None:
        raise LabError("the bundle's images have no valid manifest: export the bundle anew.")
    return found
