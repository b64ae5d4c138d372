#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=suites
# Test suites: small ones that expect "connection refused" fail without the library and never with it;
# those of others have the same results under a tracer as without. Run by make check-suites.

load helpers

launcher=$root/build/noselfconn

# A suite of suites/ by the README's command, in a namespace where what happens once in thousands of runs
# happens each time: the only free source port, of those that are tried first, is that of the dead port.
never_fails() { # COMMAND-OF-THE-README COMMAND...
    local _
    grep -qF "\`$1\`" "$root/README.md"
    set -- "$1" env --chdir "$BATS_TEST_TMPDIR/suites" HOME="$BATS_TEST_TMPDIR" "${@:2}"
    cp -R "$root/tests/suites" "$BATS_TEST_TMPDIR"
    on here "${@:2}" >"$BATS_TEST_TMPDIR/anywhere" 2>&1 || fail "$(cat "$BATS_TEST_TMPDIR/anywhere")"
    new_host
    set_source_ports 50000 50001
    run ! on here "${@:2}"
    assert_output --regexp "$failure"
    for _ in 1 2 3; do
        new_host
        set_source_ports 50000 50001
        mapfile -t command < <(protecting "$1" "${@:2}")
        run -0 on here "${command[@]}"
        refute_output --regexp "$failure"
    done
}

# The words in front of the command are the README's.
protecting() { # COMMAND-OF-THE-README COMMAND...
    case $1 in
    'noselfconn --trace '*) printf '%s\n' "$launcher" --trace ;;
    *) printf '%s\n' "$launcher" ;;
    esac
    printf '%s\n' "${@:2}"
}

@test "a suite in Python: a dead port, and a server that starts again while a peer reconnects" {
    failure='[1-9] failed'
    never_fails 'noselfconn pytest' pytest-3
    assert_output --partial '2 passed'
}

@test "a suite in JavaScript, a request to a dead port" {
    failure='# fail [1-9]'
    never_fails 'noselfconn npm test' npm test
    assert_output --partial '# pass 2'
}

@test "a suite in Java, a dead port" {
    failure='nothing was thrown'
    never_fails 'noselfconn mvn verify' mvn verify
    assert_output --partial 'BUILD SUCCESS'
}

@test "a suite in Rust, a dead port" {
    failure='[1-9] failed'
    never_fails 'noselfconn cargo test' cargo test --offline
    assert_output --partial '1 passed'
}

@test "a suite in Go, a dead port" {
    failure='not refused'
    never_fails 'noselfconn --trace go test' env GO111MODULE=off GOCACHE="$root/build/go" go test -count=1
    assert_output --partial PASS
}

# Bare and traced, what does not fail is the same. Some of these tests measure time, and fail by themselves
# on a busy machine: what differs is given another chance, twice.
same_results() { # RESULTS: of $bare and of $traced, by a function that reads $output
    local without='' with='' _
    for _ in 1 2 3; do
        run on here "${bare[@]}"
        without=$(printf '%s\n' "$without" "$($1)" | sort -u)
        run on here "${traced[@]}"
        with=$(printf '%s\n' "$with" "$($1)" | sort -u)
        [ "$without" != "$with" ] || break
    done
    assert_equal "$with" "$without"
}

@test "CPython's own tests of sockets, selectors, processes, signals and the system" {
    bare=(python3 -m test -v -u network test_socketserver test_selectors test_subprocess test_signal test_os)
    traced=("$launcher" --trace "${bare[@]}")
    same_results python_results
    [ "$(python_results | wc -l)" -gt 700 ]
}

# Of the run before: each test that has passed, or was skipped.
python_results() {
    sed -nE 's/^(test[^ ]* \([^)]*\)).* \.\.\. (ok|skipped).*/\1 \2/p' <<<"$output"
}

@test "Go's own tests of its network, its processes and its signals, by static programs" {
    local -a tests=(net os/exec os/signal)
    bare=(env GO111MODULE=off CGO_ENABLED=0 GOCACHE="$root/build/go" HOME="$BATS_TEST_TMPDIR"
        go test -v -count=1 -short "${tests[@]}")
    traced=("${bare[@]:0:${#bare[@]}-3}" -exec "$launcher --trace" "${tests[@]}")
    same_results go_results
    [ "$(grep -c '^--- PASS' <<<"$output")" -gt 200 ]
}

# Of the run before: each test that has passed, or was skipped, without its time.
go_results() {
    sed -nE 's/^ *--- (PASS|SKIP): ([^ ]+) .*/\2 \1/p' <<<"$output"
}
