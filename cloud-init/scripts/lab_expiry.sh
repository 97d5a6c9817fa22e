#!/bin/sh
# Switches the machine off from the day in /etc/iotlab/expires on (UTC). Asked again and again rather than set as an alarm: a
# machine that was off on that day, or whose clock was wrong, is found all the same.
set -eu
expires=$(tr -d '[:space:]-' </etc/iotlab/expires)
if [ "$(date -u +%Y%m%d)" -ge "$expires" ]; then
    echo "this lab expired on $(cat /etc/iotlab/expires): the machine switches itself off" >&2
    exec systemctl poweroff
fi
