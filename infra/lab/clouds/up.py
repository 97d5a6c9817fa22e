"""`./lab up` on a stack that makes machines: what it makes and costs is said first, each machine's lab last."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from infra.cloud import prices
from infra.cloud.bundle_store import StoredBundle
from infra.cloud.machines import ready
from infra.lab.clouds.account import Account
from infra.lab.clouds.bills import STOPPED, Bills
from infra.lab.clouds.made import Made, made_of
from infra.lab.clouds.plugin import need_engine, need_plugin
from infra.lab.clouds.progress import Progress
from infra.lab.clouds.status import expires_of, has_expired
from infra.lab.clouds.through import refused
from infra.lab.console import console
from infra.lab.errors import LabError, UserError
from infra.lab.lab import Lab
from infra.lab.render import asked
from infra.lab.stack import config_of
from infra.settings import PROJECT

MBIT_S = 10  # of an upload, for people's idea of it


def up(lab: Lab, ends: Collection[str] = ()) -> Made:
    """Make the machines, or bring them to what the checkout says; resumable at any point.

    `ends` names the machines that may end because the stack's file names them no longer.

    Raises:
        UserError: nothing was made, and why.
        LabError: AWS, the engine or a machine failed; the next `up` goes on.
    """
    bundle = _checked(lab)
    account = Account(lab.cloud.region)
    account.payer()
    need_engine(lab)
    made = made_of(lab.machines.told())
    payer = account.payer(made.account, made.region)
    _need_bundle(lab, account, made, bundle)
    refuse_to_end(lab, made, ends)
    _announce(lab, made, bundle)
    console.print(f"  AWS account {payer.account} pays, by the credentials of {payer.arn}", soft_wrap=True, markup=False)
    need_plugin(lab)
    lab.machines.prepare({})
    start_stopped(account, made)
    making = f"Machines of the stack {lab.stack_name}"
    try:
        with lab.steps.step(making):
            progress = Progress(lambda detail: lab.steps.say(making, detail))
            changes = lab.machines.up(progress.report, progress.told)
    except LabError as failed:
        raise LabError(f"{failed}\n  {_costs(lab)}") from failed
    except KeyboardInterrupt:
        console.print(_costs(lab), soft_wrap=True)
        raise
    changed = ", ".join(f"{count} {kind}" for kind, count in sorted(changes.items()) if kind != "same")
    console.print(f"  {changed or 'nothing changed'}")
    made = made_of(lab.machines.told())
    _warn_of_unknown(lab, account, made)
    return made


def _costs(lab: Lab) -> str:
    name = lab.stack_name
    return (
        f"What is made already goes on costing: ./lab status -s {name} says how far each machine is, ./lab up -s {name} goes on "
        f"from here, ./lab down -s {name} ends it."
    )


def _checked(lab: Lab) -> StoredBundle:
    """The bundle, if machines may be made of these settings.

    Raises:
        UserError: what a person has to fill in, or to change.
    """
    with refused(lab, "Nothing was made."):
        return StoredBundle.of(ready(lab.settings).bundle)


def _need_bundle(lab: Lab, account: Account, made: Made, bundle: StoredBundle) -> None:
    """See that a bundle named by its hash is in the store: a machine would wait for it in vain, and cost."""
    if bundle.file is None and not (made.bucket and account.has(made.bucket, bundle.key)):
        raise UserError(
            f"Pulumi.{lab.stack_name}.yaml: iotlab:cloud.bundle names a bundle by its SHA-256, and the store of this stack has "
            "none like it: write the file that ./lab bundle export wrote. Nothing was made."
        )


def refuse_to_end(lab: Lab, made: Made, ends: Collection[str]) -> None:
    """See that no machine ends by a slip: a name that is taken out of the list is easily one too many.

    Raises:
        UserError: one would end that `ends` does not name.
    """
    ended = {name: machine for name, machine in made.machines.items() if name not in lab.settings.machines}
    if unsaid := [machine for name, machine in ended.items() if name not in ends]:
        names = ", ".join(" ".join(filter(None, (machine.name, machine.instance))) for machine in unsaid)
        raise UserError(
            f"Pulumi.{lab.stack_name}.yaml: iotlab:machines no longer names what is made: {names}. Put it back, or end it with "
            f"all its data: ./lab up -s {lab.stack_name} {' '.join(f'--end {one.name}' for one in unsaid)}. Nothing was made."
        )
    for machine in ended.values():
        told = f"{machine.name} ends, with all its data: iotlab:machines no longer names it."
        console.print(told, style="yellow", soft_wrap=True, markup=False)


def _announce(lab: Lab, made: Made, bundle: StoredBundle) -> None:
    """One look at what comes before anything costs."""
    settings = lab.settings
    config = {key.removeprefix(f"{PROJECT}:"): value for key, value in config_of(lab.stack_name).items()}
    with refused(lab, "Nothing was made."):  # by what the program alone sees, as user data that are too large
        count_aws = sum(kind.startswith("aws:") for kind, _, _ in asked(config, lab.stack_name))
    count, size = len(settings.machines), settings.machine_type
    names = f"{count} machine{'' if count == 1 else 's'} ({', '.join(settings.machines)})"
    there = f", {made.objects} of them are there" if made.objects else ""
    console.print(
        f"Stack {lab.stack_name}: {names}, {size.name} with {size.vcpus} vCPUs and {size.memory_gb} GB, in "
        f"{lab.cloud.region}; {count_aws} objects{there}.",
        soft_wrap=True,
        markup=False,
    )
    console.print(f"  {_price(lab, bundle)}", soft_wrap=True, markup=False)
    if new := bundle.file if bundle.key not in made.bundles else None:
        mb = new.stat().st_size / 1e6
        minutes = mb * 8 / MBIT_S / 60
        took = f", about {minutes:.0f} min at {MBIT_S} Mbit/s" if minutes >= 1 else ""
        console.print(f"  {new.name} goes up into the store first: {mb:,.0f} MB{took}, as one step", soft_wrap=True)


def _price(lab: Lab, bundle: StoredBundle) -> str:
    gb = bundle.file.stat().st_size / 1e9 if bundle.file else prices.BUNDLE_GB
    lines, until = prices.lines(lab.settings, gb), f"until {lab.cloud.expires}, when the machines stop"
    if not lines:
        return f"What it costs is not known: infra/cloud/prices.yaml lacks this region; {until}."
    hour, month = sum(line.usd_h for line in lines), sum(line.usd_month for line in lines)
    stopped = sum(line.usd_month for line in lines if line.when_stopped)
    return f"It costs {hour:.3f} USD an hour, {month:.2f} a month ({stopped:.2f} while stopped), {until}."


def start_stopped(account: Account, made: Made) -> None:
    """Start what stands still, by its expiry or by somebody: the engine's own objects say nothing about that.

    Raises:
        LabError: AWS would not start it.
    """
    found = account.machines(made.ids)
    still = [machine for machine in made.machines.values() if _state(found, machine.instance) in STOPPED]
    if not still:
        return
    for machine in still:
        console.print(f"  {machine.name} is stopped{_since(found[machine.instance])}: it is started again", soft_wrap=True)
    account.start([machine.instance for machine in still])


def _state(found: Mapping[str, Mapping[str, Any]], ident: str) -> str:
    return str(found[ident]["State"]["Name"]) if ident in found else "gone"


def _since(instance: Mapping[str, Any]) -> str:
    return f" since it expired on {expires_of(instance)}" if has_expired(instance) else ""


def _warn_of_unknown(lab: Lab, account: Account, made: Made) -> None:
    """Tell of what an engine made while it was killed, or somebody else with the same name: nobody else would, and it costs."""
    for bill in Bills(account, lab.stack_name, made).all():
        if bill.known:
            continue
        told = f"This stack's tags are on what its state does not know, and it costs: {bill.line(lab.cloud.owner)}"
        console.print(f"  {told}", soft_wrap=True, markup=False, style="yellow")
