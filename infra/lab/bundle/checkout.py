"""The checkout in the bundle: a machine that has nothing but the bundle gets the lab command, charts and apps out of it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from infra.lab.errors import LabError
from infra.lab.paths import ROOT, Paths

FOLDER = "checkout"  # in the bundle; cloud-init/scripts/60-bundle.sh knows it, too
MADE = {".git", ".venv", "artefacts", "rendered", "node_modules", "__pycache__"}  # in a checkout that came without git


def _names(root: Path) -> Iterator[Path]:
    """The checkout's files: what git keeps (others may be anybody's) or, where it came from a bundle, all but what was made."""
    if (root / ".git").exists():
        words = ["git", "-C", str(root), "ls-files", "-z"]
        try:
            said = subprocess.run(words, capture_output=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError) as failed:
            raise LabError(f"git cannot say which files {root} has ({failed}); install git, or mend the checkout.") from failed
        yield from (Path(name.decode()) for name in said.split(b"\0") if name)
        return
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if not MADE & set(name.parts) and not name.parts[0].endswith("_cache") and (path.is_symlink() or path.is_file()):
            yield name


def copied(paths: Paths, root: Path = ROOT) -> Path:
    """A folder with the checkout as it is now, without what was made in it."""
    folder = paths.cache / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in _names(root):
        if (root / name).is_symlink() or (root / name).is_file():  # git still names what was deleted
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name, follow_symlinks=False)
    return folder
