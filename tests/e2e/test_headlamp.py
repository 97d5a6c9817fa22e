"""The cluster in a browser: with the exercises' token as far as it reaches, without one not at all."""

from __future__ import annotations

import pytest
import urllib3

from infra import wiring
from infra.lab.lab import Lab
from tests.support.lab import lab_json

pytestmark = pytest.mark.usefixtures("running")

CLUSTER = f"http://127.0.0.1:{wiring.node_port('headlamp')}/clusters/main"  # the page's own way to the Kubernetes API


@pytest.fixture
def token() -> str:
    """What `./lab access` prints."""
    if not Lab().settings.has("headlamp"):
        pytest.skip("the lab runs without Headlamp: nobody brings its publisher's image, or the stack doesn't name it")
    return str(lab_json("access")["headlamp"]["password"])


def status(path: str, token: str = "") -> int:
    """The answer of the API behind the page."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return urllib3.request("GET", CLUSTER + path, headers=headers, timeout=20, retries=False).status


def test_the_token_shows_pods_and_no_secret_and_nobody_sees_anything_without_it(token: str) -> None:
    for space in (wiring.NAMESPACE, wiring.LESSONS):
        assert status(f"/api/v1/namespaces/{space}/pods", token) == 200
        assert status(f"/api/v1/namespaces/{space}/secrets", token) == 403
        assert status(f"/api/v1/namespaces/{space}/pods") in {401, 403}
