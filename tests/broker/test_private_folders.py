"""The cluster's own /var and /run, in namespaces as it has them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.lab.paths import ROOT

PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, "")
from infra.lab.cluster.inner import private_folders
home, kept = map(Path, sys.argv[1:])
private_folders(home, [kept])
print(Path("/var/lib/iotlab/conf/spec.json").read_text(), (kept / "file").read_text())
print(sorted(path.name for path in Path("/var").iterdir()))
"""


@pytest.fixture
def under_var() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir=Path("/var", "lib"), prefix="iotlab-test-"))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("place", ["under /var", "elsewhere"])
def test_the_clusters_folder_and_what_is_kept_are_there_wherever_they_lie(place: str, under_var: Path, tmp_path: Path) -> None:
    folder = under_var if place == "under /var" else tmp_path
    home, kept = folder / "cluster", folder / "kept"
    for made in ("ns", "conf", "kubelet", "containerd", "etcd", "pod-logs"):
        (home / made).mkdir(parents=True)
    (home / "conf/spec.json").write_text("the cluster's")
    kept.mkdir()
    (kept / "file").write_text("kept")
    words: list[str | Path] = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", PROGRAM, home, kept]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["the cluster's kept", "['lib', 'lock', 'log', 'run', 'tmp']"]
