"""What people changed in a running lab and `up` therefore left as it is, each with its difference from the lab's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from infra.lab.errors import LabError

if TYPE_CHECKING:
    from infra.lab.lab import Lab

IN_JUPYTER = ("exec", "jupyter-0", "-c", "jupyter", "--", "python3")
PROVISION = ("/opt/iotlab/provision.py", "--kept", "/opt/iotlab/notebooks", "/home/lab")
MOST_LINES = 20  # of one difference, on a terminal


def kept_notebooks(lab: Lab) -> dict[str, list[str]]:
    """Changed notebook -> its unified diff; nothing where there is no Jupyter or it gives no answer (the doctor tells that)."""
    if not lab.settings.has("jupyter"):
        return {}
    try:
        found: dict[str, list[str]] = json.loads(lab.kube.run(*IN_JUPYTER, *PROVISION))
    except (LabError, ValueError):
        return {}
    return found


def told(kept: dict[str, list[str]]) -> list[str]:
    """What a person reads of it, line by line."""
    lines = []
    for name, difference in kept.items():
        lines.append(
            f"Kept: {name} was changed in Jupyter. For the lab's own one rename yours, then kubectl delete pod jupyter-0"
        )
        lines += [f"  {line}" for line in difference[:MOST_LINES]]
        if len(difference) > MOST_LINES:
            lines.append(f"  … and {len(difference) - MOST_LINES} more lines")
    return lines
