"""Where images are pulled from: addresses that can't work are refused, references carry the digest."""

import pytest

from infra.registries import RegistryAddress

DIGEST = f"sha256:{'ab' * 32}"


@pytest.mark.parametrize(
    ("text", "url", "reference"),
    [
        ("localhost:5000", "https://localhost:5000", f"localhost:5000/kafka@{DIGEST}"),
        ("registry.example.org/team/lab", "https://registry.example.org", f"registry.example.org/team/lab/kafka@{DIGEST}"),
        ("http://localhost:5000", "http://localhost:5000", f"localhost:5000/kafka@{DIGEST}"),
        ("http://192.168.1.4:5000/lab", "http://192.168.1.4:5000", f"192.168.1.4:5000/lab/kafka@{DIGEST}"),
    ],
)
def test_an_address_becomes_references(text: str, url: str, reference: str) -> None:
    address = RegistryAddress.parse(text)
    assert address.url == url
    assert address.reference("kafka", DIGEST) == reference


@pytest.mark.parametrize(
    "text", ["registry", "https://registry.example.org", "host:5000/", "host:5000/Team", "host:port", "a b:1"]
)
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no registry: write host:port .* as in localhost:5000"):
        RegistryAddress.parse(text)


@pytest.mark.parametrize("text", ["http://registry.example.org", "http://8.8.8.8:5000"])
def test_no_image_goes_unencrypted_over_the_internet(text: str) -> None:
    with pytest.raises(ValueError, match="would send images unencrypted"):
        RegistryAddress.parse(text)
