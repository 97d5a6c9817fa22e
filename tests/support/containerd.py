"""A real containerd with nothing in it: what a node of a foreign cluster looks into when kubelet asks for an image."""

from __future__ import annotations

import subprocess
from pathlib import Path

import grpc

from tests.support import tools
from tests.support.processes import Process, wait_until

LENGTH_DELIMITED_1 = b"\x0a"  # protobuf: field 1, a string or a message


class Containerd(Process):
    """Containerd in a folder of its own; what it mounts to unpack an image is in a mount namespace that ends with it."""

    def __init__(self, folder: Path, registries: Path | None = None) -> None:
        """Nothing runs before `start`; `registries` says where registries are found."""
        found = f'[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "{registries}"\n' if registries else ""
        (folder / "config.toml").write_text(
            f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
            'disabled_plugins = ["io.containerd.internal.v1.opt"]\n'
            f'[grpc]\naddress = "{folder}/c.sock"\n[ttrpc]\naddress = "{folder}/t.sock"\n{found}'
        )
        self.socket = folder / "c.sock"
        alone = ["unshare", "--mount", "--propagation", "private"]
        super().__init__("containerd", [*alone, tools.program("containerd"), "--config", folder / "config.toml"], folder)

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
        return self._asked("ImageStatus", _field(1, _field(1, reference.encode()))).startswith(LENGTH_DELIMITED_1)

    def pull(self, reference: str, login: tuple[str, str] | None = None) -> str:
        """As kubelet does it, with the login of a pod's imagePullSecret; returns the error, empty if it was pulled."""
        user, password = login or ("", "")
        auth = _field(2, _field(1, user.encode()) + _field(2, password.encode())) if login else b""
        try:
            self._asked("PullImage", _field(1, _field(1, reference.encode())) + auth)
        except grpc.RpcError as refused:
            return str(refused.details())
        return ""

    def _asked(self, question: str, request: bytes) -> bytes:
        with grpc.insecure_channel(f"unix://{self.socket}") as channel:
            answer: bytes = channel.unary_unary(f"/runtime.v1.ImageService/{question}")(request, timeout=20)
        return answer


def _field(number: int, content: bytes) -> bytes:
    """A protobuf field, a string or a message, short enough for a length of one byte."""
    assert len(content) < 1 << 7
    return bytes([number << 3 | 2, len(content)]) + content
