"""A port of the cluster on this machine's loopback, through the API server.

That is the one way that every cluster has: kind on macOS has no node ports that this machine reaches, a cluster elsewhere
has a firewall in front of them. The embedded cluster's are on loopback already, and are asked there as a person would.
"""

from __future__ import annotations

import re
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from infra import wiring
from infra.lab.errors import LabError
from infra.wiring import Endpoint

if TYPE_CHECKING:
    from infra.lab.lab import Lab

ANSWER_WITHIN_S = 60.0
FORWARDED = re.compile(rb"127\.0\.0\.1:(\d+)")


@contextmanager
def forwarded(lab: Lab, endpoint: Endpoint) -> Iterator[int]:
    """Give the port of loopback that leads to `endpoint` while the body runs.

    Raises:
        LabError: it could not be forwarded.
    """
    command = ["kubectl", "port-forward", "--address=127.0.0.1", f"service/{endpoint.host}", f":{endpoint.port}"]
    forward = subprocess.Popen(
        command, env=lab.stack.process_env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        said = select.select([forward.stdout], [], [], ANSWER_WITHIN_S)[0] if forward.stdout else []
        found = FORWARDED.search(said[0].readline()) if said else None
        if not found:
            raise LabError(f"the port of {endpoint.host} could not be forwarded; ./lab status says whether it runs")
        yield int(found.group(1))
    finally:
        forward.terminate()
        forward.wait(timeout=10)


@contextmanager
def outside_port(lab: Lab, service: str, port: int | None = None) -> Iterator[int]:
    """Give the port of loopback on which this machine reaches a service that is open to the outside.

    `port` is the service's own and says which one, where several are open; without it, it is the first.

    Raises:
        LabError: it could not be forwarded.
    """
    if lab.embedded:
        yield wiring.node_port(service, port)
        return
    inside = next(exposed.port for exposed in wiring.EXPOSED if exposed.service == service and port in {None, exposed.port})
    with forwarded(lab, Endpoint(service, inside)) as own:
        yield own
