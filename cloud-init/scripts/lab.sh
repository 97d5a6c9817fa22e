#!/bin/sh
# lab: this machine's own lab command, as root, with its state where a reboot finds it again.
set -eu
if [ "$(id -u)" -ne 0 ]; then exec sudo -- "$0" "$@"; fi
set -a
# shellcheck source=/dev/null
. /etc/iotlab/lab.env
set +a
exec /opt/iotlab/current/lab "$@"
