"""The door without a network: `.venv` comes out of the bundle that `up` is given, with nothing but Python's own library."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WHEEL = "tiny-1.0-py3-none-any.whl"
MAIN = "import sys, tiny\ndef main(): print(tiny.WHERE, sys.argv[1:])\n"
NOWHERE = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": "/dev/null", "PIP_NO_CACHE_DIR": "1"}


def wheel() -> bytes:
    """A Python package of one line."""
    files = {
        "tiny.py": b"WHERE = 'from the bundle'\n",
        "tiny-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b'=').decode()},{len(text)}\n"
        for name, text in files.items()
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in (files | {"tiny-1.0.dist-info/RECORD": record.encode()}).items():
            archive.writestr(name, text)
    return packed.getvalue()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose only requirement is in no index."""
    folder = tmp_path / "checkout"
    (folder / "infra/lab").mkdir(parents=True)
    shutil.copy2(ROOT / "lab", folder / "lab")
    for package in ("infra", "infra/lab"):
        (folder / package / "__init__.py").touch()
    (folder / "infra/lab/cli.py").write_text(MAIN)
    (folder / "requirements.txt").write_text(f"tiny==1.0 --hash=sha256:{hashlib.sha256(wheel()).hexdigest()}\n")
    return folder


def bundle(file: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(file, "w:gz" if file.suffix == ".gz" else "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file


def door(checkout: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the door on a machine whose package index is nowhere, with `more` in its environment."""
    env = os.environ | NOWHERE | {"IOTLAB_STATE": str(checkout / "state")} | more
    command = [str(checkout / "lab"), *words]
    return subprocess.run(
        command, cwd=checkout, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("packer", ["gzip", "zstd"])
def test_the_python_packages_come_from_the_bundle(checkout: Path, tmp_path: Path, packer: str) -> None:
    if packer == "zstd" and not shutil.which("zstd"):
        pytest.fail("the program zstd is missing; install Debian's zstd")
    members = {"bundle.json": b"{}", f"wheels/0123/{WHEEL}": wheel(), "images/0/images.tar": b"x" * 10_000_000}
    file = bundle(tmp_path / ("lab.tar.gz" if packer == "gzip" else "lab.tar"), members)
    if packer == "zstd":
        subprocess.run(["zstd", "-q", "--rm", str(file)], check=True)
        file = file.with_name("lab.tar.zst")
    words = ["up", "--bundle", f"{file}#sha256=00"] if packer == "gzip" else ["up", f"--bundle={file}"]
    done = door(checkout, *words)
    assert done.returncode == 0, done.stderr + (checkout / "state/logs/python-packages.log").read_text()
    assert done.stdout.strip() == f"from the bundle {words}"


@pytest.mark.parametrize("pins", ["the checkout's", "others"])
def test_a_bundle_may_bring_fewer_packages_and_none_of_its_own(checkout: Path, tmp_path: Path, pins: str) -> None:
    one = (checkout / "requirements.txt").read_text()
    (checkout / "requirements.txt").write_text(f"{one}for-tests==1.0 --hash=sha256:{'0' * 64}\n")
    told = one if pins == "the checkout's" else one.replace("sha256:", "sha256:0")
    members = {"bundle.json": b"{}", "wheels/0123/requirements.txt": told.encode(), f"wheels/0123/{WHEEL}": wheel()}
    done = door(checkout, "up", "--bundle", str(bundle(tmp_path / "lab.tar.gz", members)))
    log = (checkout / "state/logs/python-packages.log").read_text()
    if pins == "the checkout's":
        assert done.returncode == 0, done.stderr + log
    else:
        assert done.returncode == 1
        assert "for-tests==1.0" in log, "all of the checkout's own pins were asked for"


@pytest.fixture
def opened(checkout: Path, tmp_path: Path) -> Path:
    """A checkout whose .venv has been made."""
    file = bundle(tmp_path / "lab.tar.gz", {"bundle.json": b"{}", f"wheels/0123/{WHEEL}": wheel()})
    assert door(checkout, "up", "--bundle", str(file)).returncode == 0
    return checkout


def test_a_venv_whose_interpreter_is_gone_is_made_anew(opened: Path, tmp_path: Path) -> None:
    (opened / ".venv/bin/python").unlink()
    (opened / ".venv/bin/python").symlink_to("python-that-was-upgraded-away")
    done = door(opened, "up", "--bundle", str(tmp_path / "lab.tar.gz"))
    assert (done.returncode, done.stdout.split()[:3]) == (0, ["from", "the", "bundle"]), done.stderr


def test_what_is_compiled_is_kept_even_where_python_may_not_write_it_beside_sources(opened: Path) -> None:
    clean = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": ""}
    for kept in opened.glob("**/__pycache__"):
        shutil.rmtree(kept)
    assert door(opened, "status", **clean).returncode == 0
    compiled = {file.relative_to(opened).parts[:2] for file in opened.glob("**/cli.*.pyc")}
    assert compiled == {(".venv", "bytecode")}


def test_a_checkout_that_was_moved_makes_its_venv_anew(opened: Path, tmp_path: Path) -> None:
    moved = opened.rename(tmp_path / "moved")
    assert door(moved, "up", "--bundle", str(tmp_path / "lab.tar.gz")).returncode == 0
    assert str(moved) in (moved / ".venv/bin/pip").read_text().splitlines()[0]


def test_a_second_command_waits_until_the_first_has_made_the_venv(opened: Path) -> None:
    marker = opened / ".venv/iotlab-pins"
    wanted = marker.read_text()
    marker.unlink()
    words, env = [str(opened / "lab"), "status"], os.environ | NOWHERE | {"IOTLAB_STATE": str(opened / "state")}
    with (opened / "requirements.txt").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as second:
            assert second.stderr is not None
            assert second.stderr.readline() == "… another ./lab is making the Python packages: waiting for it\n"
            marker.write_text(wanted)
            fcntl.flock(held, fcntl.LOCK_UN)
            said, _ = second.communicate(timeout=60)
    assert (second.returncode, said) == (0, "from the bundle ['status']\n")


def test_a_state_folder_that_cannot_be_made_is_refused_with_one_sentence(checkout: Path) -> None:
    (checkout / "state").touch()
    done = door(checkout, "status")
    assert done.returncode == 2
    assert done.stderr.startswith(f"lab: {checkout}/state/logs cannot be used: Not a directory; ")
    assert done.stderr.count("\n") == 1


def test_what_is_no_bundle_is_refused_with_one_sentence(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "lab.tar.gz").write_text("hello")
    done = door(checkout, "up", "--bundle", str(tmp_path / "lab.tar.gz"))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"lab: {tmp_path}/lab.tar.gz is no bundle of the lab: ")


def test_a_bundle_of_another_checkout_is_named_as_a_likely_cause(checkout: Path, tmp_path: Path) -> None:
    other = bundle(tmp_path / "lab.tar.gz", {"bundle.json": b"{}", "wheels/0123/other-1.0-py3-none-any.whl": b"x"})
    done = door(checkout, "up", "--bundle", str(other))
    assert done.returncode == 1
    assert "was the bundle made for another Python than 3." in done.stderr
