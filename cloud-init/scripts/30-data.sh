#!/bin/bash
# The folder that notebooks, consumers and the class share. NFS is open to the VPN's net alone, twice: by the export's own
# list and by the firewall, which knows the interface. Version 4 only: one port, no portmapper.
# Remedy: systemctl status nfs-server iotlab-firewall says why; then sudo lab-stage run
set -euo pipefail
# shellcheck source=cloud-init/scripts/lib.sh
. "${IOTLAB_LIB:?}/lib.sh"

systemctl enable iotlab-firewall.service
systemctl restart iotlab-firewall.service
install -d -o "${OWNER:?}" -g "$OWNER" -m 2775 /data
install -d /etc/nfs.conf.d /etc/exports.d
printf '[nfsd]\nvers3=n\nvers4=y\n' >/etc/nfs.conf.d/iotlab.conf
# statd serves version 3 and would be a failed unit without the portmapper
systemctl mask --now rpcbind.service rpcbind.socket rpc-statd.service
exports=/etc/exports.d/iotlab.exports
if [ -z "${NET:-}" ]; then
    rm -f "$exports"
    systemctl disable --now nfs-server.service
    echo "no VPN: /data is not exported"
    exit 0
fi
printf '/data %s(rw,sync,no_subtree_check,all_squash,anonuid=%s,anongid=%s)\n' "$NET" "$OWNER" "$OWNER" >"$exports"
systemctl enable nfs-server.service
systemctl restart nfs-server.service
exportfs -ra
exportfs -v
