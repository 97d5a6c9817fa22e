"""What stands in an image. Run as a process of its own, so that its mount is gone with it, however it ends."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from infra.lab.bundle.manifest import Package

DPKG_STATUS = "var/lib/dpkg/status"
JAR = re.compile(r"(?P<name>.+?)-(?P<version>\d[\w.+-]*)\.jar")
FIELD = re.compile(r"(Package|Version|Status): ")


def inventory(tree: Path) -> Iterator[Package]:
    """Debian packages, jars, npm and Python packages of a file tree."""
    status = tree / DPKG_STATUS
    if status.exists():
        for stanza in status.read_text(errors="replace").split("\n\n"):
            fields = dict(line.split(": ", 1) for line in stanza.splitlines() if FIELD.match(line))
            if fields.get("Status", "").endswith(" installed"):
                yield Package("deb", fields["Package"], fields["Version"])
    for jar in sorted(tree.glob("opt/*/libs/*.jar")):
        if found := JAR.fullmatch(jar.name):
            yield Package("jar", found["name"], found["version"])
    for lock in sorted(tree.glob("opt/*/node_modules/.package-lock.json")):
        for path, package in json.loads(lock.read_text())["packages"].items():
            yield Package("npm", path.rpartition("node_modules/")[2], package["version"])
    for folder in sorted(tree.glob("usr/local/lib/python3*/dist-packages/*.dist-info")):
        name, _, version = folder.name.removesuffix(".dist-info").rpartition("-")
        yield Package("pypi", name, version)


def _ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main(buildah: str, image: str) -> None:
    """Print one JSON object: the packages of `image`, and dpkg's own list as text."""
    container = _ask(buildah, "from", "--pull-never", image)
    try:
        tree = Path(_ask(buildah, "mount", container))
        status = tree / DPKG_STATUS  # an image of one program has none
        debs = status.read_text() if status.exists() else ""
        told = {"packages": [asdict(package) for package in inventory(tree)], "status": debs}
        _ask(buildah, "umount", container)
    finally:
        _ask(buildah, "rm", container)
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
