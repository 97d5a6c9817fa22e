"""The configuration files of the cluster's parts."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import yaml

from infra.lab.cluster.layout import (
    API_PORT,
    CGROUP,
    CONTAINERD_HOME,
    CONTAINERD_SOCKET,
    HOME,
    KUBELET_HOME,
    KUBELET_PORT,
    POD_LOGS,
    Folders,
)
from infra.lab.cluster.network import Network
from infra.lab.cluster.pki import write_private
from infra.wiring import NAMESPACE, REGISTRY_NAME, node_port

MAX_PODS = 110
REGISTRIES = HOME / "conf/registries"
# Names of the world aren't served: no pod has a way out. Not empty, or containerd would copy the machine's own file, which isn't
# there inside if systemd-resolved keeps it in /run (Ubuntu, Debian's cloud images).
RESOLVER = b"options ndots:1\n"
NOT_USED = (
    "snapshotter.v1.aufs",
    "snapshotter.v1.btrfs",
    "snapshotter.v1.devmapper",
    "snapshotter.v1.zfs",
    "tracing.processor.v1.otlp",
    "internal.v1.tracing",
)


def kubeconfig(pki: Path, network: Network, who: str, namespace: str = "default") -> str:
    """A kubeconfig with the certificates inside, so that it can be copied anywhere."""

    def inline(name: str) -> str:
        return base64.b64encode((pki / name).read_bytes()).decode()

    server = {"server": f"https://{network.node}:{API_PORT}", "certificate-authority-data": inline("ca.crt")}
    user = {"client-certificate-data": inline(f"{who}.crt"), "client-key-data": inline(f"{who}.key")}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "iotlab",
            "clusters": [{"name": "iotlab", "cluster": server}],
            "users": [{"name": who, "user": user}],
            "contexts": [{"name": "iotlab", "context": {"cluster": "iotlab", "user": who, "namespace": namespace}}],
        },
        sort_keys=False,
    )


def containerd(cni: Path, pause: str) -> str:
    """Configuration of containerd; it loads no AppArmor profile, which would stay in the machine's kernel."""
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
root = "{CONTAINERD_HOME}"
state = "/run/containerd"
disabled_plugins = [{", ".join(f'"io.containerd.{name}"' for name in NOT_USED)}]

[grpc]
  address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{CONTAINERD_HOME}/opt"

[{cri}]
  restrict_oom_score_adj = true
  disable_apparmor = true
  enable_selinux = false
  sandbox_image = "{pause}"
  [{cri}.containerd]
    snapshotter = "overlayfs"
    [{cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [{cri}.containerd.runtimes.runc.options]
        SystemdCgroup = false
  [{cri}.registry]
    config_path = "{REGISTRIES}"
  [{cri}.cni]
    bin_dir = "{cni}"
    conf_dir = "{HOME}/conf/cni"
"""


def registry_hosts(address: str) -> str:
    """Where containerd finds the images of the lab's registry; logins come with a pod's imagePullSecrets."""
    url = f"http://{address}"
    return f'server = "{url}"\n[host."{url}"]\n  capabilities = ["pull", "resolve"]\n'


def cni(network: Network) -> str:
    """One routed link per pod: without a bridge, replies between pods of one node need no bridge-netfilter module."""
    ipam = {
        "type": "host-local",
        "dataDir": "/run/iotlab/ipam",  # gone with the namespaces, as the pods are
        "ranges": [[{"subnet": network.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugin = {"type": "ptp", "ipMasq": False, "ipam": ipam}
    return json.dumps({"cniVersion": "0.4.0", "name": "iotlab", "plugins": [plugin]}, indent=1)


def _kubelet_doors() -> dict[str, object]:
    """Who may speak to kubelet, and with what it proves itself: nobody anonymous, the API server decides."""
    pki = HOME / "pki"
    return {
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{pki}/kubelet-serving.crt",
        "tlsPrivateKeyFile": f"{pki}/kubelet-serving.key",
        "tlsMinVersion": "VersionTLS12",
    }


def kubelet(network: Network) -> str:
    """Kubelet's configuration: absolute eviction limits, images never collected."""
    return yaml.safe_dump(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": network.node,
            "port": KUBELET_PORT,
            "readOnlyPort": 0,
            "healthzBindAddress": "127.0.0.1",
            **_kubelet_doors(),
            "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{CGROUP}",
            "failSwapOn": False,
            "failCgroupV1": False,
            "oomScoreAdj": 0,
            "makeIPTablesUtilChains": False,
            "clusterDNS": [network.dns],
            "clusterDomain": "cluster.local",
            "resolvConf": f"{HOME}/conf/resolv.conf",
            "maxPods": MAX_PODS,
            "podLogsDir": str(POD_LOGS),
            "volumePluginDir": f"{KUBELET_HOME}/volumeplugins",
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "500Mi", "imagefs.available": "500Mi"},
            "containerLogMaxSize": "10Mi",
            "containerLogMaxFiles": 3,
            "serializeImagePulls": False,
            "staticPodPath": "",
        },
        sort_keys=False,
    )


def write(folders: Folders, network: Network, cni_plugins: Path, pause: str, admin: Path) -> None:
    """Write every file; `admin` is the kubeconfig that people use."""
    write_private(admin, kubeconfig(folders.pki, network, "admin", NAMESPACE).encode())
    for who in ("controller-manager", "scheduler", "proxy", "kubelet"):
        write_private(folders.conf / f"{who}.kubeconfig", kubeconfig(folders.pki, network, who).encode())
    (folders.conf / "cni").mkdir(exist_ok=True)
    write_private(folders.conf / "cni" / "10-iotlab.conflist", cni(network).encode())
    write_private(folders.conf / "containerd.toml", containerd(cni_plugins, pause).encode())
    registry = folders.conf / REGISTRIES.name / REGISTRY_NAME
    registry.mkdir(parents=True, exist_ok=True)
    # the node has its ports on its address, not on its own loopback as the name says
    write_private(registry / "hosts.toml", registry_hosts(f"{network.node}:{node_port('registry')}").encode())
    write_private(folders.conf / "kubelet.yaml", kubelet(network).encode())
    write_private(folders.conf / "resolv.conf", RESOLVER)
