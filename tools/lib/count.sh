# shellcheck shell=bash disable=SC2034,SC2154 # variables shared with the script that reads this
# Runs tests and keeps the count of all runs.

passed=0
failed=0
skipped=0

# count WHAT COMMAND…  One thing that passes or fails as a whole. Its status is always 0: the count tells.
count() {
    local what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        complain "failed: $what"
        failed=$((failed + 1))
    fi
}

# Prints "PASSED FAILED SKIPPED" of a JUnit file that ctest has written. A test that ctest could not run at all
# has failed; skipped is what said so itself, or is switched off.
read_junit() {
    awk '
        function settle() {
            if (open)
                failed++
            open = 0
        }
        /^\t<testcase / {
            settle()
            if (/ status="run"/)
                passed++
            else if (/ status="disabled"/)
                skipped++
            else
                open = 1
        }
        /^\t\t<skipped message="SKIP_/ {
            if (open)
                skipped++
            open = 0
        }
        END {
            settle()
            print passed + 0, failed + 0, skipped + 0
        }' "$1"
}

# count_tests PRESET LABELS [WRAPPER…]  Runs the tests of build/PRESET whose label matches the regular expression,
# two at a time, and adds them to the count. That there are none is a failure.
count_tests() {
    local preset=$1 labels=$2 report="$root/build/$1/junit.xml" good bad none
    shift 2
    say "testing $preset: ${labels//[^a-z0-9|]/}"
    rm -f "$report"
    (
        cd "$root"
        "$@" ctest --test-dir "build/$preset" -L "$labels" -j2 --no-tests=error --output-on-failure \
            --output-junit "$report" </dev/null
    ) || true
    if [ ! -s "$report" ]; then
        complain "failed: no tests ran in build/$preset"
        failed=$((failed + 1))
        return
    fi
    read -r good bad none <<<"$(read_junit "$report")"
    passed=$((passed + good))
    failed=$((failed + bad))
    skipped=$((skipped + none))
}

# The closing line, and the status that goes with it.
print_count() {
    local rest=
    if [ "$skipped" -gt 0 ]; then
        rest=", $skipped skipped"
    fi
    printf '%d passed, %d failed%s\n' "$passed" "$failed" "$rest"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
