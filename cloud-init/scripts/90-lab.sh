#!/bin/bash
# The services: ./lab up -s vm, by a unit of its own, which can be watched, stopped and started again.
# Runs: at every boot
# Remedy: sudo lab doctor -s vm says which part is red and what to do; then sudo lab-stage run
set -euo pipefail
# shellcheck source=cloud-init/scripts/lib.sh
. "${IOTLAB_LIB:?}/lib.sh"

since=$(date +%s)
code=0
systemctl start iotlab-up.service || code=$?
journalctl _SYSTEMD_UNIT=iotlab-up.service --since "@$since" --output cat --no-pager # its own words, not what systemd says of it
exit "$code"
