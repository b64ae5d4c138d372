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

adds_nothing() { # COMMAND...
    run added_system_calls "$@"
    assert_output ''
}

adds_one_getsockname() { # COMMAND...
    run added_system_calls "$@"
    assert_output '> getsockname'
}

@test "a successful connect costs one getsockname()" {
    server 50100
    set_source_ports 51000 51999
    adds_one_getsockname connect 127.0.0.1 50100
}

@test "a successful connect over IPv6 costs one getsockname()" {
    server 50100 ::1
    set_source_ports 51000 51999
    adds_one_getsockname connect ::1 50100
}

@test "a connect that is still pending costs one getsockname()" {
    lose_syns_to 50100
    set_source_ports 51000 51999
    adds_one_getsockname connect --nonblock 127.0.0.1 50100
}

@test "a UDP connect costs one getsockname()" {
    set_source_ports 51000 51999
    adds_one_getsockname connect --protocol udp 127.0.0.1 50100
}

@test "a refused connect costs no system call" {
    set_source_ports 51000 51999
    adds_nothing connect 127.0.0.1 50100
}

@test "a connect that fails with another error costs no system call" {
    adds_nothing connect 198.51.100.1 50100 # ENETUNREACH
    adds_nothing untouched short-length
    adds_nothing untouched wrong-family
    adds_nothing untouched null-address
}

@test "an AF_UNIX connect costs no system call" {
    adds_nothing untouched unix-stream
    adds_nothing untouched unix-datagram
}

@test "an AF_NETLINK connect costs no system call" {
    adds_nothing untouched netlink
}

@test "a disconnect by AF_UNSPEC costs no system call" {
    run added_system_calls untouched disconnect
    assert_output '> getsockname' # for the connect() before it
}

@test "sends without Fast Open cost no system call" {
    adds_nothing untouched sends
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

@test "a connect costs no system call with NOSELFCONN_MODE=off" {
    server 50100
    set_source_ports 51000 51999
    export NOSELFCONN_MODE=off
    adds_nothing connect 127.0.0.1 50100
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
