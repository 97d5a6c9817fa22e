"""The shared volume: what the CSV consumer writes and notebooks read and write.

Its data outlive everything: the claim stays when the stack is destroyed, as the namespace does around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra import wiring
from infra.scales import VOLUMES_GB

SIZE_GB = VOLUMES_GB["iot-kafka-consumer"]  # whoever fills it is asked for it
ACCESS = "ReadWriteOnce"  # of one node, where any number of pods mount it; a lab of several nodes needs ReadWriteMany
# A class that binds a claim with its first pod leaves it pending until then. Whoever waited for it would wait for a pod that
# waits for the claim; so nobody does: the pods are waited for.
NOT_AWAITED = {"pulumi.com/skipAwait": "true"}


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume to be mounted: its claim, where, and what must be there before."""

    claim: str
    path: str
    needs: tuple[pulumi.Resource, ...]


class SharedData(pulumi.ComponentResource):
    """The claim with the shared data."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        """`volume` is what components mount."""
        super().__init__("iotlab:services:SharedData", name, None, opts)
        claim = k8s.core.v1.PersistentVolumeClaim(
            wiring.DATA_CLAIM,
            metadata=k8s.meta.v1.ObjectMetaArgs(name=wiring.DATA_CLAIM, namespace=wiring.NAMESPACE, annotations=NOT_AWAITED),
            spec=k8s.core.v1.PersistentVolumeClaimSpecArgs(
                access_modes=[ACCESS],
                resources=k8s.core.v1.VolumeResourceRequirementsArgs(requests={"storage": f"{SIZE_GB}Gi"}),
            ),
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        self.volume = Volume(wiring.DATA_CLAIM, wiring.DATA_PATH, (claim,))
        self.register_outputs({})
