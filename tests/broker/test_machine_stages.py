"""The stages of a machine, run by its own lab-stage on a pretended machine: what they write, what they start, and only once."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from infra.cloud.facts import Bundle, Course, MachineFacts
from tests.support.machines import FULL, PLAIN
from tests.support.pretended import Pretended, wireguard

LAB = '#!/bin/sh\necho "lab $*" >> /calls\nif [ "$2" = images ]; then echo images > "$3"; fi\n'
VOLUME = "/var/lib/iotlab/state/volumes/data"


def bundle(file: Path, said: str = LAB) -> Bundle:
    """A bundle with nothing but a checkout whose lab command notes its calls."""
    with tarfile.open(file, "w:gz") as tar:
        for name, text in (("bundle.json", "{}"), ("checkout/lab", said), ("checkout/Pulumi.yaml", "name: iotlab\n")):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o755
            tar.addfile(member, BytesIO(text.encode()))
    return Bundle(f"file://{file}", hashlib.sha256(file.read_bytes()).hexdigest())


def course(folder: Path) -> Course:
    """A repository with one commit; the pretended git finds it under the address."""
    folder.mkdir()
    (folder / "README.md").write_text("lessons\n")
    git = ("git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.org")
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "lessons")):
        subprocess.run([*git, *words], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    return Course("https://example.org/course.git", commit)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Pretended]:
    layer = tmp_path / "layer"
    layer.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(layer)], check=True)
    try:
        yield Pretended(layer)
    finally:
        subprocess.run(["umount", str(layer)], check=True)


@pytest.fixture
def facts(tmp_path: Path, machine: Pretended) -> MachineFacts:
    kept = course(tmp_path / "course")
    address = f'[url "file://{tmp_path}/course"]\n\tinsteadOf = {kept.repository}\n[safe]\n\tdirectory = *\n'
    machine.write("root/.gitconfig", address)
    return replace(FULL, course=kept, bundle=bundle(tmp_path / "lab.tar.gz"))


def failed(machine: Pretended) -> list[str]:
    return [f"{stage['name']}: {stage['log']}" for stage in machine.stages() if stage["state"] != "done"]


def test_a_full_machine_goes_through_all_its_stages_once(machine: Pretended, facts: MachineFacts) -> None:
    machine.told(facts)
    done = machine.run("lab-stage", "run")
    assert done.returncode == 0, done.stdout + done.stderr + "".join(failed(machine))
    assert len(machine.stages()) == 10
    kubelet = (machine.files / "var/snap/microk8s/current/args/kubelet").read_text().splitlines()
    assert kubelet == ["--cgroup-driver=systemd", "--image-gc-high-threshold=100", "--image-gc-low-threshold=99"]
    calls = machine.calls()
    for call in (
        "snap install microk8s --classic --channel=1.34/stable",
        "snap refresh --hold=forever microk8s",
        "microk8s enable hostpath-storage",
        "microk8s enable knative",
        "systemctl enable wg-quick@wg0.service",
        "systemctl start iotlab-up.service",
        f"lab bundle take {facts.bundle.url.removeprefix('file://')}",
        "microk8s images import",
    ):
        assert call in calls, calls
    assert any(call.startswith("apt-get") and "nfs-kernel-server" in call for call in calls)
    assert calls.index("systemctl restart iotlab-firewall.service") < calls.index("systemctl restart nfs-server.service")
    assert machine.run("lab-stage", "run").returncode == 0
    assert machine.calls() == []


def test_the_vpns_private_key_is_made_once_and_only_root_reads_it(machine: Pretended, facts: MachineFacts) -> None:
    machine.told(facts)
    machine.run("lab-stage", "run")
    key = machine.files / "etc/wireguard/iotlab.key"
    first = key.read_text()
    assert key.stat().st_mode & 0o777 == 0o600
    config = machine.files / "etc/wireguard/wg0.conf"
    assert config.stat().st_mode & 0o777 == 0o600
    assert first.strip() not in config.read_text()
    lines = config.read_text().splitlines()
    assert {"Address = 192.168.17.7/24", "ListenPort = 51837", "Endpoint = vpn.example.org:51837"} <= set(lines)
    assert "PersistentKeepalive = 25" in lines
    public = machine.files / "var/lib/iotlab/vpn-public-key"
    assert public.stat().st_mode & 0o777 == 0o644
    assert public.read_text() == subprocess.check_output([wireguard(), "pubkey"], input=first, text=True)
    files = [path for path in machine.files.rglob("*") if path.is_file() and path != key]
    assert [path for path in files if first.strip() in path.read_text("latin-1")] == [], "it lies nowhere else"
    machine.told(replace(facts, vpn=replace(FULL.vpn, gateway="other.example.org") if FULL.vpn else None))
    machine.run("lab-stage", "run")
    assert key.read_text() == first
    assert "Endpoint = other.example.org:51837" in config.read_text()


def test_data_is_exported_to_the_vpn_and_nowhere_without_one(machine: Pretended, facts: MachineFacts) -> None:
    machine.told(facts)
    machine.run("lab-stage", "run")
    exports = machine.files / "etc/exports.d/iotlab.exports"
    options = "rw,sync,no_subtree_check,all_squash,anonuid=65532,anongid=65532"
    assert exports.read_text() == f"/data 192.168.17.0/24({options})\n"
    machine.calls()
    machine.told(replace(facts, vpn=None))
    (machine.files / "usr/local/lib/iotlab/stages/40-vpn.sh").unlink()
    machine.run("lab-stage", "run")
    assert not exports.exists()
    assert "systemctl disable --now nfs-server.service" in machine.calls()


def test_a_stick_alone_fills_a_machine_without_a_network(machine: Pretended, facts: MachineFacts) -> None:
    machine.program("dpkg-query", "#!/bin/sh\necho installed\n")
    machine.told(replace(PLAIN, bundle=facts.bundle))
    done = machine.run("lab-stage", "run")
    assert done.returncode == 0, "".join(failed(machine))
    calls = machine.calls()
    assert not [call for call in calls if call.startswith(("apt-get", "snap", "microk8s", "wg"))]
    current = (machine.files / "opt/iotlab/current").readlink()
    assert (machine.files / str(current).lstrip("/") / "Pulumi.vm.yaml").read_text().count("kubeconfig") == 0


def test_another_bundle_takes_the_place_of_the_first_and_the_lab_comes_up_again(
    machine: Pretended, facts: MachineFacts, tmp_path: Path
) -> None:
    machine.told(facts)
    machine.run("lab-stage", "run")
    machine.calls()
    second = bundle(tmp_path / "second.tar.gz", LAB + "# second\n")
    machine.told(replace(facts, bundle=second))
    assert machine.run("lab-stage", "run").returncode == 0
    places = {path.name for path in (machine.files / "opt/iotlab").iterdir() if path.is_dir() and not path.is_symlink()}
    assert places == {second.sha256[:16]}
    calls = machine.calls()
    assert "systemctl start iotlab-up.service" in calls
    assert not [call for call in calls if call.startswith(("snap", "apt-get", "wg"))], "nothing else changed"


def test_a_bundle_without_a_checkout_says_how_to_make_a_new_one(machine: Pretended, tmp_path: Path) -> None:
    old = tmp_path / "old.tar.gz"
    with tarfile.open(old, "w:gz") as tar:
        tar.add(__file__, "parts/other")
    machine.told(replace(PLAIN, bundle=Bundle(f"file://{old}", hashlib.sha256(old.read_bytes()).hexdigest())))
    machine.program("dpkg-query", "#!/bin/sh\necho installed\n")
    assert machine.run("lab-stage", "run").returncode == 1
    broken = next(stage for stage in machine.stages() if stage["state"] == "failed")
    assert broken["name"] == "bundle"
    assert "lab-fetch: the bundle has no checkout" in broken["log"]
    assert broken["remedy"].startswith("make it anew with this version's ./lab bundle export")


def test_what_somebody_changed_in_the_course_stays(machine: Pretended, facts: MachineFacts) -> None:
    machine.told(facts)
    machine.run("lab-stage", "run")
    readme = machine.files / "home/ubuntu/course/README.md"
    assert readme.read_text() == "lessons\n"
    readme.write_text("my notes\n")
    stage = machine.files / "usr/local/lib/iotlab/stages/65-course.sh"
    stage.write_text(stage.read_text() + "# changed\n")
    assert machine.run("lab-stage", "run").returncode == 0
    assert readme.read_text() == "my notes\n"


def test_data_is_where_the_shared_volume_lies(machine: Pretended, facts: MachineFacts) -> None:
    machine.told(facts)
    machine.program("lab", LAB)
    machine.program("kubectl", f'#!/bin/sh\ncase "$2" in pvc) echo volume-1 ;; pv) echo {VOLUME} ;; esac\n')
    machine.run("mkdir", "-p", "/data", VOLUME, "/opt/iotlab/current")
    done = machine.run("/usr/local/lib/iotlab/lab-up")
    assert done.returncode == 0, done.stderr
    assert machine.calls() == [
        "microk8s status --wait-ready --timeout 600",
        "lab up --stack vm",
        f"mount --bind {VOLUME} /data",
        "systemctl is-active --quiet nfs-server.service",
        "exportfs -ra",
    ]


@pytest.mark.parametrize(("gets_ready", "calls"), [(True, ["lab up --stack vm"]), (False, [])])
def test_after_a_boot_the_lab_waits_for_a_microk8s_that_is_not_ready_yet(
    machine: Pretended, facts: MachineFacts, calls: list[str], *, gets_ready: bool
) -> None:
    machine.told(facts)
    machine.run("mkdir", "-p", "/opt/iotlab/current")
    (machine.files / "usr/local/sbin/microk8s").unlink()
    waited = "touch /ready" if gets_ready else "exit 1"
    machine.write(
        "snap/bin/microk8s", f'#!/bin/sh\n[ "$*" = "status --wait-ready --timeout 600" ] && sleep 0.2 && {waited}\n', 0o755
    )
    machine.program("lab", '#!/bin/sh\necho "lab $*" >> /calls\n[ -e /ready ]\n')
    machine.program("kubectl", "#!/bin/sh\n")
    done = machine.run("/usr/local/lib/iotlab/lab-up")
    assert (done.returncode == 0) is gets_ready, done.stderr
    assert machine.calls() == calls
    assert ("microk8s does not get ready" in done.stderr) is not gets_ready


@pytest.mark.parametrize(("expires", "stops"), [("2000-01-01", True), ("2099-12-31", False)])
def test_a_machine_stops_itself_from_the_day_on_which_it_expires(
    machine: Pretended, facts: MachineFacts, expires: str, stops: bool
) -> None:
    machine.told(replace(facts, expires=expires))
    assert machine.run("/usr/local/lib/iotlab/lab-expiry").returncode == 0
    assert (machine.calls() == ["systemctl poweroff"]) is stops


def test_an_index_that_could_not_be_had_is_asked_for_again(machine: Pretended) -> None:
    """Without the option apt-get ends well with old indexes or none, and the installation after it fails."""
    strict = 'case "$*" in *APT::Update::Error-Mode=any\\ update) [ -e /again ] || { touch /again; exit 100; } ;; esac\n'
    machine.program("apt-get", '#!/bin/sh\necho "apt-get $*" >> /calls\n' + strict)
    machine.program("sleep", "#!/bin/sh\n")
    machine.told(replace(PLAIN, bundle=Bundle("file:///none", "ab" * 32)))
    machine.program("dpkg-query", "#!/bin/sh\n")
    machine.run("lab-stage", "run")
    calls = [call for call in machine.calls() if call.startswith("apt-get")]
    assert [("update" in call, "install" in call) for call in calls] == [(True, False), (True, False), (False, True)]
    assert machine.stages()[0]["state"] == "done"


def test_a_program_that_was_changed_does_not_run(machine: Pretended, facts: MachineFacts) -> None:
    machine.told(facts)
    check = ("sha256sum", "--check", "--quiet", "--strict", "/usr/local/lib/iotlab/SHA256SUMS")
    assert machine.run(*check).returncode == 0
    file = machine.files / "usr/local/bin/lab-fetch"
    file.write_text(file.read_text() + "\n")
    assert machine.run(*check).returncode == 1
