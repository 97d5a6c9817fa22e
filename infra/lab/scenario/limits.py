"""What a machine can carry of a scenario, asked before anything starts."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path

import psutil

from infra.lab import costs
from infra.lab.scenario.forecast import OTHER_FILES, SESSIONS_OF_A_PROCESS, Forecast

MSG_S_OF_A_CORE = int(costs.FLEET_RATE.value)  # 33,000 on two cores was the edge
PROCESSES_OF_A_CORE = 50  # of a fleet; reasoned, not measured: 2.4 GB of them at rest, each with timers of its own
SYSTEM = Path("/proc/sys")
MORE = "take fewer clients, or more brokers (a larger iotlab:scale, or --broker once for each)"
USUAL_PORTS = "32768 60999"  # Linux's own default, where nobody may know


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is; `tracked` is None where connections are not tracked, or nobody may know."""

    cores: int
    memory_mb: int  # that programs can still have
    files: int  # of one process
    all_files: int | None  # of all together; None where nobody may know
    ports: int  # for one own address and one port of a server
    tracked: int | None  # connections that connection tracking still has room for

    @classmethod
    def here(cls) -> Machine:
        """This one, now."""
        _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
        first, last = (_said("net/ipv4/ip_local_port_range") or USUAL_PORTS).split()
        every = _said("fs/file-max")
        return cls(
            cores=psutil.cpu_count() or 1,
            memory_mb=psutil.virtual_memory().available // 2**20,
            files=2**30 if files == resource.RLIM_INFINITY else files,
            all_files=int(every) if every else None,
            ports=int(last) - int(first) + 1,
            tracked=_tracked(),
        )


def _said(name: str) -> str:
    """A setting of the kernel; empty where it has none of that name, or nobody may read it."""
    try:
        return (SYSTEM / name).read_text()
    except OSError:
        return ""


def most_tracked() -> int | None:
    """Connections that are tracked at most; None as in `Machine`."""
    most = _said("net/netfilter/nf_conntrack_max")
    return int(most) if most else None


def _tracked() -> int | None:
    most, now = most_tracked(), _said("net/netfilter/nf_conntrack_count")
    return max(0, most - int(now)) if most is not None and now else None


def refusal(found: Forecast, machine: Machine) -> str:
    """Why the machine cannot carry that: the need, the limit and what to do; empty if it can."""
    checks = (_processes, _files_of_a_broker, _all_files, _memory, _connections, _ports, _rate)
    return next(filter(None, (check(found, machine) for check in checks)), "")


def _rate(found: Forecast, machine: Machine) -> str:
    most = MSG_S_OF_A_CORE * machine.cores
    if found.msg_s <= most:
        return ""
    return (
        f"it sends {found.msg_s:,.0f} messages a second at its height, and {machine.cores} cores carry up to {most:,}: "
        "take fewer clients or a longer interval"
    )


def _processes(found: Forecast, machine: Machine) -> str:
    each = max(0, min(SESSIONS_OF_A_PROCESS, machine.files - OTHER_FILES))
    most = each * PROCESSES_OF_A_CORE * machine.cores
    if found.clients <= most:
        return ""
    return (
        f"its {found.clients:,} clients need as many open files, and {PROCESSES_OF_A_CORE * machine.cores} processes on "
        f"{machine.cores} cores have {most:,} for them, {each:,} each: take fewer clients, or raise ulimit -Hn where it is below "
        f"{SESSIONS_OF_A_PROCESS + OTHER_FILES:,}"
    )


def _files_of_a_broker(found: Forecast, machine: Machine) -> str:
    need = -(-found.clients // found.shards) + OTHER_FILES
    if need <= machine.files:
        return ""
    return (
        f"each of {found.shards} brokers needs {need:,} open files, and a process may have {machine.files:,}: {MORE}, "
        "or raise ulimit -Hn"
    )


def _all_files(found: Forecast, machine: Machine) -> str:
    if machine.all_files is None or found.files <= machine.all_files:
        return ""
    return f"it needs {found.files:,} files, and the system has {machine.all_files:,}: raise fs.file-max, or take fewer clients"


def _memory(found: Forecast, machine: Machine) -> str:
    if found.memory_mb <= machine.memory_mb:
        return ""
    return f"it needs {found.memory_mb:,} MB of memory, and {machine.memory_mb:,} MB are available: take fewer clients"


def _connections(found: Forecast, machine: Machine) -> str:
    if machine.tracked is None or found.clients <= machine.tracked:
        return ""
    return (
        f"its {found.clients:,} connections need as many entries of connection tracking, and {machine.tracked:,} are free: raise "
        "net.netfilter.nf_conntrack_max, wait two minutes after another run, or take fewer clients"
    )


def _ports(found: Forecast, machine: Machine) -> str:
    need = -(-found.clients // found.shards)
    if need <= machine.ports:
        return ""
    return (
        f"each of {found.shards} shards gets {need:,} connections, and one address has {machine.ports:,} local ports for them: "
        f"{MORE}, or widen net.ipv4.ip_local_port_range"
    )
