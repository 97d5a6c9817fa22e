#!/bin/bash
# What iotlab-up.service runs: the lab as this machine's stack file says, then /data as the place where its shared volume lies.
set -euo pipefail

install -m 0644 /etc/iotlab/Pulumi.vm.yaml /opt/iotlab/current/Pulumi.vm.yaml
lab up --stack vm

volume=$(kubectl get pvc data-claim --ignore-not-found -o 'jsonpath={.spec.volumeName}')
if [ -n "$volume" ]; then
    folder=$(kubectl get pv "$volume" -o 'jsonpath={.spec.hostPath.path}{.spec.local.path}')
    if ! [ /data -ef "$folder" ]; then
        mount --bind "$folder" /data
        ! systemctl is-active --quiet nfs-server.service || exportfs -ra
    fi
fi
