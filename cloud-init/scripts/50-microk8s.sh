#!/bin/bash
# MicroK8s at one channel; it doesn't move to another by itself.
# Remedy: snap changes and microk8s inspect say why; then sudo lab-stage run
set -euo pipefail
# shellcheck source=cloud-init/scripts/lib.sh
. "${IOTLAB_LIB:?}/lib.sh"

snap wait system seed.loaded
if snap list microk8s >/dev/null 2>&1; then
    again 3 20 snap refresh microk8s --channel="${CHANNEL:?}"
else
    again 3 20 snap install microk8s --classic --channel="${CHANNEL:?}"
fi
snap refresh --hold=forever microk8s
# kubelet deletes imported images when the disk fills, and nobody could bring them back: it may not
arguments=/var/snap/microk8s/current/args/kubelet
if ! grep -q -- --image-gc-high-threshold "$arguments"; then
    printf -- '--image-gc-high-threshold=100\n--image-gc-low-threshold=99\n' >>"$arguments"
    snap restart microk8s.daemon-kubelite
fi
microk8s status --wait-ready --timeout 600 || fail "microk8s does not get ready" "microk8s inspect says why; then sudo lab-stage run"
usermod -aG microk8s "${LOGIN:?}"
