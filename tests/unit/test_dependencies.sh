#!/usr/bin/env bash
# The rule of the dependencies, over the #include lines of the whole tree: proto <- storage <- broker and
# proto <- gateway, and each foreign header in its one home.
#
#   test_dependencies.sh the_tree_keeps_the_rules|a_broken_rule_is_found CHECKOUT
set -euo pipefail

tree= # of the self-test; removed at the end

# Prints `FILE:LINE: #include …` for each include of the tree under $1 that breaks a rule.
broken_includes() {
    (
        cd "$1"
        find proto storage broker gateway tools tests -name node_modules -prune -o \
            -type f -name '*.[ch]' -exec awk "$rules" {} +
    )
}

# Which of our folders a folder may include from, and where a foreign header may stand. The tests may
# use everything.
# shellcheck disable=SC2016 # the dollars are awk's
rules='
BEGIN {
    split("proto storage broker gateway tools tests", ours)
    for (i in ours)
        is_ours[ours[i]] = 1
    may["proto"] = " proto "
    may["storage"] = " proto storage "
    may["broker"] = " proto storage broker "
    may["gateway"] = " proto gateway "
    may["tools"] = " proto storage tools "
    may["tests"] = " proto storage broker gateway tools tests "
    home["lmdb.h"] = "^storage/"
    home["libwebsockets.h"] = "^gateway/frontends/"
    home["zmq.h"] = "^(broker/peers/bus|gateway/link|tools/sdk/c/[^/]*|tests/.*)[^/]*$"
    home["uv.h"] = "^(gateway|tests/fuzz)/"
    home["yaml.h"] = "^proto/base/settings[.]c$"
    home["cmocka.h"] = "^tests/"
}
/^[ \t]*#[ \t]*include[ \t]*["<]/ {
    header = $0
    sub(/^[^"<]*["<]/, "", header)
    sub(/[">].*$/, "", header)
    folder = FILENAME
    sub(/\/.*$/, "", folder)
    first = header
    sub(/\/.*$/, "", first)
    if (first in is_ours && index(may[folder], " " first " ") == 0)
        print FILENAME ":" FNR ": " $0
    if (header in home && FILENAME !~ home[header])
        print FILENAME ":" FNR ": " $0
}'

the_tree_keeps_the_rules() {
    local broken
    broken=$(broken_includes "$1")
    if [ -n "$broken" ]; then
        printf 'these includes are against the direction of the dependencies:\n%s\n' "$broken" >&2
        return 1
    fi
}

# The rules are tried on a small tree with known faults, so that this test cannot pass by looking nowhere.
a_broken_rule_is_found() {
    local expected found
    tree=$(mktemp -d)
    trap 'rm -rf "$tree"' EXIT
    mkdir -p "$tree"/{proto/base,storage,broker/peers,gateway/frontends,tools/sdk/c,tests/unit}
    echo '#include "storage/store.h"' >"$tree/proto/upwards.c"
    echo '#include "proto/base/buf.h"' >"$tree/storage/fine.c"
    echo '#include "broker/rooms/room.h"' >"$tree/storage/upwards.h"
    echo '# include "storage/store.h"' >"$tree/gateway/sideways.c"
    echo '#include <libwebsockets.h>' >"$tree/gateway/abroad.c"
    echo '#include <libwebsockets.h>' >"$tree/gateway/frontends/home.c"
    echo '#include <zmq.h>' >"$tree/broker/peers/bus.c"
    echo '#include <zmq.h>' >"$tree/broker/abroad.c"
    echo '#include <zmq.h>' >"$tree/tools/sdk/c/rejoin.c"
    echo '#include <lmdb.h>' >"$tree/tests/unit/abroad.c"
    expected='broker/abroad.c:1 gateway/abroad.c:1 gateway/sideways.c:1 proto/upwards.c:1 storage/upwards.h:1 tests/unit/abroad.c:1'
    found=$(broken_includes "$tree" | cut -d: -f1,2 | sort | tr '\n' ' ')
    if [ "$found" != "$expected " ]; then
        printf 'expected: %s\nfound:    %s\n' "$expected" "$found" >&2
        return 1
    fi
}

"$1" "$2"
