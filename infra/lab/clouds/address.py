"""`./lab bundle address`: an https address of the stored bundle that expires, for machines that no profile opens the store to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import typer

from infra.cloud.bundle_store import StoredBundle
from infra.lab.clouds.account import Account
from infra.lab.clouds.through import made_now, refused
from infra.lab.console import console
from infra.lab.errors import UserError
from infra.lab.lab import Lab

MOST_HOURS = 168  # AWS signs for a week at most


def show_address(lab: Lab, hours: int) -> None:
    """Print the address alone on standard output, what it is on standard error.

    Raises:
        UserError: there is no such bundle in the store, or no login to sign with.
    """
    account = Account(lab.cloud.region)
    if not lab.cloud.bundle:
        raise UserError(f"Pulumi.{lab.stack_name}.yaml: iotlab:cloud.bundle names no bundle.")
    with refused(lab):
        bundle = StoredBundle.of(lab.cloud.bundle)
    made = made_now(lab)
    account.payer(made.account, made.region)
    size = account.has(made.bucket, bundle.key) if made.bucket else None
    if size is None:
        raise UserError(
            f"the store of the stack '{lab.stack_name}' has no bundle {bundle.sha256[:16]}…: ./lab up -s {lab.stack_name} puts "
            "it there."
        )
    ends = datetime.now(UTC) + timedelta(hours=hours)
    url = account.signed(made.bucket, bundle.key, hours * 3600)
    console.print(
        f"A secret: until {ends:%Y-%m-%d %H:%M} UTC this address opens the bundle ({size / 1e6:,.0f} MB) to whoever has it.",
        soft_wrap=True,
    )
    if account.lent:
        console.print("[yellow]These credentials are lent:[/] the address ends with them, which may be earlier.", soft_wrap=True)
    typer.echo(f"{url}#sha256={bundle.sha256}")
