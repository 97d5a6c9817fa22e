"""`./lab bundle`: the archive, its images, and its address in a stack's store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.lab.cloud_init import PIPE
from infra.lab.clouds.address import MOST_HOURS, show_address
from infra.lab.lab import LOCAL, Lab
from infra.lab.options import StackName
from infra.lab.packing import export_bundle, take_bundle, write_images

bundle_app = typer.Typer(help="One archive with toolchain, binaries and images.", no_args_is_help=True)


@bundle_app.command("take", epilog="Example: ./lab bundle take lab.tar.zst, then ./lab up without the file")
def take(source: Annotated[str, typer.Argument(help="The archive: a file or a URL.")], stack: StackName = LOCAL) -> None:
    """Take Python packages, toolchain and images from an archive into the cache, and start nothing."""
    lab = Lab(stack)
    with lab.lock():
        take_bundle(lab, source)


@bundle_app.command("images", epilog="Example: ./lab bundle images images.tar && kind load image-archive images.tar")
def images(file: Annotated[Path, typer.Argument(help="Where to write the archive.")], stack: StackName = LOCAL) -> None:
    """Write the images alone, for `kind load image-archive`, `microk8s images import` or `docker load`."""
    lab = Lab(stack)
    with lab.lock():
        write_images(lab, file)


@bundle_app.command(
    "export", epilog="Examples: ./lab bundle export lab.tar.zst  ·  ./lab bundle export s.tar.zst -s s --only-needed"
)
def export(
    file: Annotated[Path, typer.Argument(help="Where to write the archive.")],
    stack: StackName = LOCAL,
    only_needed: Annotated[
        bool, typer.Option("--only-needed", help="Leave out other stacks' images and what tests need.")
    ] = False,
) -> None:
    """Write the archive for `./lab up --bundle FILE` on a machine without a network, and for the cloud's machines."""
    lab = Lab(stack)
    with lab.lock():
        export_bundle(lab, file, only_needed=only_needed)


@bundle_app.command("address", epilog=f"Example: {PIPE}")
def address(
    stack: StackName = "s",
    hours: Annotated[int, typer.Option(min=1, max=MOST_HOURS, help="How long it opens the bundle.")] = 24,
) -> None:
    """Print an expiring https address of the bundle in the stack's store, with its hash; whoever has it can read the bundle."""
    show_address(Lab(stack), hours)
