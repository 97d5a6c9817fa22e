"""Services whose image only its publisher makes: run where it can be had, left out in one sentence where not.

The lab's own cluster has no way out, so its images lie in an archive: from a bundle, or fetched from the registry. A given
cluster gets what is archived through `iotlab:registry`, if it has one, and pulls for itself otherwise; a registry that answers
here is taken for one that answers there. What was found is remembered in the stack's private file until the next `up`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from rich.markup import escape

from infra.lab.bundle import Manifest
from infra.lab.bundle.upstream import UPSTREAM, Upstream, fetch, kept, reached, resolved
from infra.lab.console import console
from infra.lab.errors import LabError
from infra.lab.sending import send
from infra.settings import Settings

if TYPE_CHECKING:
    from infra.lab.lab import Lab

NOBODY = "no container registry answers and no bundle brings it"


def sentence(image: Upstream, why: str = NOBODY) -> str:
    """What is missing in this lab, and why."""
    return f"{image.name} is left out: its image {image.reference} cannot be had from here ({why})"


def left_out(settings: Settings) -> dict[str, str]:
    """Service -> sentence, for each that the stack names and that does not run."""
    return {image.name: sentence(image) for image in UPSTREAM if image.name in settings.left_out}


def bring(lab: Lab) -> None:
    """Find the upstream images of this stack; from here on the lab's settings know which of their services run."""
    find = _for_own_cluster if lab.embedded else _for_given_cluster
    found = {image.name: find(lab, image) for image in UPSTREAM if image.name in lab.settings.asked}
    lab.settings = lab.settings.with_images({name: reference for name, reference in found.items() if reference})


def archived(lab: Lab, image: Upstream) -> Manifest | None:
    """The image as an archive, fetched if it has to be; None if it can't be had."""
    there = kept(image, lab.paths)
    if there or reached(image) is None:
        return there
    try:
        with lab.steps.step(f"Image {image.name}, from {image.registry}"):
            return fetch(image, lab.paths)
    except LabError as failed:
        console.print(f"  [yellow]{escape(sentence(image, str(failed).rstrip('.')))}[/]", soft_wrap=True)
        return None


def _for_own_cluster(lab: Lab, image: Upstream) -> str | None:
    in_cluster = None if kept(image, lab.paths) else _in_cluster(lab, image)
    if in_cluster:
        return in_cluster
    manifest = archived(lab, image)
    if manifest is None:
        return None
    lab.cluster.load_images(manifest.archive)
    return image.exact(manifest.image(image.name).digest)


def _for_given_cluster(lab: Lab, image: Upstream) -> str | None:
    brought = kept(image, lab.paths)
    if brought and lab.registry:
        send(lab, brought, lab.registry, f"Image {image.name}")
        return lab.registry.reference(image.name, brought.image(image.name).digest)
    in_cluster = _in_cluster(lab, image)
    if in_cluster:
        return in_cluster
    session = reached(image)
    return resolved(image, session) if session else None


def _in_cluster(lab: Lab, image: Upstream) -> str | None:
    """The reference by digest of an image that a node lists; it tells of its images up to a minute late."""
    with suppress(LabError):
        for node in lab.kube.get("nodes")["items"]:
            for listed in node["status"].get("images") or ():
                names: list[str] = listed.get("names") or []
                if image.reference in names:
                    return next((name for name in names if name.startswith(image.exact(""))), image.reference)
    return None
