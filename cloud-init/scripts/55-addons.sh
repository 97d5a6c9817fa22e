#!/bin/bash
# Add-ons of MicroK8s that the lab's services rest on.
# Remedy: microk8s kubectl get pods -A says which one does not start; then sudo lab-stage run
set -euo pipefail
# shellcheck source=cloud-init/scripts/lib.sh
. "${IOTLAB_LIB:?}/lib.sh"

for addon in ${ADDONS:?}; do
    again 3 20 microk8s enable "$addon"
done
microk8s kubectl --namespace kube-system wait --for=condition=Available --timeout=600s deployment --all
