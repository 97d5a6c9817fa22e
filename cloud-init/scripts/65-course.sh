#!/bin/bash
# The course repository at exactly one commit; what somebody changed in it stays.
# Remedy: git ls-remote says whether the repository can be reached; then sudo lab-stage run
set -euo pipefail
# shellcheck source=cloud-init/scripts/lib.sh
. "${IOTLAB_LIB:?}/lib.sh"

place=/home/${LOGIN:?}/course
as=(sudo -u "$LOGIN" env GIT_TERMINAL_PROMPT=0 git -C "$place")
install -d -o "$LOGIN" -g "$LOGIN" "$place"
"${as[@]}" init --quiet
if [ -n "$("${as[@]}" status --porcelain)" ] && "${as[@]}" rev-parse --quiet --verify HEAD >/dev/null; then
    echo "$place has changes of its own: left as it is"
    exit 0
fi
again 3 20 "${as[@]}" fetch --quiet --depth 1 "${REPOSITORY:?}" "${COMMIT:?}"
"${as[@]}" checkout --quiet --detach FETCH_HEAD
[ "$("${as[@]}" rev-parse HEAD)" = "$COMMIT" ] || fail "$place is not at $COMMIT" "name a whole commit of the repository"
