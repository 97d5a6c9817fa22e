"""Images on their way to the registry that a given cluster pulls from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.lab.bundle import Manifest
from infra.lab.bundle.credentials import login_for
from infra.lab.bundle.push import Registry
from infra.lab.console import console
from infra.registries import RegistryAddress

if TYPE_CHECKING:
    from infra.lab.lab import Lab


def send(lab: Lab, manifest: Manifest, address: RegistryAddress, what: str = "Images") -> None:
    """Bring the images to the registry and say how much went there."""
    with lab.steps.step(f"{what} to {address.host}"):
        done = Registry(address, login_for(address.host)).push(manifest)
    if done.sent:
        console.print(f"  {done.sent} files sent, {done.sent_bytes / 1e6:.0f} MB; {done.there} were there")
