#!/bin/bash
# The bundle: fetched, its hash compared, then the checkout it was made from, the Python packages, toolchain and images out of it.
# Remedy: check the disk (df -h) and the address in /etc/iotlab/stages/60-bundle.env, then sudo lab-stage run
set -euo pipefail
# shellcheck source=cloud-init/scripts/lib.sh
. "${IOTLAB_LIB:?}/lib.sh"

install -d -m 0755 /opt/iotlab /var/lib/iotlab/bundle
bundle=$(lab-fetch "/var/lib/iotlab/bundle/${BUNDLE_SHA256:?}")
for old in /var/lib/iotlab/bundle/* /var/lib/iotlab/bundle/.*.part; do
    [ "$old" = "$bundle" ] || rm -f "$old"
done
place=/opt/iotlab/${BUNDLE_SHA256:0:16}
if ! [ -d "$place" ]; then
    rm -rf "$place.new"
    mkdir "$place.new"
    lab-fetch --checkout "$bundle" "$place.new"
    mv "$place.new" "$place"
fi
ln -sfn "$place" /opt/iotlab/current
for old in /opt/iotlab/*; do
    case $old in "$place" | /opt/iotlab/current) ;; *) rm -rf "$old" ;; esac
done
install -m 0644 /etc/iotlab/Pulumi.vm.yaml /opt/iotlab/current/Pulumi.vm.yaml
# the Python packages of the bundle are for its maker's Python; another one takes the same, by hash, from the package index
if ! lab up --bundle "$bundle" --help >/dev/null; then
    echo "the bundle's Python packages are not for this machine's Python: taken from the package index"
    lab --help >/dev/null
fi
lab bundle take "$bundle"
if [ "${KUBERNETES:?}" = microk8s ]; then
    images=/var/lib/iotlab/images.tar
    lab bundle images "$images" --stack vm
    microk8s images import <"$images"
    rm -f "$images"
fi
