#!/bin/bash
# What iotlab-up.service runs: the lab as this machine's stack file says, then /data as the place where its shared volume lies.
set -euo pipefail

PATH=$PATH:/snap/bin # a unit's has it on some images only
if command -v microk8s >/dev/null; then # after a boot its API comes minutes later than the network, and `lab up` asks once
    microk8s status --wait-ready --timeout 600 || {
        echo "microk8s does not get ready: microk8s inspect says why" >&2
        exit 1
    }
fi
install -m 0644 /etc/iotlab/Pulumi.vm.yaml /opt/iotlab/current/Pulumi.vm.yaml
lab up --stack vm

volume=$(kubectl get pvc data-claim --ignore-not-found -o 'jsonpath={.spec.volumeName}')
if [ -n "$volume" ]; then
    folder=$(kubectl get pv "$volume" -o 'jsonpath={.spec.hostPath.path}{.spec.local.path}')
    if ! [ /data -ef "$folder" ]; then
        sed -i '\| /data none bind|d' /etc/fstab
        echo "$folder /data none bind,nofail 0 0" >>/etc/fstab # at the next boot it is there before NFS
        mount --bind "$folder" /data
        ! systemctl is-active --quiet nfs-server.service || exportfs -ra
    fi
fi
