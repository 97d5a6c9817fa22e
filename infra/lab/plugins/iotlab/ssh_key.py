"""`iotlab:index:SshKey`: the key by which a stack itself enters its machines, so that nobody's own is needed."""

from __future__ import annotations

from typing import ClassVar

from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.lab.plugins.iotlab.kind import Kind, Report
from infra.lab.plugins.values import UNKNOWN, Properties, Secret


class SshKey(Kind):
    """An ed25519 key, made once. It can't be renewed: machines would lock the new one out that is to bring itself."""

    urn_type: ClassVar[str] = "iotlab:index:SshKey"
    defaults: ClassVar[Properties] = {"comment": "iotlab-gate"}
    idle: ClassVar[frozenset[str]] = frozenset({"comment"})

    def refused(self, inputs: Properties) -> dict[str, str]:
        """A comment that would not stand in one word."""
        comment = inputs["comment"]
        if comment is UNKNOWN or (isinstance(comment, str) and comment.isprintable() and comment and " " not in comment):
            return {}
        return {"comment": f"comment must be one word, not {comment!r}."}

    def made(self, inputs: Properties, _report: Report) -> Properties:
        """A new key."""
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.OpenSSH, forms.NoEncryption()).decode()
        public = key.public_key().public_bytes(forms.Encoding.OpenSSH, forms.PublicFormat.OpenSSH).decode()
        return {"public": f"{public} {inputs['comment']}", "private": Secret(private)}

    def unknown(self) -> Properties:
        """Outputs that a preview doesn't know yet."""
        return {"public": UNKNOWN, "private": Secret(UNKNOWN)}
