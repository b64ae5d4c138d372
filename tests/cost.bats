#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The system calls that the library adds, counted by strace.

# bats file_tags=shipped

load helpers

# The names of COMMAND's system calls from its first socket() on.
system_calls() { # PRELOAD COMMAND...
    local trace=$BATS_TEST_TMPDIR/trace

    on here strace -qq -o "$trace" -E LD_PRELOAD="$1" "${@:2}" >/dev/null 2>&1 || true
    sed -n '/^socket(/,$ s/(.*//p' "$trace"
}

# The system calls that the library adds, each as "> name".
added_system_calls() { # COMMAND...
    system_calls '' "$@" >"$BATS_TEST_TMPDIR/without"
    system_calls "$library" "$@" >"$BATS_TEST_TMPDIR/with"
    [ -s "$BATS_TEST_TMPDIR/without" ] || fail "no system calls seen: $*"
    diff "$BATS_TEST_TMPDIR/without" "$BATS_TEST_TMPDIR/with" | grep '^[<>]'
}

# Each line of standard input is a command. Ports 50100 and, on ::1, 50101 have servers; SYNs to 50000 are lost.
each_adds() { # SYSTEM-CALLS
    local -a command
    server 50100
    server 50101 ::1
    lose_syns_to 50000
    set_source_ports 51000 51999
    while read -r -a command; do
        run added_system_calls "${command[@]}"
        assert_equal "${command[*]}: $output" "${command[*]}: $1"
    done
}

@test "a connect that succeeds or is pending, and one by UDP, costs one getsockname()" {
    each_adds '> getsockname' <<'EOF'
connect 127.0.0.1 50100
connect ::1 50101
connect --nonblock 127.0.0.1 50000
connect --protocol udp 127.0.0.1 50100
untouched connected
EOF
}

@test "a failed connect, one by another family, and a send without Fast Open cost no system call" {
    each_adds '' <<'EOF'
connect 127.0.0.1 50102
connect 198.51.100.1 50100
untouched failing
untouched unix-stream
untouched unix-datagram
untouched netlink
untouched sends
env NOSELFCONN_MODE=off connect 127.0.0.1 50100
EOF
}

@test "a send without Fast Open costs at most 30 instructions with gcc and clang" {
    local compiler call instructions
    for compiler in gcc clang; do
        make -C "$root" --silent --always-make BUILD="$BATS_TEST_TMPDIR/$compiler" CC=$compiler \
            "$BATS_TEST_TMPDIR/$compiler/libnoselfconn.so"
        run -0 on here env LD_PRELOAD="$BATS_TEST_TMPDIR/$compiler/libnoselfconn.so" \
            valgrind --quiet --tool=callgrind --callgrind-out-file="$BATS_TEST_TMPDIR/callgrind" untouched sends
        run -0 callgrind_annotate --threshold=100 "$BATS_TEST_TMPDIR/callgrind"
        for call in sendto sendmsg sendmmsg; do # a thousand of each
            instructions=$(sed -n "s|^ *\([0-9,]*\) .*:$call \[.*/libnoselfconn\.so\].*|\1|p" <<<"$output" | tr -d ,)
            echo "$compiler, $call: $((instructions / 1000))"
            [ "$instructions" -gt 0 ] && [ "$instructions" -le 30000 ]
        done
    done
}

system_calls_of_true() { # PRELOAD
    on here strace -qq -o "$BATS_TEST_TMPDIR/trace" -E LD_PRELOAD="$1" true
    wc -l <"$BATS_TEST_TMPDIR/trace"
}

@test "loading costs no more system calls than loading an empty library" {
    local none empty ours
    none=$(system_calls_of_true '')
    empty=$(system_calls_of_true "$root/build/tests/empty.so")
    ours=$(system_calls_of_true "$library")
    echo "none $none, an empty library $empty, this library $ours"
    [ "$none" -lt "$empty" ]
    [ "$none" -lt "$ours" ]
    [ "$ours" -le "$empty" ]
}
