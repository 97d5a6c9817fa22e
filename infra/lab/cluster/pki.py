"""The cluster's certificates: made here, kept in the state, renewed in time."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS = 3650
LEAF_DAYS = 365
RENEW_DAYS = 60  # a lab that is started at least every ten months never meets an expired certificate


@dataclass(frozen=True, slots=True)
class Pair:
    """A private key and its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class Wanted:
    """A leaf certificate: who it is for and, for servers, the names and addresses it answers to."""

    name: str
    common_name: str
    organization: str = ""
    answers_to: tuple[str, ...] = ()
    issuer: str = "ca"

    @property
    def subject(self) -> x509.Name:
        """Kubernetes reads the user from the common name and the group from the organization."""
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, self.common_name)]
        if self.organization:
            attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.organization))
        return x509.Name(attributes)

    @property
    def alternatives(self) -> list[x509.GeneralName]:
        """Addresses as addresses, everything else as DNS names."""
        names: list[x509.GeneralName] = []
        for text in self.answers_to:
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(text)))
            except ValueError:
                names.append(x509.DNSName(text))
        return names


def wanted(node: str, node_address: str, api_address: str) -> tuple[Wanted, ...]:
    """Every leaf certificate of a one-node cluster."""
    api_names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    return (
        Wanted("apiserver", "kube-apiserver", answers_to=(*api_names, node, "localhost", node_address, api_address, "127.0.0.1")),
        Wanted("apiserver-kubelet-client", "kube-apiserver-kubelet-client"),
        Wanted("kubelet-serving", f"system:node:{node}", "system:nodes", (node, node_address)),
        Wanted("kubelet", f"system:node:{node}", "system:nodes"),
        Wanted("admin", "iotlab-admin", "system:masters"),
        Wanted("controller-manager", "system:kube-controller-manager"),
        Wanted("scheduler", "system:kube-scheduler"),
        Wanted("proxy", "system:kube-proxy"),
        Wanted("front-proxy-client", "front-proxy-client", issuer="front-proxy-ca"),
    )


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only the owner may read, in one move."""
    scratch = path.with_name(f".{path.name}.new")
    scratch.unlink(missing_ok=True)
    handle = os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    scratch.replace(path)


def key_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The private key as PEM."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _read(folder: Path, name: str) -> Pair | None:
    try:
        key = serialization.load_pem_private_key((folder / f"{name}.key").read_bytes(), password=None)
        certificate = x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        return None
    return Pair(key, certificate)


def _write(folder: Path, name: str, pair: Pair) -> Pair:
    write_private(folder / f"{name}.key", key_text(pair.key))
    write_private(folder / f"{name}.crt", pair.certificate.public_bytes(serialization.Encoding.PEM))
    return pair


def _sign(subject: x509.Name, days: int, issuer: Pair | None, extensions: Sequence[tuple[x509.ExtensionType, bool]]) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=days))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Pair(key, builder.sign(issuer.key if issuer else key, hashes.SHA256()))


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _soon_over(certificate: x509.Certificate, now: dt.datetime) -> bool:
    return certificate.not_valid_after_utc - now < dt.timedelta(days=RENEW_DAYS)


def _new_authority(common_name: str, days: int) -> Pair:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    extensions = [(x509.BasicConstraints(ca=True, path_length=0), True), (_usage(signs=True), True)]
    return _sign(subject, days, None, extensions)


def _authority(folder: Path, name: str, now: dt.datetime) -> Pair:
    found = _read(folder, name)
    if found and not _soon_over(found.certificate, now):
        return found
    return _write(folder, name, _new_authority(f"iotlab {name}", CA_DAYS))


def _still_good(found: Pair, leaf: Wanted, issuer: Pair, now: dt.datetime) -> bool:
    certificate = found.certificate
    if _soon_over(certificate, now) or certificate.subject != leaf.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer.certificate)
        names = list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        names = []
    except (ValueError, TypeError, InvalidSignature):  # signed by another authority
        return False
    return names == leaf.alternatives


def _new_leaf(leaf: Wanted, days: int, issuer: Pair) -> Pair:
    usage = [ExtendedKeyUsageOID.SERVER_AUTH if leaf.answers_to else ExtendedKeyUsageOID.CLIENT_AUTH]
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs=False), True),
        (x509.ExtendedKeyUsage(usage), False),
    ]
    if leaf.answers_to:
        extensions.append((x509.SubjectAlternativeName(leaf.alternatives), False))
    return _sign(leaf.subject, days, issuer, extensions)


def sole(name: str, answers_to: tuple[str, ...], days: int) -> tuple[Pair, x509.Certificate]:
    """A server's pair and the authority that signed it; the authority's key is gone, so it will never sign another."""
    authority = _new_authority(f"{name} ({answers_to[0]})", days)
    return _new_leaf(Wanted(name, answers_to[0], answers_to=answers_to), days, authority), authority.certificate


def _leaf(folder: Path, leaf: Wanted, issuer: Pair, now: dt.datetime) -> None:
    found = _read(folder, leaf.name)
    if not (found and _still_good(found, leaf, issuer, now)):
        _write(folder, leaf.name, _new_leaf(leaf, LEAF_DAYS, issuer))


def ensure(folder: Path, leaves: Sequence[Wanted], now: dt.datetime | None = None) -> None:
    """Make what is missing, near its end, or made for other names; leave the rest as it is.

    `folder` then holds NAME.key and NAME.crt for each leaf and authority, and service-account.key/.pub.
    """
    moment = now or dt.datetime.now(dt.UTC)
    authorities = {name: _authority(folder, name, moment) for name in ("ca", "front-proxy-ca")}
    for leaf in leaves:
        _leaf(folder, leaf, authorities[leaf.issuer], moment)
    private, public = folder / "service-account.key", folder / "service-account.pub"
    if not (private.exists() and public.exists()):
        key = ec.generate_private_key(ec.SECP256R1())
        write_private(private, key_text(key))
        info = serialization.PublicFormat.SubjectPublicKeyInfo
        write_private(public, key.public_key().public_bytes(serialization.Encoding.PEM, info))
