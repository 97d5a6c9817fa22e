#!/bin/sh
# kubectl, helm (by the name it is called): the toolchain's, for the cluster of this machine.
set -eu
if [ "$(id -u)" -ne 0 ]; then exec sudo -- "$0" "$@"; fi
# shellcheck source=/dev/null
. /etc/iotlab/lab.env
for file in "$IOTLAB_STATE/pulumi/vm.kubeconfig" "$IOTLAB_STATE/cluster/kubeconfig"; do
    if [ -f "$file" ]; then
        KUBECONFIG=$file exec "$IOTLAB_CACHE/bin/$(basename "$0")" "$@"
    fi
done
echo "$(basename "$0"): the lab has no cluster yet; lab-stage status says how far it is" >&2
exit 1
