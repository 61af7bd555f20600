# shellcheck shell=bash disable=SC2034,SC2154 # variables shared with the script that reads this
# Shared by the scripts in tools/: where the checkout is, and how to speak.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() {
    printf '== %s\n' "$*"
}

complain() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
}

die() {
    complain "$@"
    exit 1
}

# Runs a command quietly; its output goes to the file $1 and is shown only when the command fails.
quietly() {
    local log=$1
    shift
    mkdir -p "$(dirname "$log")"
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 80 "$log" >&2
        complain "failed: $* (all of its output: $log)"
        return 1
    fi
}
