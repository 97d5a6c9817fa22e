"""A real containerd with nothing in it: what a node of a foreign cluster looks into when kubelet asks for an image."""

from __future__ import annotations

import subprocess
from pathlib import Path

import grpc

from tests.support import tools
from tests.support.processes import Process, wait_until

LENGTH_DELIMITED_1 = b"\x0a"  # protobuf: field 1, a string or a message


class Containerd(Process):
    """Containerd in a folder of its own; it mounts nothing because no image is unpacked."""

    def __init__(self, folder: Path) -> None:
        """Nothing runs before `start`."""
        (folder / "config.toml").write_text(
            f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
            'disabled_plugins = ["io.containerd.internal.v1.opt"]\n'
            f'[grpc]\naddress = "{folder}/c.sock"\n[ttrpc]\naddress = "{folder}/t.sock"\n'
        )
        self.socket = folder / "c.sock"
        super().__init__("containerd", [tools.program("containerd"), "--config", folder / "config.toml"], folder)

    def start(self) -> None:
        """Start and wait until it answers."""
        super().start()
        wait_until("containerd answers", lambda: not self.alive or self._ctr("version").returncode == 0)

    def _ctr(self, *words: str, stdin: Path | None = None) -> subprocess.CompletedProcess[bytes]:
        command = [str(tools.program("ctr")), "--address", str(self.socket), "--namespace", "k8s.io", *words]
        with (stdin or Path("/dev/null")).open("rb") as source:
            return subprocess.run(command, stdin=source, capture_output=True, check=False)

    def load(self, archive: Path) -> None:
        """As `kind load image-archive` does it, but for unpacking, which would mount."""
        done = self._ctr("images", "import", "--all-platforms", "--digests", "--no-unpack", "-", stdin=archive)
        assert done.returncode == 0, done.stderr.decode()

    def knows(self, reference: str) -> bool:
        """Kubelet's own question, `ImageStatus`, on which pullPolicy IfNotPresent decides."""
        image = LENGTH_DELIMITED_1 + bytes([len(reference)]) + reference.encode()
        asked = LENGTH_DELIMITED_1 + bytes([len(image)]) + image
        with grpc.insecure_channel(f"unix://{self.socket}") as channel:
            answer: bytes = channel.unary_unary("/runtime.v1.ImageService/ImageStatus")(asked, timeout=10)
        return answer.startswith(LENGTH_DELIMITED_1)
