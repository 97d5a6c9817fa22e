#!/bin/bash
# Knative as MicroK8s' community add-on; its makers say which version.
# Remedy: microk8s kubectl get pods -n knative-serving says why; leave it out with knative: false
set -euo pipefail
# shellcheck source=cloud-init/scripts/lib.sh
. "${IOTLAB_LIB:?}/lib.sh"

again 3 20 microk8s enable community
again 3 20 microk8s enable knative
microk8s kubectl --namespace knative-serving wait --for=condition=Available --timeout=600s deployment --all
