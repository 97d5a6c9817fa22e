"""The embedded cluster as the rest of the lab uses it: start, stop, purge, status, load images."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from infra.lab.cluster import addons, config, leftovers, lock, network, pki, preflight, status
from infra.lab.cluster.api import Api, answered, deployment_ready, node_ready
from infra.lab.cluster.exposure import forwards
from infra.lab.cluster.forward import Forward
from infra.lab.cluster.images import ImageStore
from infra.lab.cluster.layout import NODE, Binaries, Folders, search_also
from infra.lab.cluster.lock import Owner
from infra.lab.cluster.network import Network
from infra.lab.cluster.parts import parts
from infra.lab.cluster.status import ClusterStatus
from infra.lab.console import Steps
from infra.lab.errors import LabError, UserError, last_line
from infra.lab.paths import ROOT, Paths

# Limits are for machines ten times slower than a laptop; what can't succeed is noticed long before (HOPELESS_RESTARTS).
SUPERVISOR_LIMIT_S = 60.0
START_LIMIT_S = 600.0
STOP_LIMIT_S = 180.0
STATUS_LIMIT_S = 10.0
HOPELESS_RESTARTS = 6
RUNTIME = (
    "inner",
    "outer",
    "supervise",
    "parts",
    "layout",
    "network",
    "forward",
    "cgroups",
    "lock",
)


class Cluster:
    """One machine's cluster. Starting twice is the same as once; a start that was killed can be repeated."""

    def __init__(
        self, paths: Paths, steps: Steps, binaries: Binaries, device_cidr: Callable[[], str | None] = lambda: None
    ) -> None:
        """`device_cidr` tells the one private network to which MQTT is opened; stopping does not ask it."""
        self.paths = paths
        self.folders = Folders(paths.cluster)
        self._steps = steps
        self._binaries = binaries
        self._device_cidr = device_cidr
        search_also(binaries.bin)

    def owner(self) -> Owner | None:
        """Whose lab runs on this machine."""
        return lock.read()

    def _own(self) -> Owner | None:
        """The running lab if it is this one.

        Raises:
            UserError: another lab runs on this machine.
        """
        owner = self.owner()
        if owner and owner.state != str(self.paths.state):
            raise UserError(f"{owner} is running on this machine; stop it there first with ./lab down.")
        return owner

    def check(self) -> None:
        """Refuse now what `start` would refuse, before minutes are spent on building what it runs.

        Raises:
            UserError: the machine lacks something, or another lab runs on it.
        """
        owner = self._own()
        carried = forwards("the node", self._device_cidr())
        if not owner and not leftovers.processes(self.paths):  # those of a killed lab hold its ports until `start` ends them
            preflight.check_early(carried)

    def start(self, addon_images: Path | None = None) -> None:
        """Start everything; returns when the node is Ready and names and volumes work.

        Raises:
            UserError: the machine lacks something, or another lab runs on it.
            LabError: it did not come up; names the log.
        """
        self._binaries.check()
        owner = self._own()
        self.folders.make()
        archive = addon_images or addons.build_images(self._binaries.bin, self.folders.images)
        images = addons.image_names(archive)
        if owner and self._adopt(owner, images) and self._furnished(owner, archive, images):
            return
        with self._steps.step("Start the cluster"):
            owner = self._launch(images)
            self._await("the API server", lambda: self._api().ready())
        with self._steps.step("Node, names and volumes"):
            self._furnish(owner, archive, images)

    def _furnished(self, owner: Owner, archive: Path, images: dict[str, str]) -> bool:
        """Complete a cluster that was found running; False if it has ended meanwhile (a dying one is found too)."""
        try:
            with self._steps.step("Node, names and volumes"):
                self._furnish(owner, archive, images)
        except LabError:
            if self._own():
                raise
            return False
        return True

    def _spec(self, chosen: Network, images: dict[str, str]) -> dict[str, Any]:
        """What the supervisor runs, with a fingerprint of everything that needs a restart when it changes."""
        here = Path(__file__).parent
        programs = [(self._binaries.bin / name).resolve() for name in Binaries.NEEDED]
        sources = [hashlib.sha256((here / f"{name}.py").read_bytes()).hexdigest() for name in RUNTIME]
        stamps = [f"{program} {program.stat().st_size} {program.stat().st_mtime_ns}" for program in programs]
        files = [config.kubelet(chosen), config.containerd(self._binaries.cni, images["pause"]), config.cni(chosen)]
        spec: dict[str, Any] = {
            "network": asdict(chosen),
            "bin": str(self._binaries.bin),
            "keep": sorted(
                {str(path) for path in (ROOT, self.paths.cache, self._binaries.bin, self._binaries.cni, Path(sys.prefix))}
            ),
            "parts": [asdict(part) for part in parts(chosen)],
        }
        spec["fingerprint"] = hashlib.sha256(json.dumps([spec, sources, stamps, files]).encode()).hexdigest()
        return spec

    def _adopt(self, owner: Owner, images: dict[str, str]) -> bool:
        """Take over the running cluster if it is what is wanted now; else stop it and say False."""
        chosen = network.choose(self.folders.network, ())
        spec = self._spec(chosen, images)
        wanted = [asdict(forward) for forward in forwards(chosen.node, self._device_cidr())]
        try:
            running = json.loads(self.folders.spec.read_text())
        except (OSError, ValueError):
            running = {}
        if running.get("fingerprint") != spec["fingerprint"]:
            self.stop()
            return False
        if running["forwards"] != wanted:
            preflight.check_ports([Forward(**new) for new in wanted if new not in running["forwards"]])
            self._write_spec(spec | {"forwards": wanted})
            os.kill(owner.pid, signal.SIGHUP)
        return True

    def _write_spec(self, spec: dict[str, Any]) -> None:
        pki.write_private(self.folders.spec, json.dumps(spec, indent=1).encode())

    def _launch(self, images: dict[str, str]) -> Owner:
        leftovers.remove(self.paths)
        chosen = network.choose(self.folders.network, network.machine_routes())
        carried = forwards(chosen.node, self._device_cidr())
        preflight.check(self._binaries, self.folders, carried)
        pki.ensure(self.folders.pki, pki.wanted(NODE, chosen.node, chosen.api))
        config.write(self.folders, chosen, self._binaries.cni, images["pause"], self.paths.kubeconfig)
        self._write_spec(self._spec(chosen, images) | {"forwards": [asdict(forward) for forward in carried]})
        log = self._log
        log.write_bytes(b"")
        env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        words = ["setsid", "--fork", sys.executable, "-m", "infra.lab.cluster.outer", str(self.folders.home)]
        with log.open("ab") as output:
            subprocess.run(words, cwd="/", env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=True)
        deadline = time.monotonic() + SUPERVISOR_LIMIT_S
        while time.monotonic() < deadline:
            if owner := self._own():
                return owner
            self._raise_if_said()
            time.sleep(0.02)
        raise LabError(f"the cluster's supervisor didn't start; see {log}.")

    @property
    def _log(self) -> Path:
        return self.folders.logs / "supervisor.log"

    def _raise_if_said(self) -> None:
        if said := self._log.read_text(errors="replace").strip().splitlines():
            raise LabError(f"the cluster did not start: {said[-1]} (log: {self._log})")

    def _api(self) -> Api:
        chosen = network.choose(self.folders.network, ())
        return Api(chosen.node, self.folders.pki)

    def _await(self, what: str, there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while not answered(there):
            if self._own() is None:
                self._raise_if_said()
                raise LabError(f"the cluster ended while {what} was awaited; see {self._log}.")
            self._raise_if_hopeless()
            if time.monotonic() > deadline:
                raise LabError(f"{what} didn't come up within {START_LIMIT_S:.0f} s; see the logs in {self.folders.logs}.")
            time.sleep(0.1)

    def _raise_if_hopeless(self) -> None:
        owner = self.owner()
        for part in status.parts(self.folders, owner) if owner else ():
            if part.pid is None and part.restarts >= HOPELESS_RESTARTS:
                log = self.folders.logs / f"{part.name}.log"
                last = last_line(log.read_text(errors="replace"), "none")
                raise LabError(f"{part.name} keeps ending ({part.last_exit}), its last words: {last} (log: {log})")

    def _furnish(self, owner: Owner, archive: Path, images: dict[str, str]) -> None:
        self._await("the API server", lambda: self._api().ready())
        self._await("containerd", lambda: self._store_answers(owner))
        self._store(owner).load(archive)
        api = self._api()
        for manifest in addons.manifests(network.choose(self.folders.network, ()), images):
            self._await(f"{manifest['kind']} {manifest['metadata']['name']}", partial(api.apply, manifest))
        self._await("the node", lambda: node_ready(api, owner.since))
        for namespace, name in addons.DEPLOYMENTS:
            self._await(f"{name} in {namespace}", partial(deployment_ready, api, namespace, name, owner.since))

    def _store(self, owner: Owner) -> ImageStore:
        init = status.init_pid(owner)
        if init is None:
            raise LabError(f"the cluster's first process is gone; see {self._log} and run ./lab up again.")
        return ImageStore(init, self._binaries.bin / "ctr")

    def _store_answers(self, owner: Owner) -> bool:
        try:
            self._store(owner).present()
        except LabError:
            return False
        return True

    def load_images(self, archive: Path) -> None:
        """Load the images of an OCI archive that aren't there yet.

        Raises:
            LabError: the cluster isn't running, or the archive is broken.
        """
        owner = self._own()
        if owner is None:
            raise LabError("the cluster isn't running, so no images can be loaded; run ./lab up.")
        store = self._store(owner)
        if store.missing(archive):
            with self._steps.step("Load images into the cluster"):
                store.load(archive)

    def status(self) -> ClusterStatus:
        """The cluster at this moment."""
        owner = self.owner()
        if owner is None or owner.state != str(self.paths.state):
            return ClusterStatus(running=False, owner=owner, parts=(), node_ready=False, uptime_s=0.0)
        try:
            api = Api(network.choose(self.folders.network, ()).node, self.folders.pki, timeout_s=STATUS_LIMIT_S)
            ready = node_ready(api, owner.since)
        except LabError:
            ready = False
        found = status.parts(self.folders, owner)
        return ClusterStatus(running=True, owner=owner, parts=found, node_ready=ready, uptime_s=status.uptime_s(owner))

    def stop(self) -> None:
        """End everything, in order, and make sure that nothing is left.

        Raises:
            UserError: the running lab is another one.
            LabError: names what is left.
        """
        with self._steps.step("Stop the cluster"):
            if owner := self._own():
                self._end(owner)
            leftovers.remove(self.paths)
            if left := leftovers.find(self.paths):
                raise LabError(f"the cluster has ended but left on this machine: {'; '.join(left)}.")

    def _end(self, owner: Owner) -> None:
        deadline = time.monotonic() + STOP_LIMIT_S
        with contextlib.suppress(ProcessLookupError):
            os.kill(owner.pid, signal.SIGTERM)
            while self.owner() == owner:
                if time.monotonic() > deadline + SUPERVISOR_LIMIT_S:
                    raise LabError(f"the cluster's supervisor (process {owner.pid}) does not end, even when killed.")
                if time.monotonic() > deadline:
                    os.kill(owner.pid, signal.SIGKILL)
                time.sleep(0.05)

    def purge(self) -> None:
        """Remove everything the cluster keeps, volumes included; a running one is refused."""
        if self._own():
            raise UserError("the cluster is running; stop it first with ./lab down.")
        leftovers.remove(self.paths)
        if self.paths.cluster.exists():
            shutil.rmtree(self.paths.cluster)
