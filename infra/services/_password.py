"""A generated password: made once by the lab's own plugin, kept only as a Pulumi secret, renewed by an explicit counter."""

from __future__ import annotations

import pulumi


class Password(pulumi.CustomResource):
    """Letters and digits; `value` is secret and stays the same until `rotation` or `length` changes."""

    value: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        length: pulumi.Input[int] = 32,
        rotation: pulumi.Input[int] = 0,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`length` in characters (16 to 128); raise `rotation` by one to get a new password at the next `up`."""
        options = pulumi.ResourceOptions.merge(pulumi.ResourceOptions(additional_secret_outputs=["value"]), opts)
        super().__init__("iotlab:index:Password", name, {"length": length, "rotation": rotation, "value": None}, options)
