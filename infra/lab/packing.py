"""What a lab is made of as files: toolchain and images in one archive, or the images alone."""

from __future__ import annotations

from pathlib import Path

from infra.lab import upstream
from infra.lab.bundle import Exported, Manifest, checkout, export_archive, handout, import_archive, wheels
from infra.lab.bundle.lean import lean
from infra.lab.bundle.upstream import UPSTREAM, Upstream
from infra.lab.console import console
from infra.lab.lab import Lab
from infra.lab.paths import ROOT
from infra.lab.places import check_place
from infra.lab.toolchain import parts


def take_bundle(lab: Lab, source: str) -> None:
    """Take toolchain and images from an archive, a file or a URL, into the cache."""
    import_archive(source, lab.toolchain, lab.paths, lab.steps)


def _brought(lab: Lab) -> list[tuple[Upstream, Manifest]]:
    """The publishers' images of this stack, as far as they can be had."""
    asked = [image for image in UPSTREAM if image.name in lab.settings.asked]
    return [(image, found) for image in asked if (found := upstream.archived(lab, image))]


def export_bundle(lab: Lab, file: Path, *, only_needed: bool = False) -> Exported:
    """Write toolchain and images, all or those that this stack needs, into one archive, making what is missing first."""
    check_place(file)
    bundle = lab.bundle if only_needed else lab.whole_bundle
    bundle.check()
    lab.toolchain.ensure()
    manifest = lean(bundle) if only_needed else bundle.ensure()
    brought = [found for _, found in _brought(lab)]
    packages = wheels.wheels(lab.paths, lab.steps)
    if only_needed:
        packages = wheels.lean(packages)
    first = {
        f"{wheels.FOLDER}/{packages.name}": packages,
        checkout.FOLDER: checkout.copied(lab.paths),
    }  # the door takes the packages
    written = export_archive(lab.toolchain, manifest, first, lab.steps, file, brought)
    for line in next_steps(written.file, written.size, written.sha256):
        console.print(line, soft_wrap=True, markup=False)
    return written


def next_steps(file: Path, size: int, sha256: str) -> list[str]:
    """What a person does with an archive: a machine without a network, machines in the cloud, a stick for any other."""
    named = file.absolute()
    place = named.relative_to(ROOT) if named.is_relative_to(ROOT) else named
    stick = f"file:///run/iotlab/stick/{file.name}#sha256={sha256}"
    return [
        f"{file} has {size / 1e6:,.0f} MB and the SHA-256 {sha256}.",
        f"  On a machine without a network:   ./lab up --bundle {file.name}#sha256={sha256}",
        f"  For machines in the cloud:        bundle: {place}   (under iotlab:cloud of the stack's file; up stores it)",
        f"  On a stick with the label IOTLAB: ./lab cloud-init render -s s --bundle-url '{stick}' --out user-data",
    ]


def write_images(lab: Lab, file: Path) -> None:
    """Write the images alone into one file, for a cluster's own tools."""
    check_place(file)
    lab.bundle.check()
    if not Manifest.read(lab.bundle.folder):
        lab.toolchain.ensure(parts.DEBIAN.name)
    brought = _brought(lab)
    with lab.steps.step("Archive of the images"):
        size = handout.write_images(lab.bundle.ensure(), file, brought)
    console.print(f"{file} has {size / 1e6:.0f} MB. Into a cluster: kind load image-archive {file}", soft_wrap=True)
    console.print(f"  or: microk8s images import < {file}   or: docker load -i {file}", soft_wrap=True)
