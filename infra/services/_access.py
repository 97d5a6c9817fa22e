"""What one component hands to the next: an endpoint, and the login that opens it."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra import wiring
from infra.services._password import Password
from infra.wiring import Endpoint

PASSWORD_KEY = "password"  # noqa: S105 - the name of a key in a Secret


@dataclass(frozen=True, slots=True)
class Access:
    """An endpoint, what must be there before it can be used, and the login if it needs one.

    `secret` names the Secret that holds the password under the key `password`.
    """

    endpoint: Endpoint
    needs: tuple[pulumi.Resource, ...]
    user: str = ""
    secret: str = ""

    @property
    def password_file(self) -> str:
        """Where the chart `app` mounts the password."""
        return f"/run/secrets/{self.secret}/{PASSWORD_KEY}"


class Users:
    """The generated logins of one server: one Secret with all of them for itself, and one for each client alone.

    A client's pod can so be given its own password and no other.
    """

    def __init__(self, endpoint: Endpoint, names: list[str], rotation: int, parent: pulumi.Resource) -> None:
        """`names` are user names; `rotation` is raised to replace every password."""
        opts = pulumi.ResourceOptions(parent=parent)
        self.endpoint = endpoint
        self.secret = f"{endpoint.host}-users"
        self.passwords = {name: Password(f"{endpoint.host}-{name}", rotation=rotation, opts=opts) for name in names}
        self.made = _secret(self.secret, {name: password.value for name, password in self.passwords.items()}, opts)
        self._single = {
            name: _secret(f"{endpoint.host}-{name}", {PASSWORD_KEY: password.value}, opts)
            for name, password in self.passwords.items()
        }

    def access(self, user: str, server: pulumi.Resource) -> Access:
        """The login of `user` at `server`, to be handed to the component that uses it."""
        return Access(self.endpoint, (server, self._single[user]), user, f"{self.endpoint.host}-{user}")


def _secret(name: str, values: dict[str, pulumi.Output[str]], opts: pulumi.ResourceOptions) -> k8s.core.v1.Secret:
    metadata = k8s.meta.v1.ObjectMetaArgs(name=name, namespace=wiring.NAMESPACE)
    return k8s.core.v1.Secret(name, metadata=metadata, string_data=values, opts=opts)
