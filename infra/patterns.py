"""What values of a stack's file look like, from the first character to the last: the same for settings and for user data."""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple


class Shape(NamedTuple):
    """What a value looks like as a whole, and what to say of one that does not."""

    pattern: re.Pattern[str]
    is_no: str  # what it isn't, and what to write

    def fault(self, value: str) -> str:
        """What is wrong with it, as a sentence without its full stop; empty if nothing is."""
        return "" if self.pattern.fullmatch(value) else f"'{' '.join(value.split())}' is no {self.is_no}"

    def check(self, value: str) -> str:
        """Let it through.

        Raises:
            ValueError: what is wrong with it, and what to write.
        """
        if fault := self.fault(value):
            raise ValueError(fault)
        return value


HOST_NAME = Shape(
    re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"), "host name; write small letters, digits and -, as in modtec-07-st17a"
)
REGION = Shape(re.compile(r"[a-z]{2}(-[a-z]+)+-\d"), "region of AWS; write its code, as in eu-central-1")
CHANNEL = Shape(re.compile(r"\d+\.\d+(-strict)?/(stable|candidate)"), "channel of MicroK8s; write one as in 1.34/stable")
REPOSITORY = Shape(
    re.compile(r"https://[^/@\s]+/\S+"), "https address without a login; write one as in https://example.org/course.git"
)
COMMIT = Shape(
    re.compile(r"[0-9a-f]{40}"), "whole commit; write its 40 hexadecimal digits, as git rev-parse HEAD shows: a branch would move"
)
SHA256 = Shape(re.compile(r"[0-9a-f]{64}"), "SHA-256; write its 64 hexadecimal digits in small letters")
END_POINT = Shape(
    re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"),
    "name or address of a VPN gateway; write it without a port, as in vpn.example.org",
)
# No Shapes, as what doesn't fit may be a secret that is not to be repeated.
WIREGUARD_KEY = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=")  # 32 bytes in base64
BUNDLE_URL = re.compile(r"(s3://[a-z0-9.-]+/\S+|https?://[^/@\s]+/\S+|file:///\S+)")
SSH_KEY = re.compile(
    r"(?:ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp(?:256|384|521)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
    r" ([A-Za-z0-9+/]{40,}={0,2})(?: [^\n]*)?"
)


def is_ssh_key(line: str) -> bool:
    """Whether this is an ssh public key in one line: type, base64, and a comment if there is one."""
    found = SSH_KEY.fullmatch(line)
    try:
        return bool(found and base64.b64decode(found.group(1), validate=True))
    except binascii.Error:
        return False
