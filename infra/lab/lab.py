"""One lab: its folders, toolchain, cluster, bundle and stack put together, and the long verbs `up` and `down`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from infra.lab import kubernetes_plugin, preflight
from infra.lab.bundle import Bundle, Manifest, export_archive, import_archive
from infra.lab.bundle.credentials import login_for
from infra.lab.bundle.handout import write_images
from infra.lab.bundle.push import Registry
from infra.lab.bundle.wheels import wheels
from infra.lab.cluster.cluster import Cluster
from infra.lab.cluster.layout import Binaries, Folders
from infra.lab.console import Steps, console
from infra.lab.errors import LabError, UserError
from infra.lab.given import GivenCluster
from infra.lab.kube import Kube
from infra.lab.lock import command_lock
from infra.lab.paths import Paths
from infra.lab.stack import Stack, settings_of
from infra.lab.toolchain import Toolchain, host, parts
from infra.registries import RegistryAddress
from infra.settings import Settings

if TYPE_CHECKING:
    from infra.lab.doctor import Diagnosis

LOCAL = "local"
SETTLE_S = 90  # the first reading may wait for a consumer group to form
AGAIN_AFTER_S = 3


class Lab:
    """The lab of this machine. Making one starts nothing."""

    def __init__(self, stack: str = LOCAL) -> None:
        """`stack` names a file `Pulumi.<stack>.yaml`."""
        self.paths = Paths.from_environment()
        self.steps = Steps(self.paths)
        self.stack_name = stack
        self.toolchain = Toolchain(self.paths, self.steps)

    @cached_property
    def settings(self) -> Settings:
        """The stack's checked settings."""
        return settings_of(self.stack_name)

    @property
    def embedded(self) -> bool:
        """Whether the lab runs its own Kubernetes."""
        return not self.settings.kubeconfig

    @cached_property
    def kubeconfig(self) -> Path:
        """The kubeconfig of the cluster that this stack fills."""
        return self.paths.kubeconfig if self.embedded else self.given.copied()

    @cached_property
    def given(self) -> GivenCluster:
        """The cluster of `iotlab:kubeconfig`."""
        folder = self.paths.pulumi
        own, marker = folder / f"{self.stack_name}.kubeconfig", folder / f"{self.stack_name}.cluster"
        return GivenCluster(self.settings.kubeconfig, self.settings.context, own, marker)

    @property
    def tools(self) -> tuple[str, ...]:
        """The parts of the toolchain that this stack needs; none named are all. A given cluster brings its own Kubernetes."""
        return () if self.embedded else (parts.KUBECTL_HELM.name, parts.PULUMI.name)

    @cached_property
    def cluster(self) -> Cluster:
        """The embedded cluster."""
        binaries = Binaries(self.paths.bin, self.toolchain.cni_dir)
        return Cluster(self.paths, self.steps, binaries, self.settings.device_cidr or None)

    def part_logs(self) -> dict[str, Path]:
        """Log files of the embedded cluster's parts, by part."""
        return {file.stem: file for file in Folders(self.paths.cluster).logs.glob("*.log")} if self.embedded else {}

    @cached_property
    def bundle(self) -> Bundle:
        """The images."""
        return Bundle(self.paths, self.steps)

    @cached_property
    def stack(self) -> Stack:
        """The Pulumi stack."""
        return Stack(self.stack_name, self.paths, self.toolchain.env(), self.kubeconfig)

    @cached_property
    def standin(self) -> bool:
        """Whether Pulumi's own Kubernetes plugin is not to be had and the lab's stand-in serves."""
        return kubernetes_plugin.choose(self.paths, self.stack.process_env())

    @cached_property
    def kube(self) -> Kube:
        """The kubectl of this stack's cluster."""
        return Kube(self.stack.process_env())

    def need_up(self) -> None:
        """Refuse to look into a lab that doesn't run.

        Raises:
            UserError: with the command that starts it.
        """
        if not self.embedded:
            self.need_tools()
            self.given.identity(self.kube)
        elif not self.cluster.status().running:
            raise UserError("the lab is not up; start it with ./lab up")

    def need_tools(self) -> None:
        """Refuse to go on without pulumi, kubectl and helm.

        Raises:
            UserError: with the command that makes them, or what to install.
        """
        if not host.fits():
            host.check_programs(self.toolchain.env()["PATH"])
        elif self.toolchain.missing(*self.tools):
            raise UserError("the toolchain is not there yet; ./lab up makes it")

    def up(self) -> dict[str, int]:
        """Bring the lab to what this checkout says; resumable at any point. Returns the changes by kind."""
        if not self.embedded:
            return self._up_given()
        preflight.check_machine(self.paths, self.settings, warm=not self.toolchain.missing())
        self.toolchain.ensure()
        manifest = self.bundle.ensure()
        self.cluster.start()
        self.cluster.load_images(manifest.archive)
        return self._fill(manifest)

    def _up_given(self) -> dict[str, int]:
        """Fill a cluster that isn't the lab's: what can be refused is refused before anything is built or sent."""
        self.given.copied()
        if host.fits():
            self.toolchain.ensure(parts.KUBECTL_HELM.name)
        else:
            self.need_tools()
        self.given.check(self.kube, self.stack_name)
        manifest = self._images_for_given()
        if host.fits():
            self.toolchain.ensure(*self.tools)
        if self.registry:
            self._push(manifest, self.registry)
        references = self.references(manifest)
        for warning in self.given.warnings(self.kube, references, from_registry=self.registry is not None):
            console.print(f"  [yellow]{escape(warning)}[/]", soft_wrap=True)
        changes = self._fill(manifest)
        self.given.remember(self.kube)
        return changes

    def _images_for_given(self) -> Manifest:
        """The images; building them takes root on Linux, a bundle brings them anywhere."""
        if Manifest.read(self.bundle.folder) is None:
            if not host.fits() or os.geteuid() != 0:
                raise UserError(
                    "the images can be built on Linux (x86_64) and as root only, and no bundle has brought them: make one there "
                    "(./lab bundle export lab.tar.gz), then ./lab up --bundle lab.tar.gz here."
                )
            self.toolchain.ensure(parts.DEBIAN.name)
        return self.bundle.ensure()

    @cached_property
    def registry(self) -> RegistryAddress | None:
        """Where the cluster pulls the images from, if not from its nodes."""
        return RegistryAddress.parse(self.settings.registry) if self.settings.registry else None

    def references(self, manifest: Manifest) -> dict[str, str]:
        """Name -> reference by digest, as this stack's cluster knows the images."""
        if not self.registry:
            return manifest.references()
        return {image.name: self.registry.reference(image.name, image.digest) for image in manifest.images}

    def _push(self, manifest: Manifest, address: RegistryAddress) -> None:
        with self.steps.step(f"Images to {address.host}"):
            done = Registry(address, login_for(address.host)).push(manifest)
        if done.sent:
            console.print(f"  {done.sent} files sent, {done.sent_bytes / 1e6:.0f} MB; {done.there} were there")

    def _fill(self, manifest: Manifest) -> dict[str, int]:
        self.stack.prepare(self.references(manifest))
        self._choose_plugin()
        filling = f"Services of the stack {self.stack_name}"
        with self.steps.step(filling):
            changes = self.stack.up(lambda detail: self.steps.say(filling, detail))
        kubernetes_plugin.remember(self.paths, standin=self.standin)
        changed = {kind: count for kind, count in changes.items() if kind != "same"}
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(changed.items())) or "nothing changed"
        console.print(f"  {told}")
        return changes

    def _choose_plugin(self) -> None:
        if self.standin:
            self.stack.put_on_path(kubernetes_plugin.STANDIN)
            console.print("  Pulumi's Kubernetes plugin could not be fetched: the lab's stand-in serves")
        if kubernetes_plugin.changed(self.paths, standin=self.standin):
            with self.steps.step("Kubernetes plugin changed: its objects are made anew, data stay"):
                kubernetes_plugin.hand_over(self.stack.process_env(), self.stack_name)

    def settle(self, examine: Callable[[], Diagnosis]) -> Diagnosis:
        """Examine until green, for at most SETTLE_S: pods that are ready still have to find each other."""
        until = time.monotonic() + SETTLE_S
        while True:
            diagnosis = examine()
            if diagnosis.ok or time.monotonic() > until:
                return diagnosis
            time.sleep(AGAIN_AFTER_S)

    def refresh_private_file(self) -> None:
        """Write the stack's private file anew, so that a plain `pulumi` sees what the checkout says now."""
        if kubernetes_plugin.used(self.paths) == kubernetes_plugin.OURS:
            self.stack.put_on_path(kubernetes_plugin.STANDIN)
        self.stack.prepare(self.references(self.bundle.manifest()))

    def lock(self) -> AbstractContextManager[None]:
        """One long command at a time."""
        return command_lock(self.paths)

    def take_bundle(self, source: str) -> None:
        """Take toolchain and images from an archive, a file or a URL."""
        import_archive(source, self.toolchain, self.paths, self.steps)

    def export_bundle(self, file: Path) -> None:
        """Write toolchain and images into one archive, making what is missing first."""
        self.toolchain.ensure()
        written = export_archive(self.toolchain, self.bundle.ensure(), wheels(self.paths, self.steps), self.steps, file)
        console.print(f"{written.file} has {written.size / 1e6:.0f} MB. On another machine:", soft_wrap=True)
        console.print(f"  ./lab up --bundle {written.file.name}#sha256={written.sha256}", soft_wrap=True)

    def down(self, *, purge: bool) -> None:
        """Stop everything the lab started; with `purge` also remove cluster data and the stack's state together."""
        if not self.embedded:
            self._leave_given(purge=purge)
            return
        self.cluster.stop()
        if purge:
            try:
                self.cluster.purge()
            except OSError as stuck:
                raise LabError(f"cluster data could not be removed: {stuck}") from stuck
            self.stack.forget()

    def _leave_given(self, *, purge: bool) -> None:
        """Forget a given cluster that is gone; one that is there is not the lab's to stop.

        Raises:
            UserError: what to run instead.
        """
        if purge and self.given.left(lambda: self.kube):
            self.stack.forget()
            self.given.marker.unlink()
            console.print(f"The cluster that the stack {self.stack_name} filled is gone: its state is forgotten.")
            return
        raise UserError(
            f"the cluster of {self.given.file} is not the lab's to stop. To take the lab out of it, data included: "
            f'eval "$(./lab env --stack {self.stack_name})" && pulumi destroy -s {self.stack_name}'
        )

    def write_images(self, file: Path) -> None:
        """Write the images alone into one file, for a cluster's own tools."""
        if not Manifest.read(self.bundle.folder):
            self.toolchain.ensure(parts.DEBIAN.name)
        with self.steps.step("Archive of the images"):
            size = write_images(self.bundle.ensure(), file)
        console.print(f"{file} has {size / 1e6:.0f} MB. Into a cluster: kind load image-archive {file}", soft_wrap=True)
        console.print(f"  or: microk8s images import < {file}   or: docker load -i {file}", soft_wrap=True)
