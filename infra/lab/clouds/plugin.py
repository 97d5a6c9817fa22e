"""Pulumi's AWS plugin: one that is on the PATH, or the official one, fetched once. There is no other way to a real account."""

from __future__ import annotations

import os
import shutil
import subprocess
from http.client import HTTPException

from infra.lab.console import console
from infra.lab.errors import LabError, UserError, last_line
from infra.lab.kubernetes_plugin import RELEASES
from infra.lab.lab import Lab
from infra.lab.toolchain import host, parts
from infra.lab.toolchain.official import PATIENCE_S, SEALED, open_https
from infra.versions import PULUMI_AWS

PROGRAM = "pulumi-resource-aws"
FETCH_WITHIN_S = 1800  # some 200 MB


def need_engine(lab: Lab) -> None:
    """See that Pulumi is there; without it the state can't be read either.

    Raises:
        UserError: this machine can't have it; how it can.
    """
    if host.fits():
        lab.toolchain.ensure(parts.PULUMI.name)
    else:
        lab.need_tools()


def need_plugin(lab: Lab) -> None:
    """See that its AWS plugin is there.

    Raises:
        UserError: this machine can't have it; how it can.
        LabError: a download failed.
    """
    if found := shutil.which(PROGRAM, path=lab.toolchain.env()["PATH"]):
        console.print(f"  AWS plugin: {found}", soft_wrap=True, markup=False)
    elif not fetched(lab):
        _fetch(lab)


def fetched(lab: Lab) -> bool:
    """Whether the official plugin is there."""
    return (lab.paths.pulumi / "home/plugins" / f"resource-aws-v{PULUMI_AWS}").is_dir()


def _fetch(lab: Lab) -> None:
    if os.environ.get(SEALED) == "1" or not _served():
        raise UserError(
            f"Pulumi's AWS plugin {PULUMI_AWS} cannot be had here: it comes from {RELEASES}, which "
            f"{f'{SEALED}=1 forbids' if os.environ.get(SEALED) == '1' else 'does not answer'}. Run the same command where that "
            f"can be reached, or put {PROGRAM} on the PATH; nothing was made."
        )
    words = ["pulumi", "plugin", "install", "resource", "aws", f"v{PULUMI_AWS}"]
    with lab.steps.step(f"Pulumi's AWS plugin {PULUMI_AWS} (once, some 200 MB)"):
        env = lab.stack.process_env()
        try:
            done = subprocess.run(
                words, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=FETCH_WITHIN_S, check=False
            )
        except subprocess.TimeoutExpired as late:
            raise LabError(f"Pulumi's AWS plugin did not come within {FETCH_WITHIN_S // 60} minutes; run it again.") from late
        if done.returncode or not fetched(lab):
            raise LabError(f"Pulumi's AWS plugin could not be fetched: {last_line(done.stderr)}")


def _served() -> bool:
    """Whether Pulumi's download site answers from here."""
    try:
        with open_https(f"{RELEASES}/{PROGRAM}-v{PULUMI_AWS}-linux-amd64.tar.gz", PATIENCE_S):
            return True
    except (OSError, HTTPException):
        return False
