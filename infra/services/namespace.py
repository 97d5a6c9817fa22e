"""A namespace of the lab: pods run restricted, and nobody speaks to anybody unless a chart opens the way."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as k8s

from infra import wiring

LEVEL = "restricted"
DENY = "default-deny"


class Namespace(pulumi.ComponentResource):
    """The namespace with Pod Security `restricted` and a network policy that denies everything."""

    def __init__(self, name: str, namespace: str, opts: pulumi.ResourceOptions | None = None) -> None:
        """`opts` carries the cluster's provider; components that fill `namespace` come after this one."""
        super().__init__("iotlab:services:Namespace", name, None, opts)
        # kept when the stack is destroyed: with the namespace its volume claims would go, and all data with them
        kept = pulumi.ResourceOptions(parent=self, retain_on_delete=True)
        labels = {f"pod-security.kubernetes.io/{mode}": LEVEL for mode in ("enforce", "audit", "warn")}
        self.namespace = k8s.core.v1.Namespace(
            namespace, metadata=k8s.meta.v1.ObjectMetaArgs(name=namespace, labels=labels), opts=kept
        )
        k8s.networking.v1.NetworkPolicy(
            DENY if namespace == wiring.NAMESPACE else f"{namespace}-{DENY}",
            metadata=k8s.meta.v1.ObjectMetaArgs(name=DENY, namespace=namespace),
            spec=k8s.networking.v1.NetworkPolicySpecArgs(
                pod_selector=k8s.meta.v1.LabelSelectorArgs(), policy_types=["Ingress", "Egress"]
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.namespace]),
        )
        self.register_outputs({})
