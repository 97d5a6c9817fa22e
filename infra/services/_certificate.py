"""A generated certificate: made once by the lab's own plugin, renewed before its end, its key only a Pulumi secret."""

from __future__ import annotations

from collections.abc import Sequence

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


def tls_secret(name: str, secret: str, hosts: Sequence[str], rotation: int, parent: pulumi.Resource) -> k8s.core.v1.Secret:
    """A new certificate for `hosts` in the Secret `secret`, with the authority that clients trust; `name` is its server's."""
    own = pulumi.ResourceOptions(parent=parent)
    made = Certificate(name, hosts=list(hosts), rotation=rotation, opts=own)
    return k8s.core.v1.Secret(
        secret,
        metadata=k8s.meta.v1.ObjectMetaArgs(name=secret, namespace=wiring.NAMESPACE),
        type="kubernetes.io/tls",
        string_data={"tls.crt": made.certificate, "tls.key": made.key, wiring.CA_KEY: made.ca},
        opts=own,
    )
