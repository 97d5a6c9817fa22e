"""`./lab cloud-init render`: a machine's user data as one file, for any cloud, for MAAS, or for a VM on a laptop."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from infra.cloud import user_data
from infra.cloud.facts import Bundle, MachineFacts
from infra.cloud.told import facts_of
from infra.lab.cluster.pki import write_private
from infra.lab.console import console
from infra.lab.errors import UserError
from infra.lab.options import StackName
from infra.lab.places import check_place
from infra.lab.stack import settings_of
from infra.settings import Settings, SettingsError

NEEDED = {"owner": "who answers for it", "expires": "the day on which it stops", "sshKeys": "the lines of your public keys"}
STDIN = "-"
PIPE = "./lab bundle address -s s | ./lab cloud-init render -s s --bundle-url - --out user-data"

cloud_init_app = typer.Typer(help="What makes a machine a lab.", no_args_is_help=True)


@cloud_init_app.callback()
def _verbs() -> None:
    """Keep `render` a verb although it is the only one."""


def _bundle(told: str) -> Bundle:
    if told == STDIN and not (told := sys.stdin.readline().strip()):
        raise UserError(f"no address of a bundle came by standard input: {PIPE}")
    url, mark, sha256 = told.partition("#sha256=")
    if not mark:
        place = url.partition("?")[0]
        raise UserError(f"{place} needs the bundle's hash behind it: URL#sha256=…, as ./lab bundle export prints it.")
    return Bundle(url, sha256.lower())


def facts(stack: str, settings: Settings, machine: str, bundle: Bundle) -> MachineFacts:
    """The facts of one machine of a stack, with the bundle from where it is told.

    Raises:
        UserError: the stack has no such machine, or lacks what its user data say.
    """
    cloud = settings.cloud
    if cloud is None:
        raise UserError(f"the stack '{stack}' makes no machines: take one with iotlab:cloud, as in Pulumi.s.yaml.")
    name = machine or settings.machines[0]
    if name not in settings.machines:
        raise UserError(f"the stack '{stack}' has no machine '{name}': it has {', '.join(settings.machines)}.")
    if missing := [f"{key}: {NEEDED[key]}" for key in cloud.unfilled if key in NEEDED]:
        raise UserError(f"fill in under iotlab:cloud of Pulumi.{stack}.yaml: {'; '.join(missing)}.")
    if cloud.expires and cloud.expires <= datetime.now(UTC).date():
        raise UserError(f"iotlab:cloud.expires of Pulumi.{stack}.yaml: {cloud.expires} has come; write a later day.")
    return facts_of(settings, stack, name, bundle)


@cloud_init_app.command(
    epilog=f"Examples: {PIPE}  ·  from a stick with the label IOTLAB: --bundle-url 'file:///run/iotlab/stick/lab.tar.zst#sha256=…'"
)
def render(
    bundle_url: Annotated[
        str,
        typer.Option(
            help="Where the machine gets the bundle, with its hash: URL#sha256=…; - reads it from standard input, as what is "
            "among the arguments is seen by every user of this machine."
        ),
    ],
    stack: StackName = "s",
    machine: Annotated[str, typer.Option(help="Which of iotlab:machines; the first if empty.")] = "",
    out: Annotated[Path | None, typer.Option(help="Where to write it; standard output if left out.")] = None,
) -> None:
    """Write the user data of one machine as a file of its own, to paste into any cloud."""
    if out:
        check_place(out)
    try:
        text = user_data.cloud_config(facts(stack, settings_of(stack), machine, _bundle(bundle_url)))
        size = len(user_data.packed(text))
    except SettingsError as wrong:
        raise UserError(str(wrong)) from wrong
    if out is None:
        typer.echo(text, nl=False)
        return
    write_private(out, text.encode())  # an expiring address opens the bundle to who reads it
    limit = user_data.MOST_BYTES
    console.print(f"{out} has {len(text.encode())} bytes, as gzip {size} of the {limit} that clouds take.", soft_wrap=True)
