"""The lab's namespace: restricted pods only, and nobody speaks to anybody unless a service's chart draws the edge.

Kept when the stack is destroyed: with it the volume claims and all data would go.
"""

from __future__ import annotations

import pulumi
from pulumi_kubernetes.core.v1 import Namespace as KubernetesNamespace
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs
from pulumi_kubernetes.networking.v1 import NetworkPolicy, NetworkPolicySpecArgs

from infra import wiring
from infra.services._release import labels

PROFILE = "restricted"


class Namespace(pulumi.ComponentResource):
    """The namespace with its Pod Security profile and its default deny, in and out."""

    def __init__(self, name: str = wiring.NAMESPACE, opts: pulumi.ResourceOptions | None = None) -> None:
        """`name` is the namespace's own."""
        super().__init__("iotlab:services:Namespace", name, None, opts)
        self.name = name
        security = {f"pod-security.kubernetes.io/{mode}": PROFILE for mode in ("enforce", "audit", "warn")}
        space = KubernetesNamespace(
            name,
            metadata=ObjectMetaArgs(name=name, labels=labels(name) | security),
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        NetworkPolicy(
            "default-deny",
            metadata=ObjectMetaArgs(name="default-deny", namespace=name, labels=labels("default-deny")),
            spec=NetworkPolicySpecArgs(pod_selector=LabelSelectorArgs(), policy_types=["Ingress", "Egress"]),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[space]),
        )
        self.register_outputs({"name": name})
