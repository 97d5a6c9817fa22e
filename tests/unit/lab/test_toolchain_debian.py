"""Debian's packages: which ones, whether they are genuine, and how their programs are called."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from infra.lab.errors import LabError
from infra.lab.toolchain import debian
from infra.lab.toolchain.debian import Wrapped, closure, parse_depends, verified

SHOWN = """\
Package: server
Version: 2.0
Pre-Depends: init-system-helpers (>= 1.5)
Depends: libown1 (= 2.0), perl:any, libc6 (>= 2.34) | libc6-other, adduser

Package: libown1
Version: 2.0
Depends: libdeep2, libc6 (>= 2.34)
Description: not a
 Depends: on this
"""


def test_dependencies_are_read_with_alternatives_and_without_versions() -> None:
    assert parse_depends(SHOWN) == {
        "server": ["init-system-helpers", "libown1", "perl", "libc6", "libc6-other", "adduser"],
        "libown1": ["libdeep2", "libc6"],
    }


def fake_apt(*arguments: str) -> str:
    if arguments[:2] == ("apt-get", "install"):
        base = "Inst libc6 (2.36)\nInst apt (2.6)\n"
        if arguments[-1] == "apt":
            return base
        return base + "".join(
            f"Inst {name} (1)\n" for name in ("server", "libown1:amd64", "libdeep2", "perl", "adduser", "passwd")
        )
    if arguments[0] == "dpkg-deb":
        return "server 2.0"
    return SHOWN + f"SHA256: {hashlib.sha256(b'genuine').hexdigest()}\n"


def test_only_what_the_programs_need_beyond_a_plain_debian_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "_apt", fake_apt)
    assert closure(("server",)) == ["libdeep2", "libown1", "perl", "server"]


def test_a_package_that_is_not_in_the_signed_lists_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(debian, "_apt", fake_apt)
    deb = tmp_path / "server_2.0_amd64.deb"
    deb.write_bytes(b"genuine")
    assert [source.version for source in verified([deb])] == ["2.0"]
    deb.write_bytes(b"forged")
    with pytest.raises(LabError, match=r"server 2.0 is not the file that Debian's signed lists name"):
        verified([deb])


def test_a_program_finds_its_own_libraries_wherever_the_cache_lies(tmp_path: Path) -> None:
    part = tmp_path / "parts" / "debian 12"
    program = part / "root" / "usr" / "bin" / "tool"
    script = part / "bin" / "tool"
    for path, text in ((program, '#!/bin/sh\necho "$LD_LIBRARY_PATH|$SETTING|$*"\n'), (script, "")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    script.write_text(Wrapped("usr/bin/tool", 'export SETTING="$part/x"\n', " --first").script())
    program.chmod(0o755)
    script.chmod(0o755)
    link = tmp_path / "bin" / "tool"
    link.parent.mkdir()
    link.symlink_to(script)
    said = subprocess.run([link, "a b"], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"}).stdout
    root = part / "root"
    libraries = f"{root}/usr/lib/x86_64-linux-gnu:{root}/lib/x86_64-linux-gnu"
    assert said.strip() == f"{libraries}|{part}/x|--first a b"
