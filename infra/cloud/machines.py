"""All that a stack with `iotlab:cloud` makes: a network, the bundle's store, one machine for each name, and what stops them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pulumi
import pulumi_aws as aws

from infra import versions
from infra.cloud.bundle_store import BundleStore, BundleStoreArgs, StoredBundle
from infra.cloud.expiry import Expiry, ExpiryArgs
from infra.cloud.facts import Bundle, MachineFacts
from infra.cloud.firewall import rules
from infra.cloud.machine import Machine, MachineArgs, Place
from infra.cloud.network import Network, NetworkArgs
from infra.cloud.prices import keep_limit
from infra.cloud.resources import SshKey
from infra.cloud.tags import Tags
from infra.cloud.told import facts_of
from infra.cloud_settings import CloudSettings
from infra.settings import Settings, SettingsError

CANONICAL = "099720109477"  # Ubuntu's publisher, by its account: a name alone can be anybody's
IMAGES = f"ubuntu/images/hvm-ssd-gp3/ubuntu-{versions.UBUNTU}-amd64-server-*"


def ready(settings: Settings) -> CloudSettings:
    """The cloud's settings, if machines may be made of them.

    Raises:
        SettingsError: what a person has not filled in yet, or that the stack has expired or costs more than its limit.
    """
    if settings.cloud is None:
        raise SettingsError("the stack has no iotlab:cloud, so there are no machines to make.")
    if why := settings.cloud.unready(datetime.now(UTC).date()):
        raise SettingsError(why)
    if strange := settings.cloud.host_keys.keys() - set(settings.machines):
        raise SettingsError(
            f"iotlab:cloud.hostKeys names {', '.join(sorted(strange))}: machines are {', '.join(settings.machines)}."
        )
    keep_limit(settings)
    return settings.cloud


def ubuntu(parent: pulumi.Resource) -> pulumi.Output[str]:
    """The newest image of the LTS; a machine keeps the one that it started from."""
    filters = [{"name": "name", "values": [IMAGES]}, {"name": "virtualization-type", "values": ["hvm"]}]
    found = aws.ec2.get_ami_output(
        most_recent=True, owners=[CANONICAL], filters=filters, opts=pulumi.InvokeOptions(parent=parent)
    )
    image: pulumi.Output[str] = found.id
    return image


class Machines(pulumi.ComponentResource):
    """The machines of one stack: one or a class of them."""

    def __init__(self, name: str, settings: Settings) -> None:
        """`name` is the component's; each machine has its own from `iotlab:machines`."""
        cloud, stack = ready(settings), pulumi.get_stack()
        account = aws.Provider("cloud", region=cloud.region)
        super().__init__("iotlab:cloud:Machines", name, None, pulumi.ResourceOptions(providers=[account]))
        inside, tags = pulumi.ResourceOptions(parent=self), Tags(stack, cloud.owner, f"{cloud.expires}")
        ways_in = rules(cloud, settings.asked)
        network = Network("network", NetworkArgs(ways_in, tags), inside)
        bundle = StoredBundle.of(cloud.bundle)
        store = BundleStore("bundle", BundleStoreArgs(bundle, tags), inside)
        gate, ports = SshKey("gate", inside), tuple(rule.port for rule in ways_in)
        # the stack's own, of a kind that AWS takes; people's keys, of any kind, come with the user data and change without AWS
        key = aws.ec2.KeyPair("gate", public_key=gate.public, tags=tags.named("gate"), opts=inside).key_name
        needs = (network, *store.stored)  # the whole network, with its way out and its rules
        place = Place(network.subnet, network.group, ubuntu(self), key, store.profile, needs, tags, gate, ports)

        def told(machine: str, address: pulumi.Output[str]) -> pulumi.Output[MachineFacts]:
            known = pulumi.Output.all(store.url, gate.public, address)
            told: pulumi.Output[MachineFacts] = known.apply(
                lambda all_: facts_of(settings, stack, machine, Bundle(all_[0], bundle.sha256), all_[1], all_[2])
            )
            return told

        size = settings.machine_type
        machines = {
            host: Machine(host, MachineArgs(partial(told, host), size, cloud), place, inside) for host in settings.machines
        }
        Expiry("expiry", ExpiryArgs(machines, tags), inside)
        self.register_outputs({"addresses": {host: machine.address for host, machine in machines.items()}})
        pulumi.export("addresses", {host: machine.address for host, machine in machines.items()})
        pulumi.export("services", {host: machine.lab.addresses for host, machine in machines.items()})
        pulumi.export("doctor", {host: machine.lab.doctor for host, machine in machines.items()})
        pulumi.export("kubeconfig", {host: machine.lab.kubeconfig for host, machine in machines.items()})
