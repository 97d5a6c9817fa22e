"""The address of a container registry, as a stack's file names it, and the references of the lab's images in it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

HTTP = "http://"
FORM = re.compile(r"(?P<host>[A-Za-z0-9.-]+(?::\d{1,5})?)(?P<prefix>(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)")


@dataclass(frozen=True, slots=True)
class RegistryAddress:
    """`host[:port][/prefix]`, reached by https unless it was written with http://."""

    scheme: str
    host: str
    prefix: str

    @classmethod
    def parse(cls, text: str) -> RegistryAddress:
        """Read `host[:port][/prefix]`, `http://` in front only for this machine or a private network.

        Raises:
            ValueError: it isn't one; the message says what to write.
        """
        plain = text.startswith(HTTP)
        found = FORM.fullmatch(text.removeprefix(HTTP))
        if not found or not re.search(r"[.:]|^localhost$", found["host"]):
            raise ValueError(
                f"'{text}' is no registry: write host:port or host.domain, then /prefix if it needs one "
                "(small letters), as in localhost:5000 or registry.example.org/team"
            )
        if plain and not _private(found["host"].split(":")[0]):
            raise ValueError(f"'{text}' would send images unencrypted: {HTTP} is for localhost and private addresses only")
        return cls("http" if plain else "https", found["host"], found["prefix"])

    @property
    def url(self) -> str:
        """Where the registry's API is."""
        return f"{self.scheme}://{self.host}"

    def repository(self, name: str) -> str:
        """The repository of the image `name`, without the host, as the API wants it."""
        return f"{self.prefix}/{name}".lstrip("/")

    def reference(self, name: str, digest: str) -> str:
        """How a pod asks for exactly this image."""
        return f"{self.host}/{self.repository(name)}@{digest}"


def _private(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False
