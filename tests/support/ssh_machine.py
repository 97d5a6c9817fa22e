"""A machine of the cloud as a process of the test's: a real SSH server on loopback, with a folder as its file system.

It is told its user data as cloud-init would be, lays the files down, and runs the real lab-stage over its stages; each stage's
script is replaced by one that does nothing, because the real ones would change this machine. The commands sudo, systemctl, lab,
kubectl, df and journalctl are the test's.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko
import yaml
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.cloud import gate_files
from tests.support.machine_programs import PROGRAMS, STAGE

ADDRESS = "127.77.0.1"
BLOCK = 65_536
WITHIN_S = 60
GREEN: dict[str, Any] = {
    "ok": True,
    "hops": [{"name": "mqtt", "from": "canary", "to": "mosquitto", "latency_ms": 1.5, "ok": True, "why": None}],
    "services": [{"name": "kafka", "ok": True, "why": None}],
    "left_out": {},
}
RED = GREEN | {"ok": False, "services": [{"name": "kafka", "ok": False, "why": "kafka-0 is not ready; look at ./lab logs kafka"}]}
ACCESS = {"mosquitto": {"url": "mqtt://127.0.0.1:31883", "user": "lab", "password": "made-there"}}
KUBECONFIG = {"clusters": [{"name": "microk8s", "cluster": {"server": "https://127.0.0.1:16443"}}], "users": []}


def _new_key() -> paramiko.Ed25519Key:
    pem = Ed25519PrivateKey.generate().private_bytes(forms.Encoding.PEM, forms.PrivateFormat.OpenSSH, forms.NoEncryption())
    return paramiko.Ed25519Key.from_private_key(io.StringIO(pem.decode()))


class SshMachine:
    """The machine. `told` says which instance it is just now, and its user data; another instance is an empty machine."""

    def __init__(self, folder: Path, told: Callable[[], tuple[str, bytes]]) -> None:
        """It listens, and boots when it is asked for the first time."""
        self.root, self.control = folder / "root", folder / "control"
        self._bin, self._told, self._instance = folder / "bin", told, ""
        self._lock = threading.RLock()
        self._transports: list[paramiko.Transport] = []
        self._listening: socket.socket | None = None
        self.port = 0
        self.logins = 0  # that were good
        self._bin.mkdir()
        for name, text in PROGRAMS.items():
            file = self._bin / name
            file.write_text(f"#!/bin/sh\n{text}")
            file.chmod(0o755)
        self.on()

    # what a test asks and does

    def now(self) -> bool:
        """Be the instance that there is, empty and just booted if it is another one than before; false if there is none."""
        with self._lock:
            instance, user_data = self._told()
            if instance in {"", self._instance}:
                return bool(instance)
            self._instance = instance
            for folder in (self.root, self.control):
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
            self.lets_in = True
            self.new_host_key()
            (self.control / "stage.py").write_text(STAGE)
            self.says()
            self.room()
            (self.control / "journal").write_text("nothing\n")
            self._boot(user_data)
            return True

    def _boot(self, user_data: bytes) -> None:
        document = yaml.safe_load(gzip.decompress(user_data))
        gate_files.bring(self.root, {"files": document["write_files"], "look": False})
        for words in document["runcmd"]:
            subprocess.run(words, env=self.env, check=True)

    @property
    def env(self) -> dict[str, str]:
        """What its programs run with."""
        return {"PATH": f"{self._bin}:/usr/bin:/bin", "LAB_STAGE_ROOT": str(self.root), "CONTROL": str(self.control)}

    def new_host_key(self) -> None:
        """Answer with another host key from now on."""
        self.host_key: paramiko.PKey = _new_key()

    @property
    def name(self) -> str:
        """What its stages call it."""
        return socket.gethostname()

    @property
    def host_line(self) -> str:
        """The public half of its host key."""
        return f"{self.host_key.get_name()} {self.host_key.get_base64()}"

    def console(self) -> str:
        """What its console shows, as AWS hands it out."""
        self.now()
        keys = f"ecdsa-sha2-nistp256 {'A' * 140}= root@lab\r\n{self.host_line} root@lab"
        text = f"[    0.0] Linux\r\n-----BEGIN SSH HOST KEY KEYS-----\r\n{keys}\r\n-----END SSH HOST KEY KEYS-----\r\n"
        return base64.b64encode(text.encode()).decode()

    def says(self, doctor: dict[str, Any] | None = None) -> None:
        """What its lab answers."""
        (self.control / "doctor.json").write_text(json.dumps(doctor or GREEN))
        (self.control / "access.json").write_text(json.dumps(ACCESS))
        (self.control / "kubeconfig").write_text(yaml.safe_dump(KUBECONFIG))

    def room(self, left_mb: int = 20_000) -> None:
        """How much its disk has left."""
        (self.control / "df").write_text(f"1M-blocks Avail\n   39000M {left_mb}M\n")

    def stage(self, label: str, *, fails: str = "", hangs: bool = False) -> None:
        """Let a stage fail with these last lines, or not end; without either it does nothing, and hangs no more."""
        for name, wanted, text in (("fails", bool(fails), fails), ("hangs", hangs, "")):
            file = self.control / f"{name}-{label}"
            file.write_text(f"{text}\n") if wanted else file.unlink(missing_ok=True)

    def runs(self) -> list[str]:
        """The stages that have begun since the last time."""
        return self._taken("runs")

    def calls(self) -> list[str]:
        """What systemctl and lab were called with since the last time."""
        return self._taken("calls")

    def _taken(self, name: str) -> list[str]:
        file = self.control / name
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def read(self, path: str) -> str:
        """A file of it."""
        return (self.root / path.lstrip("/")).read_text()

    def until(self, said: Callable[[], bool]) -> None:
        """Wait for what is to come true."""
        until = time.monotonic() + WITHIN_S
        while not said():
            assert time.monotonic() < until, "it did not come true"
            time.sleep(0.01)

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """For the time of the body, the folder of its programs is empty and has no room for any; needs root."""
        place = str(self.root / "usr/local/lib/iotlab")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", place], check=True)
        try:
            (self.root / "usr/local/lib/iotlab/filled").write_bytes(b"x" * 4096)
            yield
        finally:
            subprocess.run(["umount", place], check=True)

    def off(self) -> None:
        """Answer no more, and break every connection off."""
        if self._listening:
            self._listening.shutdown(socket.SHUT_RDWR)  # or who waits for the next connection still takes it
            self._listening.close()
        self._listening = None
        self.drop()

    def drop(self) -> None:
        """Break every connection off."""
        for transport in self._transports:
            transport.close()
        self._transports.clear()

    def on(self) -> None:
        """Answer, at the same port as before."""
        self._listening = listening = socket.create_server((ADDRESS, self.port))
        self.port = int(listening.getsockname()[1])
        threading.Thread(target=self._serve, args=(listening,), daemon=True).start()

    def reboot(self) -> None:
        """Go away with all that runs, and come back."""
        self.off()
        running = f"^{sys.executable} -IS {self.control}/stage.py run"
        done = subprocess.run(["pgrep", "-f", running], capture_output=True, check=False)
        for pid in done.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(pid), signal.SIGKILL)
        self.on()

    # the server

    def _serve(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=self._welcome, args=(connection,), daemon=True).start()

    def _welcome(self, connection: socket.socket) -> None:
        if not self.now():
            connection.close()
            return
        transport = paramiko.Transport(connection)
        transport.add_server_key(self.host_key)
        self._transports.append(transport)
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            server = _Server(self)
            transport.start_server(server=server)
            while transport.is_active():
                if (channel := transport.accept(1)) and channel.get_id() in server.forwards:
                    threading.Thread(target=_carry, args=(channel, server.forwards[channel.get_id()]), daemon=True).start()

    def knows(self, key: paramiko.PKey) -> bool:
        """Whether sshd would let this key in."""
        file = self.root / "etc/iotlab/authorized_keys"
        lines = file.read_text().splitlines() if file.exists() else []
        return self.lets_in and key.get_base64() in {line.split()[1] for line in lines}


def _carry(channel: paramiko.Channel, destination: tuple[str, int]) -> None:
    """One question and its answer, there and back."""
    with contextlib.closing(channel), socket.create_connection(destination) as far:
        far.sendall(channel.recv(BLOCK))
        while data := far.recv(BLOCK):
            channel.sendall(data)


class _Server(paramiko.ServerInterface):
    def __init__(self, machine: SshMachine) -> None:
        self._machine = machine
        self.forwards: dict[int, tuple[str, int]] = {}

    def get_allowed_auths(self, username: str) -> str:
        return "publickey" if username else ""

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        good = username == "ubuntu" and self._machine.knows(key)
        self._machine.logins += good
        return paramiko.common.AUTH_SUCCESSFUL if good else paramiko.common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        good = kind == "session" and chanid >= 0
        return paramiko.common.OPEN_SUCCEEDED if good else paramiko.common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_direct_tcpip_request(self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]) -> int:
        del origin
        self.forwards[chanid] = destination
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self._run, args=(channel, command.decode()), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, command: str) -> None:
        time.sleep(0.005)  # the answer to the request goes first
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException), contextlib.closing(channel):
            given = channel.makefile("rb").read()
            words, env = ["/bin/sh", "-c", command], self._machine.env
            done = subprocess.run(words, env=env, input=given, capture_output=True, check=False, cwd="/")
            channel.sendall(done.stdout)
            channel.sendall_stderr(done.stderr)
            channel.send_exit_status(done.returncode)
