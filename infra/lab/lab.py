"""One lab: its folders, toolchain, cluster, bundle and stack put together; the verbs stand in their own modules."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path

from infra.cloud.user_data import LOGIN
from infra.cloud_settings import CloudSettings
from infra.lab import kubernetes_plugin
from infra.lab.bundle import Bundle, Manifest
from infra.lab.bundle.images import needed_by
from infra.lab.clouds.stack import MachineStack
from infra.lab.cluster import lock as machine_lock
from infra.lab.cluster import network
from infra.lab.cluster.cluster import Cluster
from infra.lab.cluster.layout import Binaries, Folders
from infra.lab.console import Steps
from infra.lab.errors import UserError
from infra.lab.given import GivenCluster
from infra.lab.kube import Kube
from infra.lab.lock import command_lock
from infra.lab.paths import Paths
from infra.lab.stack import Stack, remembered_images, settings_of
from infra.lab.toolchain import Toolchain, host, parts
from infra.registries import RegistryAddress
from infra.settings import UPSTREAM, Settings

LOCAL = "local"


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
        """The stack's checked settings, with the upstream images that its last `up` found."""
        images = remembered_images(self.paths, self.stack_name)
        return settings_of(self.stack_name, self.paths).with_images({name: images[name] for name in images if name in UPSTREAM})

    @property
    def cloud(self) -> CloudSettings:
        """What the stack says of its machines.

        Raises:
            UserError: it makes none.
        """
        if self.settings.cloud is None:
            raise UserError(f"the stack '{self.stack_name}' makes no machines: take one with iotlab:cloud, as in Pulumi.s.yaml.")
        return self.settings.cloud

    def need_cluster(self, verb: str) -> None:
        """Refuse a verb, with all its words, that looks at a cluster from beside it, on a stack that makes machines.

        Raises:
            UserError: with the command that does the same on a machine.
        """
        if self.settings.cloud:
            raise UserError(
                f"the stack '{self.stack_name}' makes machines, and '{verb}' works on each of them: ssh {LOGIN}@ADDRESS lab "
                f"{verb} -s vm; ./lab status -s {self.stack_name} says the addresses."
            )

    @property
    def embedded(self) -> bool:
        """Whether the lab runs its own Kubernetes."""
        return not self.settings.kubeconfig

    @property
    def runs_here(self) -> bool:
        """Whether the lab's own cluster is up, whatever the stack's file says by now."""
        owner = machine_lock.read()
        return owner is not None and owner.state == str(self.paths.state)

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
        """The parts of the toolchain that this stack needs; none named are all. Only the embedded cluster needs Kubernetes."""
        if self.settings.cloud:
            return (parts.PULUMI.name,)
        return () if self.embedded else (parts.KUBECTL_HELM.name, parts.PULUMI.name)

    @property
    def node(self) -> str:
        """The embedded node's address, which this machine reaches and no other does."""
        return network.choose(Folders(self.paths.cluster).network, ()).node

    @cached_property
    def cluster(self) -> Cluster:
        """The embedded cluster."""
        binaries = Binaries(self.paths.bin, self.toolchain.cni_dir)
        return Cluster(self.paths, self.steps, binaries, lambda: self.settings.device_cidr or None)

    def part_logs(self) -> dict[str, Path]:
        """Log files of the embedded cluster's parts, by part."""
        return {file.stem: file for file in Folders(self.paths.cluster).logs.glob("*.log")} if self.embedded else {}

    @cached_property
    def bundle(self) -> Bundle:
        """The images that this stack's services run."""
        return Bundle(self.paths, self.steps, needed_by(self.settings.chosen - UPSTREAM))

    @cached_property
    def whole_bundle(self) -> Bundle:
        """The images of every stack."""
        return Bundle(self.paths, self.steps)

    @cached_property
    def stack(self) -> Stack:
        """The Pulumi stack."""
        return Stack(self.stack_name, self.paths, self.toolchain.env(), self.kubeconfig)

    @cached_property
    def machines(self) -> MachineStack:
        """The Pulumi stack of a lab that makes machines."""
        return MachineStack(self.stack_name, self.paths, self.toolchain.env(), self.paths.kubeconfig)

    @cached_property
    def standin(self) -> bool:
        """Whether Pulumi's own Kubernetes plugin is not to be had and the lab's stand-in serves."""
        return kubernetes_plugin.choose(self.paths, self.stack.process_env(), self.steps)

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
            host.check_programs(self.toolchain.env()["PATH"], *(["pulumi"] if self.settings.cloud else []))
        elif self.toolchain.missing(*self.tools):
            raise UserError("the toolchain is not there yet; ./lab up makes it")

    @cached_property
    def registry(self) -> RegistryAddress | None:
        """Where the cluster pulls the images from, if not from its nodes."""
        return RegistryAddress.parse(self.settings.registry) if self.settings.registry else None

    def references(self, manifest: Manifest) -> dict[str, str]:
        """Name -> reference by digest, as this stack's cluster knows the images."""
        if not self.registry:
            return manifest.references() | self.settings.images
        built = {image.name: self.registry.reference(image.name, image.digest) for image in manifest.images}
        return built | self.settings.images

    def refresh_private_file(self) -> None:
        """Write the stack's private file anew, so that a plain `pulumi` sees what the checkout says now."""
        if self.settings.cloud:
            self.machines.prepare({})
            return
        if not kubernetes_plugin.fetched(self.paths):
            self.stack.put_on_path(kubernetes_plugin.STANDIN)
        self.stack.prepare(self.references(self.bundle.manifest()))

    def lock(self) -> AbstractContextManager[None]:
        """One long command at a time."""
        return command_lock(self.paths)


def lab_here(stack: str, verb: str) -> Lab:
    """The lab of a stack that fills a cluster from this machine; `verb`, with all its words, works there alone.

    Raises:
        UserError: the stack makes machines; with the command that does the same on one.
    """
    lab = Lab(stack)
    lab.need_cluster(verb)
    return lab
