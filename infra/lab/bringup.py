"""The long verbs: `up` fills a cluster with what the checkout says, `down` stops what the lab started."""

from __future__ import annotations

import os
from pathlib import Path

from rich.markup import escape

from infra import wiring
from infra.lab import engines, kubernetes_plugin, preflight, upstream
from infra.lab.bundle import Manifest
from infra.lab.console import console
from infra.lab.doctor import topics_lacking
from infra.lab.engine_events import Report
from infra.lab.errors import LabError, UserError
from infra.lab.kube import SERVICE_LABEL
from infra.lab.lab import Lab
from infra.lab.sending import send
from infra.lab.stack import Stack
from infra.lab.toolchain import host, parts

JOB_GONE_WITHIN_S = 120


def up(lab: Lab) -> dict[str, int]:
    """Bring the lab to what this checkout says; resumable at any point. Returns the changes by kind."""
    if not lab.embedded:
        return _up_given(lab)
    check(lab, warm=not lab.toolchain.missing())
    lab.bundle.check()
    lab.toolchain.ensure()
    manifest = lab.bundle.ensure()
    lab.cluster.start()
    lab.cluster.load_images(manifest.archive)
    _filled_by(lab).write_text(lab.stack_name)
    upstream.bring(lab)
    return fill(lab, manifest)


def check(lab: Lab, *, warm: bool) -> None:
    """Refuse what cannot end well before minutes are spent; `warm` where a cache or a bundle saves the building.

    Raises:
        UserError: the settings, the machine, or another lab on it.
    """
    if lab.embedded:
        _refuse_a_second(lab)
        preflight.check_machine(lab.paths, lab.settings, warm=warm)
        lab.cluster.check()


def _filled_by(lab: Lab) -> Path:
    """The note which stack fills the lab's own cluster; it goes with the cluster's data."""
    return lab.paths.cluster / "stack"


def _refuse_a_second(lab: Lab) -> None:
    """Keep two stacks from filling one namespace: each would overwrite the other's objects and passwords.

    Raises:
        UserError: another stack has filled the cluster.
    """
    note = _filled_by(lab)
    first = note.read_text() if note.exists() else lab.stack_name
    if first != lab.stack_name:
        raise UserError(
            f"the lab's own cluster is filled by the stack '{first}', and '{lab.stack_name}' would overwrite it: remove it with "
            "its data first (./lab down --purge), or set IOTLAB_STATE to another folder for the second one."
        )


def _up_given(lab: Lab) -> dict[str, int]:
    """Fill a cluster that isn't the lab's: what can be refused is refused before anything is built or sent."""
    lab.given.copied()
    if host.fits():
        lab.toolchain.ensure(parts.KUBECTL_HELM.name)
    else:
        lab.need_tools()
    lab.given.check(lab.kube, lab.stack_name)
    manifest = _images_for_given(lab)
    if host.fits():
        lab.toolchain.ensure(*lab.tools)
    if lab.registry:
        send(lab, manifest, lab.registry)
    upstream.bring(lab)
    references = {name: reference for name, reference in lab.references(manifest).items() if name not in lab.settings.images}
    for warning in lab.given.warnings(lab.kube, references, from_registry=lab.registry is not None):
        console.print(f"  [yellow]{escape(warning)}[/]", soft_wrap=True)
    changes = fill(lab, manifest)
    lab.given.remember(lab.kube)
    return changes


def _images_for_given(lab: Lab) -> Manifest:
    """The images; building them takes root on Linux, a bundle brings them anywhere."""
    if Manifest.read(lab.bundle.folder) is None:
        if not host.fits() or os.geteuid() != 0:
            raise UserError(
                "the images can be built on Linux (x86_64) and as root only, and no bundle has brought them: make one there "
                "(./lab bundle export lab.tar.gz), then ./lab up --bundle lab.tar.gz here."
            )
        lab.toolchain.ensure(parts.DEBIAN.name)
    return lab.bundle.ensure()


def fill(lab: Lab, manifest: Manifest) -> dict[str, int]:
    """Bring a cluster that has the images to what the checkout says; returns the changes by kind."""
    lab.stack.prepare(lab.references(manifest))
    _choose_plugin(lab)
    filling = f"Services of the stack {lab.stack_name}"
    with lab.steps.step(filling):
        changes = lab.stack.up(lambda detail: lab.steps.say(filling, detail))
        if topics_lacking(lab):
            changes = _made_again(lab, lambda detail: lab.steps.say(filling, detail))
    changed = {kind: count for kind, count in changes.items() if kind != "same"}
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(changed.items())) or "nothing changed"
    console.print(f"  {told}")
    return changes


def _made_again(lab: Lab, report: Report) -> dict[str, int]:
    """Let the job that makes Kafka's topics run again: it is done for good otherwise, whatever becomes of a topic."""
    lab.kube.run("delete", "jobs", "-l", f"{SERVICE_LABEL}={wiring.KAFKA.host}", timeout_s=JOB_GONE_WITHIN_S)
    return lab.stack.up(report)


def _choose_plugin(lab: Lab) -> None:
    if lab.standin:
        lab.stack.put_on_path(kubernetes_plugin.STANDIN)
        console.print("  Pulumi's Kubernetes plugin could not be fetched: the lab's stand-in serves")
    if kubernetes_plugin.changed(lab.paths, lab.stack_name, standin=lab.standin):
        with lab.steps.step("Kubernetes plugin changed: its objects are made anew, data stay"):
            kubernetes_plugin.hand_over(lab.stack.process_env(), lab.stack_name)
    # now, not after success: what a first `up` that fails has made belongs to this plugin as well
    kubernetes_plugin.remember(lab.paths, lab.stack_name, standin=lab.standin)


def down(lab: Lab, *, purge: bool) -> None:
    """Stop everything the lab started; with `purge` also remove cluster data and the stack's state together."""
    if not lab.runs_here and not lab.embedded:
        _leave_given(lab, purge=purge)
        return
    engines.end_orphans(lab.paths)
    lab.cluster.stop()
    if purge:
        note = _filled_by(lab)
        filled = {lab.stack_name, note.read_text()} if note.exists() else {lab.stack_name}
        try:
            lab.cluster.purge()
        except OSError as stuck:
            raise LabError(f"cluster data could not be removed: {stuck}") from stuck
        for stack in filled:  # whoever filled it: the data that its state tells of are gone
            _forget(lab, stack)


def _forget(lab: Lab, stack: str) -> None:
    Stack(stack, lab.paths, {}, lab.paths.kubeconfig).forget()
    kubernetes_plugin.forget(lab.paths, stack)


def _leave_given(lab: Lab, *, purge: bool) -> None:
    """Forget a given cluster in whose place another one answers; one that is there is not the lab's to stop.

    Raises:
        UserError: what to run instead, or none answers.
    """
    if purge and lab.given.marker.exists():
        lab.need_tools()
    if purge and lab.given.left(lambda: lab.kube):
        _forget(lab, lab.stack_name)
        lab.given.marker.unlink(missing_ok=True)
        console.print(f"The cluster that the stack {lab.stack_name} filled is gone: its state is forgotten.")
        return
    raise UserError(
        f"the cluster of {lab.given.file} is not the lab's to stop. To take the lab out of it: "
        f'eval "$(./lab env --stack {lab.stack_name})" && pulumi destroy -s {lab.stack_name}; '
        f"the data go with the namespace: kubectl delete namespace {wiring.NAMESPACE}"
    )
