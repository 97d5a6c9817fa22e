"""`iotlab:index:Certificate`: a server's certificate with an authority of its own, made once and renewed before its end.

The authority signs this one certificate and its key is thrown away at once: who trusts it trusts nothing else, and nobody
can ever make a second certificate with it. So a renewal is a new authority as well.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import ClassVar

from cryptography.hazmat.primitives.serialization import Encoding

from infra.lab.cluster import pki
from infra.lab.plugins.iotlab.kind import Kind, Report, whole_number
from infra.lab.plugins.values import UNKNOWN, Json, Properties, Secret

RENEW_DAYS = 30  # an `up` once a month keeps a lab's certificate valid for ever
SHORTEST_DAYS, LONGEST_DAYS = 2 * RENEW_DAYS, 825  # Apple's systems take none that is valid longer
HOST = re.compile(r"[a-z0-9]([a-z0-9.:-]{0,251}[a-z0-9])?")


def _is_host(value: Json) -> bool:
    return value is UNKNOWN or (isinstance(value, str) and HOST.fullmatch(value) is not None)


class Certificate(Kind):
    """`certificate`, `ca` and the secret `key` as PEM; `notAfter` is the end of both certificates."""

    urn_type: ClassVar[str] = "iotlab:index:Certificate"
    defaults: ClassVar[Properties] = {"hosts": None, "days": 365, "rotation": 0}

    def refused(self, inputs: Properties) -> dict[str, str]:
        """No host, or days that no client would take."""
        hosts = inputs["hosts"]
        found = whole_number(inputs, "days", SHORTEST_DAYS, LONGEST_DAYS)
        if hosts is not UNKNOWN and not (isinstance(hosts, list) and hosts and all(map(_is_host, hosts))):
            found["hosts"] = f"hosts must be a list of host names and addresses in small letters, at least one, not {hosts!r}."
        return found

    def made(self, inputs: Properties, _report: Report) -> Properties:
        """A new key, signed by a new authority."""
        leaf, authority = pki.sole("iotlab", tuple(inputs["hosts"]), inputs["days"])
        return {
            "certificate": leaf.certificate.public_bytes(Encoding.PEM).decode(),
            "key": Secret(pki.key_text(leaf.key).decode()),
            "ca": authority.public_bytes(Encoding.PEM).decode(),
            "notAfter": leaf.certificate.not_valid_after_utc.isoformat(),
        }

    def unknown(self) -> Properties:
        """Outputs that a preview doesn't know yet."""
        return {"certificate": UNKNOWN, "key": Secret(UNKNOWN), "ca": UNKNOWN, "notAfter": UNKNOWN}

    def outlived(self, state: Properties) -> list[str]:
        """The end, when it is near."""
        end = dt.datetime.fromisoformat(state["notAfter"])
        return ["notAfter"] if end - dt.datetime.now(dt.UTC) < dt.timedelta(days=RENEW_DAYS) else []
