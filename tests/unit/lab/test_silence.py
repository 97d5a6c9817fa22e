"""Who does not answer over HTTP is named in one sentence: InfluxDB whose forwarded port is gone, a registry's token server."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import urllib3
from urllib3.exceptions import MaxRetryError, NewConnectionError

from infra.lab import influx, web
from infra.lab.bundle.push import Registry
from infra.lab.errors import LabError, UserError
from infra.registries import RegistryAddress

REFUSED = MaxRetryError(Mock(), "/", NewConnectionError(Mock(), "Connection refused"))


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Any:
    @contextmanager
    def forwarded(*_: object) -> Iterator[int]:
        yield 1

    monkeypatch.setattr(influx, "forwarded", forwarded)
    monkeypatch.setattr(influx, "logins", lambda _: {"influxdb": {"user": "reader", "password": "made-up"}})
    return SimpleNamespace()


@pytest.mark.parametrize(
    "answer", [Mock(side_effect=REFUSED), Mock(return_value=Mock(json=Mock(side_effect=ValueError("no JSON"))))]
)
def test_influxdb_that_went_away_while_it_is_asked_is_named(lab: Any, monkeypatch: pytest.MonkeyPatch, answer: Mock) -> None:
    monkeypatch.setattr(urllib3.PoolManager, "request", answer)
    with influx.reader(lab) as ask, pytest.raises(LabError, match=r"InfluxDB does not answer \(.*\./lab status"):
        ask("cars", "SHOW SERIES")


def test_a_silent_token_server_of_a_registry_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    challenge = Mock(status=401, headers={"WWW-Authenticate": 'Bearer realm="https://auth.example/token"'})
    registry, auth = Mock(), Mock()
    registry.request.return_value = challenge
    auth.request.side_effect = REFUSED
    monkeypatch.setattr(web, "pool", lambda url, _patience_s: auth if "auth.example" in url else registry)
    images: Any = SimpleNamespace(images=[])
    with pytest.raises(
        UserError, match=r"https://auth\.example/token, where the registry .* gives out its tokens, does not answer"
    ):
        Registry(RegistryAddress.parse("registry.example:5000/iotlab"), None).push(images)
