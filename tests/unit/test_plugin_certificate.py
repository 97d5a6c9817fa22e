"""The lab's certificate: what it vouches for, when it is made anew, and that nobody can sign another with its authority."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from pulumi.runtime.proto import provider_pb2 as messages

from infra.lab.plugins.iotlab.certificate import RENEW_DAYS
from infra.lab.plugins.iotlab.provider import Iotlab
from infra.lab.plugins.values import UNKNOWN, Properties, Secret, from_struct, to_struct

URN = "urn:pulumi:local::iotlab::iotlab:services:Ingress$iotlab:index:Certificate::ingress"
INPUTS: Properties = {"hosts": ["localhost", "lab.localhost", "127.0.0.1"], "days": 365, "rotation": 1}


def plugin() -> Iotlab:
    return Iotlab("127.0.0.1:1")


def made(inputs: Properties | None = None) -> Properties:
    answer = plugin().create(messages.CreateRequest(urn=URN, properties=to_struct(inputs or INPUTS)))
    return from_struct(answer.properties)


def diff(state: Properties, news: Properties) -> list[str]:
    request = messages.DiffRequest(urn=URN, olds=to_struct(state), old_inputs=to_struct(INPUTS), news=to_struct(news))
    return list(plugin().diff(request).diffs)


def test_it_vouches_for_its_hosts_and_is_signed_by_the_authority_beside_it() -> None:
    outputs = made()
    leaf = x509.load_pem_x509_certificate(outputs["certificate"].encode())
    authority = x509.load_pem_x509_certificate(outputs["ca"].encode())
    leaf.verify_directly_issued_by(authority)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "lab.localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert dt.timedelta(days=364) < leaf.not_valid_after_utc - dt.datetime.now(dt.UTC) <= dt.timedelta(days=365)


def test_the_key_is_secret_fits_the_certificate_and_the_authoritys_key_is_nowhere() -> None:
    outputs = made()
    assert isinstance(outputs["key"], Secret)
    key = serialization.load_pem_private_key(outputs["key"].value.encode(), password=None)
    assert key.public_key() == x509.load_pem_x509_certificate(outputs["certificate"].encode()).public_key()
    assert str({name: value for name, value in outputs.items() if name != "key"}).count("PRIVATE KEY") == 0
    assert set(outputs) == {*INPUTS, "certificate", "key", "ca", "notAfter"}


def test_it_stays_while_nothing_changes_and_is_far_from_its_end() -> None:
    assert diff(made(), INPUTS) == []


@pytest.mark.parametrize("change", [{"hosts": ["localhost"]}, {"days": 90}, {"rotation": 2}])
def test_a_changed_input_makes_it_anew(change: Properties) -> None:
    assert diff(made(), INPUTS | change) == list(change)


@pytest.mark.parametrize(("left", "wanted"), [(RENEW_DAYS + 1, []), (RENEW_DAYS - 1, ["notAfter"]), (-5, ["notAfter"])])
def test_it_is_renewed_before_its_end(left: int, wanted: list[str]) -> None:
    end = dt.datetime.now(dt.UTC) + dt.timedelta(days=left)
    assert diff(made() | {"notAfter": end.isoformat()}, INPUTS) == wanted


def test_a_preview_and_unknown_hosts_leave_it_unknown() -> None:
    for preview, inputs in ((True, INPUTS), (False, INPUTS | {"hosts": UNKNOWN})):
        request = messages.CreateRequest(urn=URN, properties=to_struct(inputs), preview=preview)
        outputs = from_struct(plugin().create(request).properties)
        assert outputs["certificate"] is UNKNOWN
        assert outputs["key"].value is UNKNOWN


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "hosts must be a list of host names and addresses in small letters, at least one, not None."),
        ({"hosts": []}, "at least one, not []."),
        ({"hosts": "localhost"}, "not 'localhost'."),
        ({"hosts": ["a b"]}, "not ['a b']."),
        ({"hosts": ["a"], "days": 7}, "days must be a whole number from 60 to 825, not 7."),
        ({"hosts": ["a"], "days": True}, "days must be a whole number from 60 to 825, not True."),
        ({"hosts": ["a"], "length": 3}, "length is not an input of a Certificate; there are hosts, days and rotation."),
    ],
)
def test_what_cannot_work_is_refused(given: dict[str, Any], sentence: str) -> None:
    answer = plugin().check(messages.CheckRequest(urn=URN, news=to_struct(given)))
    assert sentence in " ".join(failure.reason for failure in answer.failures)
