"""What `./lab render` writes is what the program installs, object by object."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from infra.lab.paths import Paths
from infra.lab.render import rendered
from infra.settings import SETS
from tests.support import charts
from tests.support.program import IMAGES


def test_each_file_holds_the_objects_of_its_service() -> None:
    env = os.environ | {"PATH": f"{Paths.from_environment().bin}:{os.environ['PATH']}"}
    files = rendered({"images": IMAGES, "kubeconfig": "/nowhere/kubeconfig", "services": list(SETS)}, env)
    services = {Path(name).stem for name in files} - {"lab", "secrets"}
    assert services == {name.removesuffix("-S") for name in charts.cases() if name.endswith("-S")}
    for service in services:
        found = [loaded for loaded in yaml.safe_load_all(files[f"{service}.yaml"]) if loaded]
        assert found == charts.rendered(f"{service}-S"), service
