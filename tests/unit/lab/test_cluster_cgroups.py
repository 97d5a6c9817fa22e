"""The lab's cgroups on version 2, on a tree of plain files that behaves like the kernel's where it matters."""

from pathlib import Path

import pytest

from infra.lab.cluster import cgroups
from infra.lab.cluster.cgroups import Hierarchy
from infra.lab.errors import LabError

HAVE = "cpuset cpu io memory hugetlb pids"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hierarchy:
    found = Hierarchy(tmp_path, 2, frozenset())
    monkeypatch.setattr(cgroups, "mounted", lambda: (found,))
    (tmp_path / "cgroup.controllers").write_text(HAVE)
    found.root.mkdir()
    (found.root / "cgroup.controllers").write_text(HAVE)
    return found


def test_controllers_are_handed_down_to_the_labs_folder(tree: Hierarchy) -> None:
    cgroups.make()
    for folder in (tree.mount, tree.root):
        assert (folder / "cgroup.subtree_control").read_text().startswith("+")


def test_a_machine_without_memory_control_is_refused_with_the_controllers_name(tree: Hierarchy) -> None:
    (tree.root / "cgroup.controllers").write_text("cpuset cpu pids")
    with pytest.raises(LabError, match="controllers memory are not available"):
        cgroups.make()


def test_a_machine_without_cgroups_is_told_what_to_mount(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "mounted", tuple)
    with pytest.raises(LabError, match="mount them"):
        cgroups.make()


def test_the_supervisor_gets_a_folder_beside_the_pods(tree: Hierarchy) -> None:
    cgroups.join()
    assert (tree.root / "parts" / "cgroup.procs").read_text().isdigit()
    assert cgroups.processes() == {int((tree.root / "parts" / "cgroup.procs").read_text())}


def test_folders_are_removed_from_the_deepest_up(tree: Hierarchy) -> None:
    (tree.root / "cgroup.controllers").unlink()  # the kernel's own files don't keep a folder from being removed
    (tree.root / "kubepods" / "burstable" / "pod1").mkdir(parents=True)
    assert cgroups.folders()[0].name == "pod1"
    cgroups.remove()
    assert not tree.root.exists()
    assert cgroups.folders() == []


def test_resource_limits_of_a_version_1_session_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees = (Hierarchy(tmp_path / "memory", 1, frozenset({"memory"})), Hierarchy(tmp_path / "systemd", 1, frozenset()))
    for one in trees:
        one.root.mkdir(parents=True)
    monkeypatch.setattr(cgroups, "mounted", lambda: trees)
    cgroups.join()
    assert (tmp_path / "systemd/iotlab/parts/cgroup.procs").exists()
    assert not (tmp_path / "memory/iotlab/parts").exists()
