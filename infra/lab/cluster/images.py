"""Images into the cluster's containerd, from OCI archives."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Collection, Mapping
from pathlib import Path

from infra.lab.cluster.layout import CONTAINERD_SOCKET
from infra.lab.cluster.static_image import NAME
from infra.lab.errors import LabError, last_line


def archive_index(archive: Path) -> dict[str, str]:
    """The images of an OCI archive: name to digest (`sha256:…`).

    Raises:
        LabError: it is no OCI archive, or an image in it has no name.
    """
    try:
        with tarfile.open(archive) as packed:
            file = packed.extractfile("index.json")
            heads = json.load(file)["manifests"] if file else []
        return {head["annotations"][NAME]: head["digest"] for head in heads}
    except (OSError, KeyError, ValueError, tarfile.TarError) as broken:
        raise LabError(f"{archive} is no OCI archive with named images ({broken}); build it again.") from broken


def _repository(name: str) -> str:
    return name.split("@", 1)[0] if "@" in name else name.rsplit(":", 1)[0]


def _exact(name: str, digest: str) -> str:
    return f"{_repository(name)}@{digest}"


def stale(present: Mapping[str, str], used: Collection[str], wanted: Mapping[str, str]) -> list[str]:
    """The names that `wanted` has replaced: same repository, another digest, and no container made of it.

    Kubelet is told never to collect images (it would delete what no registry can bring back), so this does it.
    """
    repositories = {_repository(name) for name in wanted}
    kept = set(wanted.values()) | {present[name] for name in used if name in present}
    old = {digest for name, digest in present.items() if _repository(name) in repositories} - kept
    return sorted(name for name, digest in present.items() if digest in old)  # the bare ids that kubelet's side adds, too


class ImageStore:
    """The images of a running cluster, reached in its namespaces."""

    def __init__(self, init_pid: int, ctr: Path) -> None:
        """`init_pid` is the cluster's first process as this machine sees it."""
        enter = ["nsenter", "--target", str(init_pid), "--mount", "--net", "--"]
        self._ctr = [*enter, str(ctr), "--address", str(CONTAINERD_SOCKET), "--namespace", "k8s.io"]

    def _run(self, *words: str, archive: Path | None = None) -> str:
        with (archive or Path("/dev/null")).open("rb") as source:
            done = subprocess.run([*self._ctr, *words], stdin=source, capture_output=True, check=False)
        if done.returncode:
            raise LabError(f"containerd refused «{words[0]} {words[1]}»: {last_line(done.stderr.decode(errors='replace'))}")
        return done.stdout.decode()

    def present(self) -> dict[str, str]:
        """What is there: name to digest."""
        rows = [row.split() for row in self._run("images", "list").splitlines()[1:]]
        return {row[0]: row[2] for row in rows}

    def _used(self) -> set[str]:
        rows = [row.split() for row in self._run("containers", "list").splitlines()[1:]]
        return {row[1] for row in rows}

    def missing(self, archive: Path) -> dict[str, str]:
        """The names in the archive that aren't there with that digest; each image is also known as repository@digest."""
        have = self.present()
        wanted = archive_index(archive)
        wanted |= {_exact(name, digest): digest for name, digest in wanted.items()}
        return {name: digest for name, digest in wanted.items() if have.get(name) != digest}

    def load(self, archive: Path) -> None:
        """Load what isn't there yet, and remove what it replaces as far as nothing runs of it."""
        new = self.missing(archive)
        if not new:
            return
        self._run("images", "import", "-", archive=archive)
        for name, digest in archive_index(archive).items():
            if _exact(name, digest) in new:
                self._run("images", "tag", "--force", name, _exact(name, digest))
        if gone := stale(self.present(), self._used(), archive_index(archive)):
            self._run("images", "remove", *gone)
