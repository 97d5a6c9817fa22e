"""What a lab is made of as files: toolchain and images in one archive, or the images alone."""

from __future__ import annotations

from pathlib import Path

from infra.lab.bundle import Manifest, export_archive, handout, import_archive
from infra.lab.bundle.wheels import wheels
from infra.lab.console import console
from infra.lab.lab import Lab
from infra.lab.toolchain import parts


def take_bundle(lab: Lab, source: str) -> None:
    """Take toolchain and images from an archive, a file or a URL."""
    import_archive(source, lab.toolchain, lab.paths, lab.steps)


def export_bundle(lab: Lab, file: Path) -> None:
    """Write toolchain and images into one archive, making what is missing first."""
    lab.toolchain.ensure()
    written = export_archive(lab.toolchain, lab.bundle.ensure(), wheels(lab.paths, lab.steps), lab.steps, file)
    console.print(f"{written.file} has {written.size / 1e6:.0f} MB. On another machine:", soft_wrap=True)
    console.print(f"  ./lab up --bundle {written.file.name}#sha256={written.sha256}", soft_wrap=True)


def write_images(lab: Lab, file: Path) -> None:
    """Write the images alone into one file, for a cluster's own tools."""
    if not Manifest.read(lab.bundle.folder):
        lab.toolchain.ensure(parts.DEBIAN.name)
    with lab.steps.step("Archive of the images"):
        size = handout.write_images(lab.bundle.ensure(), file)
    console.print(f"{file} has {size / 1e6:.0f} MB. Into a cluster: kind load image-archive {file}", soft_wrap=True)
    console.print(f"  or: microk8s images import < {file}   or: docker load -i {file}", soft_wrap=True)
