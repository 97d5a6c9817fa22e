"""The gate's part of a stack, by the lab's own plugin: the stack's key, a machine's host key, the lab on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi


class SshKey(pulumi.CustomResource):
    """The key by which the stack itself enters its machines."""

    public: pulumi.Output[str]
    private: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        """Made once, and never renewed."""
        options = pulumi.ResourceOptions.merge(pulumi.ResourceOptions(additional_secret_outputs=["private"]), opts)
        super().__init__("iotlab:index:SshKey", name, {"public": None, "private": None}, options)


class HostKey(pulumi.CustomResource):
    """The key by which a machine is known: as a person says, or as its console showed it."""

    key: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        instance: pulumi.Output[str],
        region: str,
        known: str,
        within_min: float,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`known` is empty where AWS is to be asked."""
        asked = {"instance": instance, "region": region, "known": known, "withinMin": within_min, "key": None}
        super().__init__("iotlab:index:HostKey", name, asked, opts)


@dataclass(frozen=True, slots=True)
class LabArgs:
    """How the machine is reached, and what it shall be."""

    address: pulumi.Output[str]
    port: int
    host_key: pulumi.Output[str]
    private_key: pulumi.Output[str]
    user_data: pulumi.Output[str]
    instance: pulumi.Output[str]
    machine_type: str  # another one restarts the machine, and the lab on it is asked again
    open_ports: tuple[int, ...]
    waits_min: tuple[float, float]  # until it is reached, until its stages are done

    def inputs(self) -> dict[str, Any]:
        """As the plugin calls them."""
        reachable, stages = self.waits_min
        return {
            "address": self.address,
            "port": self.port,
            "hostKey": self.host_key,
            "privateKey": pulumi.Output.secret(self.private_key),
            "userData": self.user_data,
            "instance": self.instance,
            "machineType": self.machine_type,
            "openPorts": list(self.open_ports),
            "reachableMin": reachable,
            "stagesMin": stages,
        }


class Lab(pulumi.CustomResource):
    """The lab that a machine made itself: what its doctor says, where its services are, its logins and kubeconfig."""

    doctor: pulumi.Output[dict[str, Any]]
    addresses: pulumi.Output[dict[str, str]]
    logins: pulumi.Output[dict[str, dict[str, str]]]
    kubeconfig: pulumi.Output[str]

    def __init__(self, name: str, args: LabArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """It is made when the lab on the machine is green; what changes later in the user data is laid down there."""
        hidden = pulumi.ResourceOptions(additional_secret_outputs=["logins", "kubeconfig"])
        outputs = dict.fromkeys(("doctor", "addresses", "logins", "kubeconfig"))
        super().__init__("iotlab:index:Lab", name, args.inputs() | outputs, pulumi.ResourceOptions.merge(hidden, opts))
