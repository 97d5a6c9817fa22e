"""What an account has to be allowed before a stack fits into it: people find out on the day of the lesson otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit of the account in the region: its code in AWS's Service Quotas, what this stack takes, what new accounts have."""

    name: str
    code: str
    needed: int
    usual: int

    @property
    def enough(self) -> bool:
        """Whether an account that has nothing else and never asked for more can have the stack."""
        return self.needed <= self.usual


def quotas(settings: Settings) -> tuple[Quota, ...]:
    """What the stack needs; nothing without machines.

    The usual values are AWS's published defaults, seen on 2026-11-26 in copies of its documentation: the vCPUs in the answer of
    Service Quotas that the guide to its command line shows, the others in the user guide's table of VPC quotas. Accounts differ:
    new ones may begin with less, and the console's page Service Quotas says what yours has.
    """
    if settings.cloud is None:
        return ()
    machines = len(settings.machines)
    return (
        Quota("vCPUs of running standard machines", "L-1216C47A", machines * settings.machine_type.vcpus, 5),
        Quota("elastic addresses", "L-0263D0A3", machines, 5),
        Quota("VPCs", "L-F678F1CE", 1, 5),
        Quota("internet gateways", "L-A4707A72", 1, 5),
    )
