"""A generated certificate: made once by the lab's own plugin, renewed before its end, its key only a Pulumi secret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra import wiring


class Certificate(pulumi.CustomResource):
    """A server's certificate, its secret key and the authority that clients trust, as PEM."""

    certificate: pulumi.Output[str]
    key: pulumi.Output[str]
    ca: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        hosts: pulumi.Input[Sequence[pulumi.Input[str]]],
        rotation: pulumi.Input[int] = 0,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`hosts` are the names and addresses it vouches for; raise `rotation` by one to get a new one at the next `up`."""
        options = pulumi.ResourceOptions.merge(pulumi.ResourceOptions(additional_secret_outputs=["key"]), opts)
        outputs = dict.fromkeys(("certificate", "key", "ca"))
        super().__init__("iotlab:index:Certificate", name, {"hosts": hosts, "rotation": rotation} | outputs, options)


@dataclass(frozen=True, slots=True)
class Tls:
    """The Secret that a server mounts, and the authority that its clients trust."""

    secret: k8s.core.v1.Secret
    authority: pulumi.Output[str]


def tls(name: str, secret: str, hosts: Sequence[str], rotation: int, parent: pulumi.Resource) -> Tls:
    """A new certificate for `hosts` in the Secret `secret`; `name` is its server's."""
    made = Certificate(name, hosts=list(hosts), rotation=rotation, opts=pulumi.ResourceOptions(parent=parent))
    files = {"tls.crt": made.certificate, "tls.key": made.key, wiring.CA_KEY: made.ca}
    return Tls(secret_of(secret, files, parent, "kubernetes.io/tls"), made.ca)


def secret_of(
    name: str, files: dict[str, pulumi.Output[str]], parent: pulumi.Resource, kind: str = "Opaque"
) -> k8s.core.v1.Secret:
    """A Secret with these files."""
    metadata = k8s.meta.v1.ObjectMetaArgs(name=name, namespace=wiring.NAMESPACE)
    return k8s.core.v1.Secret(name, metadata=metadata, type=kind, string_data=files, opts=pulumi.ResourceOptions(parent=parent))
