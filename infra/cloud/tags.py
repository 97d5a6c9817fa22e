"""What every object of a stack carries, so that a bill and a clean-up find it: stack, owner, day of expiry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of one stack."""

    stack: str
    owner: str
    expires: str

    def named(self, name: str) -> dict[str, str]:
        """The tags of one object, with the name that the cloud's pages show."""
        return {"Name": f"iotlab-{self.stack}-{name}", "stack": self.stack, "owner": self.owner, "expires": self.expires}
