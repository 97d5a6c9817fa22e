#!/bin/bash
# What all stages share. A stage is run by lab-stage, its settings come by the environment, its output is its log.

# the end of a stage: what is wrong, and what a person does about it
fail() {
    printf '%s\n' "$1" >&2
    printf 'remedy: %s\n' "$2" >&2
    exit 1
}

# again TIMES PAUSE_S COMMAND…: what fails now and then (a mirror, a snap store) is tried again
again() {
    local left=$1 pause_s=$2
    shift 2
    until "$@"; do
        left=$((left - 1))
        if [ "$left" -le 0 ]; then return 1; fi
        printf '%s failed: again in %s s\n' "$1" "$pause_s"
        sleep "$pause_s"
    done
}
