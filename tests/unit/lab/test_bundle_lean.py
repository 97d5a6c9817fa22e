"""A bundle for one stack's machines: of images and Python packages those that its lab runs on, each as it was."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from infra.cloud.user_data import PARTS
from infra.lab.bundle import Bundle, ImageRecord, Manifest, images, wheels
from infra.lab.bundle.archived import ArchivedImages, blob_path
from infra.lab.bundle.bundle import CONTAINERD_NAME
from infra.lab.bundle.images import needed_by
from infra.lab.bundle.lean import lean
from infra.lab.bundle.manifest import ARCHIVE
from infra.lab.cluster.images import archive_index
from infra.lab.console import Steps
from infra.lab.paths import ROOT, Paths


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def whole(paths: Paths, *names: str) -> Manifest:
    """An archive with an image of each name: a layer of its own upon one that all share."""
    blobs: dict[str, bytes] = {}
    heads, records = [], []
    for name in names:
        layers = [b"shared", f"layer of {name}".encode()]
        blobs |= {digest(layer): layer for layer in (*layers, b"{}")}
        described = [{"digest": digest(layer), "size": len(layer)} for layer in layers]
        text = json.dumps({"config": {"digest": digest(b"{}"), "size": 2}, "layers": described}).encode()
        blobs[digest(text)] = text
        records.append(ImageRecord(name, "0123", digest(text), "1", "MIT", 7, ()))
        heads.append({"digest": digest(text), "size": len(text), "annotations": {CONTAINERD_NAME: records[-1].tag}})
    folder = paths.cache / "images" / images.bundle_key()
    folder.mkdir(parents=True)
    files = {blob_path(name): content for name, content in blobs.items()} | {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
    with tarfile.open(folder / ARCHIVE, "w") as tar:
        for name, content in (files | {"index.json": json.dumps({"manifests": heads}).encode()}).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    made = Manifest(folder, tuple(records))
    made.write()
    return made


def test_it_has_the_stacks_images_and_no_other_under_their_names(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "cache", tmp_path / "state")
    all_of_them = whole(paths, *(image.name for image in images.IMAGES if image.shipped))
    chosen = needed_by({"mosquitto", "kafka", "bridge"})
    made = lean(Bundle(paths, Steps(paths), chosen))
    assert {image.name for image in made.images} == {"mosquitto", "kafka", "apps"}
    assert made.folder.name == images.bundle_key(chosen), "as a machine with this stack asks for them"
    assert archive_index(made.archive) == {image.tag: image.digest for image in made.images}
    with ArchivedImages.open(made.archive) as archive, tarfile.open(made.archive) as tar:
        for image in made.images:
            assert image in all_of_them.images
            text, _, blobs = archive.manifest(image.digest)
            assert digest(text) == image.digest
            for blob in blobs:
                assert digest(archive.blob(blob.digest).read()) == blob.digest
        names = tar.getnames()
    assert len(names) == len(set(names)) == 2 + 3 * 2 + 2, "a layer that images share stands there once"


def test_an_archive_that_has_no_more_is_taken_as_it_is(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "cache", tmp_path / "state")
    made = whole(paths, *(image.name for image in images.IMAGES if image.shipped))
    assert lean(Bundle(paths, Steps(paths))) == made


def test_of_the_python_packages_those_that_infra_imports_with_what_they_need() -> None:
    pins = wheels.PINS.read_text()
    needed = wheels.needed(pins)
    names = set(re.findall(r"^([a-z0-9-]+)==", needed, re.MULTILINE))
    assert names >= wheels.RUNS_ON
    assert {"grpcio", "pydantic-core", "botocore", "cffi"} <= names
    assert not names & {"pytest", "mypy", "ruff", "moto", "selenium", "kubernetes-validate"}
    assert all(line in pins for line in needed.splitlines()), "with their own hashes"


def test_the_lab_command_and_the_program_start_with_those_packages_alone() -> None:
    named = {"pyyaml": "yaml"}
    all_names = set(re.findall(r"^([a-z0-9-]+)==", wheels.PINS.read_text(), re.MULTILINE))
    kept = set(re.findall(r"^([a-z0-9-]+)==", wheels.needed(wheels.PINS.read_text()), re.MULTILINE))
    left_out = sorted(named.get(name, name).replace("-", "_") for name in all_names - kept)
    files = [file.relative_to(ROOT) for file in sorted((ROOT / "infra").rglob("*.py")) if not file.name.startswith("__")]
    modules = [".".join(file.with_suffix("").parts) for file in files]
    program = (
        f"import importlib, sys\nsys.modules.update(dict.fromkeys({left_out!r}))\n"
        f"for name in {modules!r}: importlib.import_module(name)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1500:]


@pytest.mark.parametrize("name", ["lab.tar.gz", "lab.tar"])
def test_the_checkout_is_taken_out_of_the_begin_of_a_bundle(tmp_path: Path, name: str) -> None:
    (tmp_path / "lab").write_text("#!/bin/sh\n")
    (tmp_path / "lab").chmod(0o755)
    packed = tmp_path / "lab.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        for place in ("wheels/one.whl", "checkout/lab", "checkout/charts/lab", "parts/lab"):
            tar.add(tmp_path / "lab", place)
    if name == "lab.tar":  # what is no gzip is taken for zstd by its first bytes alone
        packed.write_bytes(b"broken" + packed.read_bytes())
    words: list[str | Path] = [sys.executable, PARTS / "scripts/lab_fetch.py", "--checkout", packed, tmp_path / "place"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    if name == "lab.tar":
        assert done.returncode == 1
        assert "lab-fetch: " in done.stderr
        return
    assert done.returncode == 0, done.stderr
    found = {str(file.relative_to(tmp_path / "place")) for file in (tmp_path / "place").rglob("*") if file.is_file()}
    assert found == {"lab", "charts/lab"}
    assert (tmp_path / "place/lab").stat().st_mode & 0o111
