"""What several verbs ask for alike."""

from __future__ import annotations

from typing import Annotated

import typer

StackName = Annotated[str, typer.Option("--stack", "-s", help="Which Pulumi.<stack>.yaml.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
