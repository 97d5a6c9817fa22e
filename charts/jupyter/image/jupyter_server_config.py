"""Settings of the Jupyter server. The token comes from a mounted file: it stands in no argument, no log and no environment."""

import os
from pathlib import Path

from traitlets.config import get_config

SHORTEST_TOKEN = 16


def token(file: Path) -> str:
    """The token in `file`.

    Raises:
        SystemExit: there is none, or one that could be guessed: the server must not start then.
    """
    try:
        word = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as broken:
        raise SystemExit(f"jupyter: the token file {file} cannot be read: {broken}") from broken
    if len(word) < SHORTEST_TOKEN:
        raise SystemExit(f"jupyter: the token in {file} has {len(word)} characters; {SHORTEST_TOKEN} are the least.")
    return word


home = Path(os.environ["HOME"])
c = get_config()

c.IdentityProvider.token = token(Path(os.environ["LAB_TOKEN_FILE"]))
c.ServerApp.allow_unauthenticated_access = False  # also for pages of extensions that forgot to ask
c.PasswordIdentityProvider.hashed_password = ""
c.PasswordIdentityProvider.allow_password_change = False
c.ServerApp.allow_origin = ""  # the same origin only
c.ServerApp.allow_remote_access = False  # a page of another host name, led here by its DNS, is refused
c.ServerApp.local_hostnames = os.environ["LAB_HOSTS"].split(",")

c.ServerApp.ip = os.environ["LAB_ADDRESS"]
c.ServerApp.port = int(os.environ["LAB_PORT"])
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.root_dir = str(home / "work")
c.ServerApp.quit_button = False
c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash"]}
c.FileContentsManager.delete_to_trash = False

c.LabApp.news_url = None  # nothing calls home: the lab may have no internet
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
c.LabApp.user_settings_dir = str(home / ".jupyterlab/settings")
c.LabApp.workspaces_dir = str(home / ".jupyterlab/workspaces")

c.KernelManager.transport = "ipc"  # sockets in the runtime folder: no port that another process could listen on

# A forgotten kernel with TensorFlow holds 330 MB (measured 2026-11) until it is culled.
c.MappingKernelManager.cull_idle_timeout = 3600
c.MappingKernelManager.cull_interval = 120
c.MappingKernelManager.cull_connected = True
