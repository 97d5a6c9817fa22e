"""What the system must allow a fleet: files to open, and local ports. Asked before anything is connected."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from runtime.settings import ConfigurationError

OTHER_FILES: Final = 100  # logs, epoll, the status port and who asks there
TRACKED, MOST_TRACKED = (Path(f"/proc/sys/net/netfilter/nf_conntrack_{name}") for name in ("count", "max"))
PORT_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def raise_files(sessions: int) -> None:
    """Let this process have as many files as it may.

    Raises:
        ConfigurationError: that is too few.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    check_files(sessions, hard)


def check_files(sessions: int, limit: int) -> None:
    """Refuse more sessions than files.

    Raises:
        ConfigurationError: there are fewer than sessions and `OTHER_FILES` need.
    """
    if limit != resource.RLIM_INFINITY and sessions + OTHER_FILES > limit:
        raise ConfigurationError(
            f"{sessions} devices need {sessions + OTHER_FILES} open files and a process may have {limit} here: "
            "raise the limit (ulimit -n) or share the devices among several fleets (FLEET_FIRST)"
        )


@cache
def port_range() -> tuple[int, int]:
    """The first and the last port that a client may get."""
    first, last = PORT_RANGE.read_text().split()
    return int(first), int(last)


def local_ports() -> int:
    """How many ports a client may get for one address of its own and one port of one server."""
    first, last = port_range()
    return last - first + 1


def check_ports(shards: Iterable[int], sources: int, ports: int) -> None:
    """Refuse more sessions to one shard than local ports; `shards` has each session's, `sources` is how many own addresses.

    Raises:
        ConfigurationError: there are too few.
    """
    shard, sessions = max(Counter(shards).items(), key=lambda item: item[1], default=(0, 0))
    have = ports * max(sources, 1)
    if sessions > have:
        raise ConfigurationError(
            f"{sessions} devices belong to shard {shard} and there are {have} local ports to reach it from: "
            "name more addresses of this machine in FLEET_SOURCES (127.0.0.2 and so on for loopback) or use more shards"
        )


def few_tracked(sessions: int, tracked: Path = TRACKED, most: Path = MOST_TRACKED) -> str | None:
    """What to warn of if the kernel follows connections and has no room for these; only it knows whether it follows them."""
    try:
        used, limit = int(tracked.read_text()), int(most.read_text())
    except (OSError, ValueError):
        return None
    if used + sessions <= limit:
        return None
    return (
        f"{sessions} devices need {sessions} entries of connection tracking, and {used} of {limit} are taken: "
        "raise net.netfilter.nf_conntrack_max, or connections will be dropped without a word"
    )
