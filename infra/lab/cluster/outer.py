"""The supervisor's part on this machine's network: holds the lock, makes the namespaces, carries the exposed ports.

When it ends, however it ends, everything it started ends with it: the kernel kills `unshare` with its parent, that
kills PID 1 of the namespace, and that takes all processes, mounts and links along. What the kernel keeps (cgroups) is
removed here or by the next `start`.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from infra.lab.cluster import cgroups
from infra.lab.cluster.forward import Forward, Forwarder
from infra.lab.cluster.layout import Folders
from infra.lab.cluster.lock import Lock
from infra.lab.cluster.network import Network, join_link, remove_link
from infra.lab.errors import LabError
from infra.lab.paths import ROOT

UP_LIMIT_S = 60.0
STOP_LIMIT_S = 150.0  # the pods' 60 s, and seven parts that each may take their time


def _forwards(folders: Folders) -> list[Forward]:
    return [Forward(**item) for item in json.loads(folders.spec.read_text())["forwards"]]


async def _unshare(folders: Folders, binaries: Path) -> asyncio.subprocess.Process:
    path = f"{binaries}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    env = {"PATH": path, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    return await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "SIGKILL"),
        *("unshare", "--pid", "--fork", "--mount", "--net", "--uts", "--ipc", "--kill-child", "--mount-proc"),
        *(sys.executable, "-m", "infra.lab.cluster.inner", str(folders.home)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=env,
        cwd="/",
    )


async def _connect(inner: asyncio.subprocess.Process, network: Network) -> None:
    if inner.stdout is None or inner.stdin is None:
        raise LabError("the cluster's first process has no pipes.")
    async with asyncio.timeout(UP_LIMIT_S):
        word = await inner.stdout.readline()
    if word != b"up\n":
        raise LabError("the cluster's first process ended before its namespaces stood.")
    children = psutil.Process(inner.pid).children()
    if len(children) != 1:
        raise LabError("the cluster's first process ended early.")
    remove_link()
    join_link(network, children[0].pid)
    inner.stdin.write(b"link\n")
    await inner.stdin.drain()


async def _stop(inner: asyncio.subprocess.Process) -> None:
    if inner.returncode is None and inner.stdin is not None:
        with suppress(OSError):
            inner.stdin.write(b"stop\n")
            await inner.stdin.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_LIMIT_S):
                await inner.wait()
    if inner.returncode is None:
        inner.kill()
        await inner.wait()


async def run(folders: Folders) -> None:
    """Run the cluster until told to stop or until its first process ends."""
    spec = json.loads(folders.spec.read_text())
    forwarder = Forwarder()
    stopping = asyncio.Event()
    reload = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    inner = await _unshare(folders, Path(spec["bin"]))
    try:
        await _connect(inner, Network(**spec["network"]))
        await forwarder.use(_forwards(folders))
        waits = {name: asyncio.create_task(wait) for name, wait in (("end", inner.wait()), ("stop", stopping.wait()))}
        while not any(wait.done() for wait in waits.values()):
            again = asyncio.create_task(reload.wait())
            await asyncio.wait([*waits.values(), again], return_when=asyncio.FIRST_COMPLETED)
            if again.done():
                reload.clear()
                try:
                    await forwarder.use(_forwards(folders))
                except OSError as refused:  # `up` has tried the ports a moment ago; the cluster goes on without the new one
                    sys.stderr.write(f"a port could not be opened: {refused}\n")
            again.cancel()
        await forwarder.use([])
    finally:
        await _stop(inner)


def main(home: Path) -> int:
    """Hold the lock and run; 3 when another lab has it."""
    folders = Folders(home)
    lock = Lock()
    if not lock.take(home.parent):
        return 3
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        cgroups.make()
        cgroups.join()
        asyncio.run(run(folders))
    except (LabError, OSError, TimeoutError) as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    finally:
        cgroups.leave()
        remove_link()
        cgroups.remove()
        folders.status.unlink(missing_ok=True)
        lock.release()
    return 0


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main(Path(sys.argv[1])))
