"""One API server for the tier, one namespace and one stack for each test."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.apiserver import ApiServer, api_server
from tests.support.engine import Stack


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real API without nodes."""
    with api_server(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """An empty stack to copy."""
    return Stack.make(tmp_path_factory.mktemp("empty"))


@pytest.fixture
def stack(empty: Stack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """An empty stack of the test's own."""
    return empty.copy(tmp_path_factory.mktemp("stack"))


@pytest.fixture
def namespace(cluster: ApiServer, request: pytest.FixtureRequest) -> str:
    """A namespace named after the test."""
    return cluster.namespace(re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[-60:].strip("-"))
