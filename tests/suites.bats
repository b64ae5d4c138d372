#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=suites
# Small suites that expect "connection refused" fail without the library and never with it. The suites of
# CPython, Go and libuv have the same results traced. Run by make check-suites.

load helpers

launcher=$root/build/noselfconn

# The dead port is the only free one of the source ports that the kernel tries first, so that each run self-connects.
@test "suites in Python, JavaScript, Java, Rust and Go that expect a refusal never fail by the README's commands" {
    local readme failure success command _
    local -a by suite
    cp -R "$root/tests/suites" "$BATS_TEST_TMPDIR"
    while IFS='|' read -u 4 -r readme failure success command; do
        grep -qF "\`$readme\`" "$root/README.md"
        by=("$launcher")
        [[ $readme != *--trace* ]] || by+=(--trace)
        read -ra suite <<<"env --chdir $BATS_TEST_TMPDIR/suites HOME=$BATS_TEST_TMPDIR $command"
        new_host
        run -0 on here "${suite[@]}"
        new_host
        set_source_ports 50000 50001
        run ! on here "${suite[@]}"
        assert_output --regexp "$failure"
        for _ in 1 2 3; do
            new_host
            set_source_ports 50000 50001
            run -0 on here "${by[@]}" "${suite[@]}"
            assert_output --partial "$success"
        done
    done 4<<END
noselfconn pytest|[1-9] failed|2 passed|pytest-3
noselfconn npm test|# fail [1-9]|# pass 1|npm test
noselfconn mvn verify|nothing was thrown|BUILD SUCCESS|mvn verify
noselfconn cargo test|[1-9] failed|1 passed|cargo test --offline
noselfconn --trace go test|not refused|PASS|GO111MODULE=off GOCACHE=$root/build/go go test -count=1
END
}

# The same tests pass, or are skipped, $bare and $traced, more than LEAST. Some measure time and fail on a busy
# machine: differing ones are run again, twice.
same_results() { # LEAST SED-SCRIPT: prints the results in the output
    local without='' with='' _
    for _ in 1 2 3; do
        run on here "${bare[@]}"
        without=$(printf '%s\n' "$without" "$(sed -nE "$2" <<<"$output")" | sort -u)
        run on here "${traced[@]}"
        with=$(printf '%s\n' "$with" "$(sed -nE "$2" <<<"$output")" | sort -u)
        [ "$without" != "$with" ] || break
    done
    assert_equal "$with" "$without"
    [ "$(wc -l <<<"$with")" -gt "$1" ]
}

@test "CPython's tests of sockets, selectors, processes, signals and os have the same results traced" {
    bare=(python3 -m test -v -u network test_socketserver test_selectors test_subprocess test_signal test_os)
    traced=("$launcher" --trace "${bare[@]}")
    same_results 700 's/^(test[^ ]* \([^)]*\)).* \.\.\. (ok|skipped).*/\1 \2/p'
}

@test "Go's tests of net, os/exec and os/signal have the same results traced" {
    local -a tests=(net os/exec os/signal)
    bare=(env GO111MODULE=off CGO_ENABLED=0 GOCACHE="$root/build/go" HOME="$BATS_TEST_TMPDIR"
        go test -v -count=1 -short "${tests[@]}")
    traced=("${bare[@]:0:${#bare[@]}-3}" -exec "$launcher --trace" "${tests[@]}")
    same_results 200 's/^ *--- (PASS|SKIP): ([^ ]+) .*/\2 \1/p'
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
    same_results 300 's/^ok [0-9]+ - ([a-z0-9_]+)( #.*)?$/\1/p'
}
