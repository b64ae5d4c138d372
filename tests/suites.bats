#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=suites
# The test suites of others have the same results under a tracer as without: run by make check-suites.

load helpers

launcher=$root/build/noselfconn

@test "CPython's own tests of sockets, selectors, processes, signals and the system" {
    local without
    local -a suite=(python3 -m test -v -u network test_socketserver test_selectors test_subprocess test_signal
        test_os)
    run -0 on here "${suite[@]}"
    without=$(python_results)
    [ "$(wc -l <<<"$without")" -gt 700 ]
    run -0 on here "$launcher" --trace "${suite[@]}"
    assert_equal "$(python_results)" "$without"
}

# Of the run before: each test and what became of it.
python_results() {
    sed -nE 's/^(test[^ ]* \([^)]*\)).* \.\.\. (ok|FAIL|ERROR|skipped).*/\1 \2/p' <<<"$output" | sort
}

@test "Go's own tests of its network, its processes and its signals, by static programs" {
    local without
    local -a suite=(env GO111MODULE=off CGO_ENABLED=0 GOCACHE="$root/build/go" HOME="$BATS_TEST_TMPDIR"
        go test -v -count=1 -short net os/exec os/signal)
    run on here "${suite[@]}"
    without=$(go_results)
    run on here "${suite[@]:0:${#suite[@]}-3}" -exec "$launcher --trace" "${suite[@]: -3}"
    assert_equal "$(go_results)" "$without"
    [ "$(grep -c '^--- PASS' <<<"$output")" -gt 200 ]
}

# Of the run before: each test and what became of it, without its time.
go_results() {
    sed -nE 's/^ *--- (PASS|FAIL|SKIP): ([^ ]+) .*/\2 \1/p' <<<"$output" | sort
}
