"""`./lab down` on a stack that makes machines: ends them, and says what is left and costs."""

from __future__ import annotations

from infra.lab.clouds.account import Account
from infra.lab.clouds.bills import Bills
from infra.lab.clouds.made import Made, made_of
from infra.lab.clouds.plugin import need_engine, need_plugin
from infra.lab.clouds.progress import Progress
from infra.lab.console import console
from infra.lab.errors import LabError, UserError
from infra.lab.lab import Lab


def down(lab: Lab, *, purge: bool) -> None:
    """End everything but the bundle store; with `purge` that as well. Safe to repeat.

    Raises:
        UserError: there are no credentials or no plugin; nothing was ended.
        LabError: something could not be ended; the next `down` tries it again.
    """
    account = Account(lab.cloud.region)
    account.payer()
    need_engine(lab)
    made = made_of(lab.machines.told())
    account.payer(made.account, made.region)
    failed: LabError | None = None
    try:
        _end(lab, made)
        if purge and made.protected:
            _purge(lab, account, made)
    except UserError:  # nothing was begun
        raise
    except LabError as why:
        failed = why
    left = made_of(lab.machines.told())
    try:
        _say_what_costs(lab, Bills(account, lab.stack_name, left), purge=purge)
    except LabError as why:
        failed = failed or LabError(f"what still costs could not be asked: {why}")
    if failed:
        raise LabError(f"{failed}\n  The next ./lab down -s {lab.stack_name} goes on from here.") from failed
    if purge and not left.objects:
        lab.machines.forget()


def _end(lab: Lab, made: Made) -> None:
    if made.objects == made.protected:
        console.print(f"The stack {lab.stack_name} has nothing to end: its state knows no machine.")
        return
    need_plugin(lab)
    lab.machines.prepare({})
    _destroyed(lab, f"Ending the stack {lab.stack_name}")
    for machine in made.machines.values():
        ended = " ".join(filter(None, (machine.instance, machine.address)))
        console.print(f"  {machine.name} ({ended}) is ended, with its disk", soft_wrap=True)


def _destroyed(lab: Lab, step: str) -> None:
    with lab.steps.step(step):
        progress = Progress(lambda detail: lab.steps.say(step, detail))
        changes = lab.machines.destroy(progress.report, progress.told)
    console.print(f"  {changes.get('delete', 0)} objects deleted")


def _purge(lab: Lab, account: Account, made: Made) -> None:
    """Remove the bundle store, after saying what goes with it."""
    if made.bucket:
        versions = account.versions(made.bucket)
        mb = sum(int(one.get("Size", 0)) for one in versions) / 1e6
        bundles = len({one["Key"] for one in versions})
        told = f"bucket {made.bucket}, {bundles} bundle{'' if bundles == 1 else 's'}, {mb:,.0f} MB"
        console.print(f"The bundle store goes as well: {told}", soft_wrap=True)
    need_plugin(lab)
    lab.machines.prepare({})
    if made.bucket:
        account.empty(made.bucket)
    lab.machines.unprotect()
    _destroyed(lab, f"Removing the bundle store of the stack {lab.stack_name}")


def _say_what_costs(lab: Lab, bills: Bills, *, purge: bool) -> None:
    found = bills.all()
    if not found:
        console.print(f"Nothing with the tags of the stack {lab.stack_name} is left in {bills.region}; nothing costs any more.")
        return
    known = sum(bill.usd_month or 0 for bill in found)
    console.print(f"What still costs ({known:.2f} USD a month, in {bills.region}):", soft_wrap=True)
    for bill in found:
        console.print(f"  {bill.line(lab.cloud.owner)}", soft_wrap=True, markup=False)
    if purge:
        console.print("The state stays as long as something of it is left.")
