"""Builds and pushes an image as docs/howto/registry.md says, with storage and login in a folder of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from infra import accounts
from tests.support import tools

CONTAINERFILE = 'FROM scratch\nCOPY pause /pause\nUSER 65532:65532\nENTRYPOINT ["/pause"]\n'


class Student:
    """Somebody with buildah; what it mounts is in a mount namespace that ends with each command."""

    def __init__(self, folder: Path, registry: str) -> None:
        """`registry` is host and port."""
        self._folder = folder
        self._registry = registry
        self._login = ["--authfile", str(folder / "auth.json"), "--tls-verify=false"]

    def _buildah(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        storage = ["--root", str(self._folder / "storage"), "--runroot", str(self._folder / "run")]
        command = ["unshare", "--mount", str(tools.program("buildah")), *storage, *words]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)

    def build(self, image: str) -> None:
        """An image whose one program waits until it is told to end."""
        folder = self._folder / "hello"
        folder.mkdir()
        shutil.copy(tools.program("pause"), folder / "pause")
        (folder / "Containerfile").write_text(CONTAINERFILE)
        done = self._buildah("build", "--tag", f"{self._registry}/{image}", str(folder))
        assert done.returncode == 0, done.stderr

    def log_in(self, password: str) -> str:
        """Returns the error, empty if the registry lets one in; the password goes through a pipe."""
        words = ("login", *self._login, "--username", accounts.REGISTRY_USER, "--password-stdin", self._registry)
        done = self._buildah(*words, stdin=password)
        return done.stderr if done.returncode else ""

    def push(self, image: str) -> str:
        """Returns the error, empty if it was taken."""
        done = self._buildah("push", *self._login, f"{self._registry}/{image}")
        return done.stderr if done.returncode else ""
