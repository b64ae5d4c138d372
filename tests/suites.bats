#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=suites
# Small suites that expect "connection refused" fail without the library and never with it. The suites of
# CPython, Go and libuv have the same results traced. Run by make check-suites.

load helpers

launcher=$root/build/noselfconn

# Runs a suite of suites/ by the README's command. The dead port is the only free one of the source ports that
# the kernel tries first, so that each run self-connects.
never_fails() { # COMMAND-OF-THE-README COMMAND...
    local _
    local -a by=("$launcher")
    grep -qF "\`$1\`" "$root/README.md"
    [[ $1 != *--trace* ]] || by+=(--trace)
    set -- env --chdir "$BATS_TEST_TMPDIR/suites" HOME="$BATS_TEST_TMPDIR" "${@:2}"
    cp -R "$root/tests/suites" "$BATS_TEST_TMPDIR"
    on here "$@" >"$BATS_TEST_TMPDIR/anywhere" 2>&1 || fail "$(cat "$BATS_TEST_TMPDIR/anywhere")"
    new_host
    set_source_ports 50000 50001
    run ! on here "$@"
    assert_output --regexp "$failure"
    for _ in 1 2 3; do
        new_host
        set_source_ports 50000 50001
        run -0 on here "${by[@]}" "$@"
        refute_output --regexp "$failure"
    done
}

@test "a Python suite with a dead port and a restarted server never fails" {
    failure='[1-9] failed'
    never_fails 'noselfconn pytest' pytest-3
    assert_output --partial '2 passed'
}

@test "a JavaScript suite with a request to a dead port never fails" {
    failure='# fail [1-9]'
    never_fails 'noselfconn npm test' npm test
    assert_output --partial '# pass 2'
}

@test "a Java suite with a dead port never fails" {
    failure='nothing was thrown'
    never_fails 'noselfconn mvn verify' mvn verify
    assert_output --partial 'BUILD SUCCESS'
}

@test "a Rust suite with a dead port never fails" {
    failure='[1-9] failed'
    never_fails 'noselfconn cargo test' cargo test --offline
    assert_output --partial '1 passed'
}

@test "a Go suite with a dead port never fails" {
    failure='not refused'
    never_fails 'noselfconn --trace go test' env GO111MODULE=off GOCACHE="$root/build/go" go test -count=1
    assert_output --partial PASS
}

# The same tests pass bare and traced. Some measure time and fail on a busy machine: differing ones are run
# again, twice.
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

@test "CPython's tests of sockets, selectors, processes, signals and os have the same results traced" {
    bare=(python3 -m test -v -u network test_socketserver test_selectors test_subprocess test_signal test_os)
    traced=("$launcher" --trace "${bare[@]}")
    same_results python_results
    [ "$(python_results | wc -l)" -gt 700 ]
}

python_results() {
    sed -nE 's/^(test[^ ]* \([^)]*\)).* \.\.\. (ok|skipped).*/\1 \2/p' <<<"$output"
}

@test "Go's tests of net, os/exec and os/signal have the same results traced" {
    local -a tests=(net os/exec os/signal)
    bare=(env GO111MODULE=off CGO_ENABLED=0 GOCACHE="$root/build/go" HOME="$BATS_TEST_TMPDIR"
        go test -v -count=1 -short "${tests[@]}")
    traced=("${bare[@]:0:${#bare[@]}-3}" -exec "$launcher --trace" "${tests[@]}")
    same_results go_results
    [ "$(grep -c '^--- PASS' <<<"$output")" -gt 200 ]
}

go_results() {
    sed -nE 's/^ *--- (PASS|SKIP): ([^ ]+) .*/\2 \1/p' <<<"$output"
}

# The source of Debian's libuv, in $BATS_TEST_TMPDIR/libuv.
get_libuv() {
    local apt
    cd "$BATS_TEST_TMPDIR" || return
    mkdir -p lists/partial libuv
    echo "deb-src $(debian_mirror) main" >sources
    apt=(apt-get -qq -o Dir::Etc::SourceList="$PWD/sources" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$PWD/lists")
    "${apt[@]}" update
    "${apt[@]}" source --download-only libuv1
    tar -xf libuv1_*.orig.tar.* -C libuv --strip-components=1
}

# libuv's tests do not run as root.
@test "libuv's tests have the same results traced" {
    local folder
    get_libuv
    cmake -S libuv -B libuv/build >/dev/null
    make -s -C libuv/build uv_run_tests
    cd libuv/build || return
    public_folder
    bare=(env HOME="$PWD" ./uv_run_tests)
    if [ "$EUID" -eq 0 ]; then
        chown -R nobody .
        bare=(setpriv --reuid nobody --regid nogroup --clear-groups "${bare[@]}")
    fi
    traced=("${bare[@]::${#bare[@]}-1}" "$folder/noselfconn" --trace ./uv_run_tests)
    same_results libuv_results
    [ "$(libuv_results | wc -l)" -gt 300 ]
}

libuv_results() {
    sed -nE 's/^ok [0-9]+ - ([a-z0-9_]+)( #.*)?$/\1/p' <<<"$output"
}
