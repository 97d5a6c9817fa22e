"""The WireGuard net of a stack's machines: where its gateway is, and which host number each machine has in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

from infra.patterns import END_POINT, WIREGUARD_KEY

MACHINES = range(2, 50)  # host numbers of machines; .1 is the gateway, .50 and above are people's
NUMBERED = re.compile(r"[a-z][a-z0-9]*-(\d\d)-[a-z0-9-]+")  # <module>-<NN>-<class>, as schools name their machines


class Vpn(BaseModel):
    """The net 192.168.<net>.0/24 and its gateway.

    A machine's host number is the NN of its name (`modtec-07-st17a` is .7), or stands in `hosts`. It never follows from the
    machine's place in a list: whoever takes a machine out would move all that come after it to other people's addresses.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    net: Annotated[int, Field(ge=0, le=255, description="N of 192.168.N.0/24, and of the UDP port 51820 + N")]
    gateway: Annotated[str, AfterValidator(END_POINT.check), Field(description="its name or address")]
    gateway_public_key: Annotated[str, Field(description="no peer yet if empty")] = ""
    hosts: Annotated[dict[str, int], Field(default_factory=dict, description="host numbers of machines whose name has none")]

    @field_validator("gateway_public_key")
    @classmethod
    def _key_is_wireguards(cls, key: str) -> str:
        if key and not WIREGUARD_KEY.fullmatch(key):
            raise ValueError("this is no public key of WireGuard: write the line that wg pubkey prints on the gateway")
        return key

    def number(self, machine: str) -> int | None:
        """The machine's host number; None if nothing says it."""
        named = NUMBERED.fullmatch(machine)
        return self.hosts.get(machine, int(named.group(1)) if named else None)

    def unfit(self, machines: Sequence[str]) -> str:
        """Why these machines have no place in the net; empty if each has one."""
        if strange := sorted(set(self.hosts) - set(machines)):
            return f"hosts names '{strange[0]}', which is none of iotlab:machines ({', '.join(machines)})"
        taken: dict[int, str] = {}
        for machine in machines:
            number = self.number(machine)
            if number is None:
                free = next(number for number in MACHINES if number not in {self.number(one) for one in machines})
                return f"the name '{machine}' has no number as modtec-07-st17a has: write hosts: {{{machine}: {free}}}"
            if number not in MACHINES:
                return f"'{machine}' would be host {number}, machines are {MACHINES.start} to {MACHINES.stop - 1}: see hosts"
            if number in taken:
                return f"'{taken[number]}' and '{machine}' would both be host {number}: give one another number in hosts"
            taken[number] = machine
        return ""
