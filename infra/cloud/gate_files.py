"""Lays files down as root: the gate sends this program's text to a machine, which runs it with its own Python.

Standard input is one JSON object: `files` as in cloud-init's write_files, and `look`, which changes nothing. Each file is
replaced as a whole, and only if it differs. Stages that the machine shall not have any more are taken away. Python's own library
only.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STAGES = ("usr/local/lib/iotlab/stages", "etc/iotlab/stages")  # nothing else lies there
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def differs(place: Path, content: bytes, mode: int) -> bool:
    """Whether the file is not there as it shall be."""
    try:
        return place.is_symlink() or place.stat().st_mode & 0o777 != mode or place.read_bytes() != content
    except OSError:
        return True


def replace(place: Path, content: bytes, mode: int) -> None:
    """Put the whole file in the place of the old one."""
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch = place.with_name(f".{place.name}.new")
    try:
        with scratch.open("wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(place)
    finally:
        scratch.unlink(missing_ok=True)


def left_over(root: Path, wanted: set[Path]) -> Iterator[Path]:
    """Stages of an earlier time."""
    for folder in STAGES:
        yield from (file for file in sorted((root / folder).glob("*")) if file not in wanted)


def bring(root: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Do it; which paths were changed (or would be), and where the disk was full."""
    changed: list[str] = []
    places = {root / entry["path"].lstrip("/"): entry for entry in asked["files"]}
    for place, entry in places.items():
        content, mode = entry["content"].encode(), int(entry["permissions"], 8)
        if not differs(place, content, mode):
            continue
        try:
            if not asked["look"]:
                replace(place, content, mode)
        except OSError as failed:
            if failed.errno not in FULL:
                raise
            return {"changed": changed, "full": entry["path"]}
        changed.append(entry["path"])
    for file in left_over(root, set(places)):
        if not asked["look"]:
            file.unlink()
        changed.append(f"/{file.relative_to(root)}")
    return {"changed": changed, "full": ""}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(bring(Path(os.environ.get("LAB_STAGE_ROOT") or "/"), json.load(sys.stdin))))
