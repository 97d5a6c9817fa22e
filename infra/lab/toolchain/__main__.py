"""Debugging entry: make the toolchain, or the parts named as arguments, and print the table of parts.

`python -m infra.lab.toolchain [--verify] [part …]`
"""

from __future__ import annotations

import sys

from rich.table import Table

from infra.lab.console import Steps, console
from infra.lab.errors import LabError
from infra.lab.paths import Paths
from infra.lab.toolchain import Toolchain


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    paths = Paths.from_environment()
    toolchain = Toolchain(paths, Steps(paths))
    try:
        toolchain.ensure(*(word for word in arguments if not word.startswith("-")))
        damaged = toolchain.verify() if "--verify" in arguments else []
    except LabError as failed:
        console.print(f"[red]✗[/] {failed}", soft_wrap=True)
        return failed.exit_code
    table = Table("part", "version", "origin", "sha256", "made in", "")
    for part in toolchain.describe():
        table.add_row(part.part, part.version, part.origin or "-", part.sha256[:16], f"{part.seconds:.0f} s", part.fault or "ok")
        for source in toolchain.sources()[part.part]:
            table.add_row(f"  [dim]{source.name}", f"[dim]{source.version}", "", f"[dim]{source.sha256[:16]}", "", "")
    console.print(table)
    for file in damaged:
        console.print(f"[red]changed:[/] {file}")
    return 1 if damaged else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
