"""The lab's namespace: pods run restricted, and nobody speaks to anybody unless a chart opens the way."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as k8s

from infra import wiring

LEVEL = "restricted"


class Namespace(pulumi.ComponentResource):
    """The namespace with Pod Security `restricted` and a network policy that denies everything."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        """`opts` carries the cluster's provider; other components get it as their parent."""
        super().__init__("iotlab:services:Namespace", name, None, opts)
        # kept when the stack is destroyed: with the namespace its volume claims would go, and all data with them
        kept = pulumi.ResourceOptions(parent=self, retain_on_delete=True)
        labels = {f"pod-security.kubernetes.io/{mode}": LEVEL for mode in ("enforce", "audit", "warn")}
        self.namespace = k8s.core.v1.Namespace(
            wiring.NAMESPACE, metadata=k8s.meta.v1.ObjectMetaArgs(name=wiring.NAMESPACE, labels=labels), opts=kept
        )
        k8s.networking.v1.NetworkPolicy(
            "default-deny",
            metadata=k8s.meta.v1.ObjectMetaArgs(name="default-deny", namespace=wiring.NAMESPACE),
            spec=k8s.networking.v1.NetworkPolicySpecArgs(
                pod_selector=k8s.meta.v1.LabelSelectorArgs(), policy_types=["Ingress", "Egress"]
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.namespace]),
        )
        self.register_outputs({})
