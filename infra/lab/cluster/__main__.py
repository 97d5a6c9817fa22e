"""For debugging the cluster alone: `python -m infra.lab.cluster start|stop|status|purge`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from infra.lab.cluster.cluster import Cluster
from infra.lab.cluster.layout import Binaries
from infra.lab.console import Steps, console
from infra.lab.errors import LabError
from infra.lab.paths import Paths


def main() -> int:
    """Do what the one word says."""
    parser = argparse.ArgumentParser(prog="python -m infra.lab.cluster")
    parser.add_argument("verb", choices=["start", "stop", "status", "purge"])
    parser.add_argument("--bin", type=Path, help="folder of the programs, instead of the cache's")
    parser.add_argument("--cni", type=Path, help="folder of the network plugins")
    parser.add_argument("--device-cidr", help="private network to which MQTT is opened")
    words = parser.parse_args()
    paths = Paths.from_environment()
    programs = words.bin or paths.bin
    cluster = Cluster(paths, Steps(paths), Binaries(programs, words.cni or programs / "cni"), lambda: words.device_cidr)
    try:
        if words.verb == "status":
            sys.stdout.write(json.dumps(cluster.status().as_json(), indent=1) + "\n")
        else:
            {"start": cluster.start, "stop": cluster.stop, "purge": cluster.purge}[words.verb]()
    except LabError as failure:
        console.print(f"[red]{failure}[/]", soft_wrap=True)
        return failure.exit_code
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
