#!/bin/bash
# kubectl and helm as anybody types them: those of the lab's toolchain, with the kubeconfig of this machine's cluster.
# Remedy: sudo lab-stage run
set -euo pipefail
# shellcheck source=cloud-init/scripts/lib.sh
. "${IOTLAB_LIB:?}/lib.sh"

for name in kubectl helm; do
    ln -sfn "$IOTLAB_LIB/lab-tool" "/usr/local/bin/$name"
done
printf 'This machine is a lab: lab status -s vm · lab access -s vm · lab-stage status\n' >/etc/motd
