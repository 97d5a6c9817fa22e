#!/bin/bash
# Packages of the system; what is there already is left alone, so an image that brings them needs no network.
# Remedy: check the network and /etc/apt/sources.list.d, then sudo lab-stage run
set -euo pipefail
# shellcheck source=cloud-init/scripts/lib.sh
. "${IOTLAB_LIB:?}/lib.sh"

missing=()
for package in ${PACKAGES:?}; do
    # cut off at «installed»: a package that was removed still has a line
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
done
if [ "${#missing[@]}" -eq 0 ]; then
    echo "all packages are there"
    exit 0
fi
apt=(apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3)
again 3 20 "${apt[@]}" -o APT::Update::Error-Mode=any update # else it ends well where a mirror gave nothing
again 3 20 "${apt[@]}" install -y --no-install-recommends "${missing[@]}"
