"""Whether a file that a person named can be written, asked before the work that fills it."""

from __future__ import annotations

import os
from pathlib import Path

from infra.lab.errors import UserError


def check_place(file: Path) -> None:
    """Refuse now, not after minutes of work, a file that can't be written.

    Raises:
        UserError: why it cannot be, and what to name instead.
    """
    folder = file.parent
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder} to write {file.name} into; make it, or name a file elsewhere.")
    if file.is_dir():
        raise UserError(f"{file} is a folder; name a file in it, as in {file / 'lab.out'}.")
    if file.exists() and not file.is_file():
        raise UserError(f"{file} is no file but a device or a pipe; name a file.")
    if not os.access(folder, os.W_OK) or (file.exists() and not os.access(file, os.W_OK)):
        raise UserError(f"{file} cannot be written by this user; name a file in a folder of yours.")
