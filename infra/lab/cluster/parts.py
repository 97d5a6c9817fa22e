"""The cluster's own programs: in which order they start, and with which words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from infra.lab.cluster.layout import (
    API_PORT,
    CONTAINERD_SOCKET,
    ETCD_HOME,
    ETCD_SOCKET,
    HOME,
    KUBELET_HOME,
    NODE,
)
from infra.lab.cluster.network import Network

PKI = HOME / "pki"
CONF = HOME / "conf"


@dataclass(frozen=True, slots=True)
class Part:
    """One program. It starts when what it `needs` answers; `stop_s` is how long it may take to end."""

    name: str
    argv: tuple[str, ...]
    needs: Literal["", "etcd", "containerd", "api"] = ""
    stop_s: float = 5.0


def _kubeconfig(name: str) -> str:
    return str(CONF / f"{name}.kubeconfig")


def _etcd() -> Part:
    socket = f"unix://{ETCD_SOCKET}"
    # fsync stays on: 0.04 ms here (2026-11), and without it a power cut can cost every object of the cluster.
    words = (
        "etcd",
        f"--name={NODE}",
        f"--data-dir={ETCD_HOME}",
        f"--listen-client-urls={socket}",
        "--advertise-client-urls=http://127.0.0.1:2379",  # must look like this; nothing listens there
        f"--listen-peer-urls=unix://{ETCD_SOCKET.with_name('peer.sock')}",
        "--initial-advertise-peer-urls=http://127.0.0.1:2380",
        f"--initial-cluster={NODE}=http://127.0.0.1:2380",
        "--auto-compaction-mode=revision",
        "--auto-compaction-retention=2000",
        "--max-wals=2",
        "--log-level=warn",
    )
    return Part("etcd", words)


def _apiserver(network: Network) -> Part:
    words = (
        "kube-apiserver",
        f"--etcd-servers=unix://{ETCD_SOCKET}",
        f"--bind-address={network.node}",
        f"--advertise-address={network.node}",
        f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={network.services}",
        "--anonymous-auth=false",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--client-ca-file={PKI}/ca.crt",
        f"--tls-cert-file={PKI}/apiserver.crt",
        f"--tls-private-key-file={PKI}/apiserver.key",
        "--tls-min-version=VersionTLS12",
        f"--kubelet-certificate-authority={PKI}/ca.crt",
        f"--kubelet-client-certificate={PKI}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={PKI}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-key-file={PKI}/service-account.pub",
        f"--service-account-signing-key-file={PKI}/service-account.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--requestheader-client-ca-file={PKI}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={PKI}/front-proxy-client.crt",
        f"--proxy-client-key-file={PKI}/front-proxy-client.key",
        "--enable-aggregator-routing=true",  # to the pods behind a Service: the node itself has no route to its address
        "--allow-privileged=true",
        "--profiling=false",
        "--event-ttl=1h",
    )
    return Part("kube-apiserver", words, "etcd", 10.0)


def _controller_manager() -> Part:
    config = _kubeconfig("controller-manager")
    words = (
        "kube-controller-manager",
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={PKI}/service-account.key",
        f"--root-ca-file={PKI}/ca.crt",
        f"--requestheader-client-ca-file={PKI}/front-proxy-ca.crt",
        f"--client-ca-file={PKI}/ca.crt",
        "--allocate-node-cidrs=false",
        f"--flex-volume-plugin-dir={KUBELET_HOME}/volumeplugins",
        "--profiling=false",
    )
    return Part("kube-controller-manager", words, "api")


def _scheduler() -> Part:
    config = _kubeconfig("scheduler")
    words = (
        "kube-scheduler",
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--profiling=false",
    )
    return Part("kube-scheduler", words, "api")


def _kubelet(network: Network) -> Part:
    words = (
        "kubelet",
        f"--config={CONF}/kubelet.yaml",
        f"--kubeconfig={_kubeconfig('kubelet')}",
        f"--hostname-override={NODE}",
        f"--node-ip={network.node}",
        f"--root-dir={KUBELET_HOME}",
    )
    return Part("kubelet", words, "api", 10.0)


def _proxy(network: Network) -> Part:
    words = (
        "kube-proxy",
        f"--kubeconfig={_kubeconfig('proxy')}",
        f"--hostname-override={NODE}",
        "--proxy-mode=iptables",
        f"--cluster-cidr={network.pods}",
        f"--nodeport-addresses={network.node}/32",
        "--metrics-bind-address=127.0.0.1:10249",
        "--healthz-bind-address=127.0.0.1:10256",
        "--iptables-localhost-nodeports=false",
        "--conntrack-max-per-core=0",  # that limit belongs to the whole machine
        "--conntrack-min=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    )
    return Part("kube-proxy", words, "api")


def parts(network: Network) -> tuple[Part, ...]:
    """Every part, in the order of starting; they are stopped the other way round."""
    containerd = Part("containerd", ("containerd", f"--config={CONF}/containerd.toml", f"--address={CONTAINERD_SOCKET}"))
    return (
        containerd,
        _etcd(),
        _apiserver(network),
        _controller_manager(),
        _scheduler(),
        _proxy(network),
        _kubelet(network),
    )
