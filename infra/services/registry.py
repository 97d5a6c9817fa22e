"""The registry, where lessons put the images that they build.

People push through the lab's port with the generated login; the node pulls for pods, with the Secret that lies in the
lessons' namespace for `imagePullSecrets`. Images survive a restart on a volume. Nothing of the lab itself is pulled from here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from infra import accounts, wiring
from infra.scales import VOLUMES_GB, Scale
from infra.services._access import Users
from infra.services._release import release, resources
from infra.services.namespace import Namespace


@dataclass(frozen=True, slots=True)
class RegistryArgs:
    """What can differ: the image's reference, the size, the counter that renews the password."""

    image: str
    scale: Scale
    rotation: int = 1


def values(args: RegistryArgs, secret: str) -> dict[str, Any]:
    """The chart's values; `secret` names the Secret with the password."""
    return {
        "image": args.image,
        "existingSecret": secret,
        "secretVersion": str(args.rotation),
        "external": {"enabled": True, "nodePort": wiring.node_port("registry"), "sources": list(wiring.PRIVATE_NETWORKS)},
        "clients": wiring.clients_of(wiring.REGISTRY),
        "volumeGb": VOLUMES_GB["registry"],
        "resources": resources(args.scale.budgets["registry"]),
    }


def pull_login(password: str) -> str:
    """What kubelet reads of a pull Secret."""
    return json.dumps({"auths": {wiring.REGISTRY_NAME: {"username": accounts.REGISTRY_USER, "password": password}}})


class Registry(pulumi.ComponentResource):
    """The registry with its login, which pods of the lessons may name."""

    def __init__(self, name: str, args: RegistryArgs, pulled_in: Namespace, opts: pulumi.ResourceOptions | None = None) -> None:
        """`pulled_in` is the namespace whose pods run what was pushed."""
        super().__init__("iotlab:services:Registry", name, None, opts)
        users = Users(wiring.REGISTRY, [accounts.REGISTRY_USER], args.rotation, self)
        k8s.core.v1.Secret(
            f"{wiring.LESSONS}-{wiring.PULLED_WITH}",
            metadata=k8s.meta.v1.ObjectMetaArgs(name=wiring.PULLED_WITH, namespace=wiring.LESSONS),
            type="kubernetes.io/dockerconfigjson",
            string_data={".dockerconfigjson": users.passwords[accounts.REGISTRY_USER].value.apply(pull_login)},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[pulled_in]),
        )
        release(name, "registry", values(args, users.secret), self, [users.made])
        self.register_outputs({})
