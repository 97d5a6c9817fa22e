"""`iotlab:index:Password`: a password made once, kept encrypted in the state, made anew only on request."""

from __future__ import annotations

import secrets
import string
from typing import ClassVar

from infra.lab.plugins.iotlab.kind import Kind, Report, whole_number
from infra.lab.plugins.values import UNKNOWN, Properties, Secret

# Letters and digits alone: safe in URLs, shells, properties files and Mosquitto's password file. 6 bits a character.
ALPHABET = string.ascii_letters + string.digits
SHORTEST, LONGEST = 16, 128


class Password(Kind):
    """Letters and digits; `value` is secret and stays the same until `rotation` or `length` changes."""

    urn_type: ClassVar[str] = "iotlab:index:Password"
    defaults: ClassVar[Properties] = {"length": 32, "rotation": 0}

    def refused(self, inputs: Properties) -> dict[str, str]:
        """A length that is too short or too long."""
        return whole_number(inputs, "length", SHORTEST, LONGEST)

    def made(self, inputs: Properties, _report: Report) -> Properties:
        """A new value."""
        return {"value": Secret("".join(secrets.choice(ALPHABET) for _ in range(inputs["length"])))}

    def unknown(self) -> Properties:
        """A value that a preview doesn't know yet."""
        return {"value": Secret(UNKNOWN)}
