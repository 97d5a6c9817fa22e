#!/bin/bash
# WireGuard. The private key is made here, once, and never leaves; the public one lies where everybody may read it.
# Remedy: journalctl -u wg-quick@wg0 says why; then sudo lab-stage run
set -euo pipefail
# shellcheck source=cloud-init/scripts/lib.sh
. "${IOTLAB_LIB:?}/lib.sh"

key=/etc/wireguard/iotlab.key
install -d -m 0700 /etc/wireguard
if ! [ -s "$key" ]; then
    (umask 077 && wg genkey >"$key.new")
    mv "$key.new" "$key" # a key is whole or not there: it is never made twice
fi
wg pubkey <"$key" >/var/lib/iotlab/vpn-public-key
chmod 0644 /var/lib/iotlab/vpn-public-key
{
    printf '[Interface]\nAddress = %s/24\nListenPort = %s\n' "${ADDRESS:?}" "${PORT:?}"
    printf 'PostUp = wg set %%i private-key %s\n' "$key"
    if [ -n "${PEER:-}" ]; then
        printf '\n[Peer]\nPublicKey = %s\nAllowedIPs = %s\nEndpoint = %s\nPersistentKeepalive = 25\n' \
            "$PEER" "${NET:?}" "${ENDPOINT:?}"
    fi
} >/etc/wireguard/wg0.conf
chmod 0600 /etc/wireguard/wg0.conf
systemctl enable wg-quick@wg0.service
systemctl restart wg-quick@wg0.service
wg show wg0
