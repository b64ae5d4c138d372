#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Without privileges, on the machine's own port range. A test finds a port that the kernel is about to choose
# (programs/ahead.c), or binds the socket to its destination.

load helpers

# Runs COMMAND PORT at ports ahead until a self-connection is refused (1 port in 4). Prints all output.
until_refused() { # COMMAND...
    local port places attempt which
    for ((which = 0; which < 60; which++)); do
        read -r port places < <(on here ahead)
        for ((attempt = 0; attempt < places; attempt++)); do
            protected "$@" "$port" 2>&1 </dev/null || true
            [ ! -s "$NOSELFCONN_LOG" ] || return 0
        done
    done
    fail "no self-connection was refused at $which ports: $*"
}

# The control; prints the port.
until_connected_to_itself() { # PATTERN COMMAND...
    local port places attempt which
    for ((which = 0; which < 60; which++)); do
        read -r port places < <(on here ahead)
        for ((attempt = 0; attempt < places; attempt++)); do
            if unprotected "${@:2}" "$port" 2>&1 </dev/null | grep -q -e "$1"; then
                echo "$port"
                return
            fi
        done
    done
    fail "not connected to itself at $which ports: ${*:2}"
}

# Prints a port below the clients' range.
free_port() {
    local port
    while
        port=$((20001 + RANDOM % 6000 * 2))
        [ -n "$(on here ss -Htan "sport = :$port or sport = :$((port + 1))")" ]
    do :; done
    echo $port
}

refused_self_connections() {
    grep -c action=refused "$NOSELFCONN_LOG"
}

@test "in place: connect() to the next source port is refused" {
    export NOSELFCONN_LOG=$BATS_TEST_TMPDIR/log
    run -0 until_refused connect 127.0.0.1
    assert_line 'connect: ECONNREFUSED'
    refute_line 'connect: 0'
    refute_line 'state: ESTABLISHED'
    until_connected_to_itself 'state: ESTABLISHED' connect 127.0.0.1
}

# bats test_tags=tools
@test "in place: a loop of telnet is refused" {
    local port
    export NOSELFCONN_LOG=$BATS_TEST_TMPDIR/log
    run -0 until_refused telnet 127.0.0.1
    assert_output --partial 'Connection refused'
    refute_output --partial 'Connected to'
    port=$(until_connected_to_itself 'Connected to 127.0.0.1' telnet 127.0.0.1)
    run on here ss -Htan state time-wait "sport = :$port and dport = :$port"
    assert_output --partial "127.0.0.1:$port"
}

# bats test_tags=tools
@test "in place: a loop of Python's socket.create_connection() is refused" {
    local client='
import socket, sys
try:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as s:
        print("self-connected" if s.getsockname() == s.getpeername() else "other")
except ConnectionRefusedError:
    print("refused")'
    export NOSELFCONN_LOG=$BATS_TEST_TMPDIR/log
    run -0 until_refused python3 -c "$client"
    assert_equal "$(sort -u <<<"$output")" refused
    until_connected_to_itself self-connected python3 -c "$client"
}

without_local_port() {
    grep -v '^local: ' <<<"$output"
}

# The kernel refuses the attempts before the self-connection.
@test "in place: the contract holds at the next source port" {
    local port places live attempt which refusal=
    export NOSELFCONN_LOG=$BATS_TEST_TMPDIR/log
    for ((which = 0; which < 60; which++)); do
        read -r port places < <(on here ahead 4)
        for ((attempt = 0; attempt < places; attempt++)); do
            live=$((20001 + which * 8 + attempt * 2))
            run -0 protected contract 127.0.0.1 "$port" "$port" "$live"
            assert_line 'a server on the source port, without SO_REUSEADDR: starts'
            assert_line 'sockets left on the source port: 0'
            refusal=$(without_local_port)
            [ ! -s "$NOSELFCONN_LOG" ] || break 2
        done
    done
    assert_equal "$(refused_self_connections)" 1
    live=20501
    run -0 unprotected contract 127.0.0.1 "$port" "$port" "$live"
    assert_equal "$(without_local_port)" "$refusal"
}

@test "in place: the contract holds for a bound socket" {
    local address source live refusal option
    for address in 127.0.0.1 ::1; do
        for option in '' --nonblock; do
            source=$(free_port)
            live=$((source + 1))
            # shellcheck disable=SC2086 # no word where there is no option
            run -0 unprotected contract $option --bind "$address" 1 "$source" "$live"
            refusal=$output
            source=$(free_port)
            live=$((source + 1))
            # shellcheck disable=SC2086
            run -0 protected contract $option --bind "$address" "$source" "$source" "$live"
            assert_equal "$output" "$refusal"
            source=$(free_port)
            live=$((source + 1))
            # shellcheck disable=SC2086
            run unprotected contract $option --bind "$address" "$source" "$source" "$live"
            assert_line 'sockets left on the source port: 1'
            assert_line 'state: ESTABLISHED'
        done
    done
}

@test "in place: a socket bound to its destination is refused over IPv4 and IPv6, and its port is free" {
    local address port
    for address in 127.0.0.1 ::1; do
        port=$(free_port)
        run protected connect --bind "$address" --bind-port "$port" "$address" "$port"
        assert_refused
        run -0 protected connect --bind "$address" --bind-port "$port" "$address" 1
        assert_line 'connect: ECONNREFUSED'
        run unprotected connect --bind "$address" --bind-port "$port" "$address" "$port"
        assert_connected_to_itself
        run unprotected connect --bind "$address" --bind-port "$port" "$address" 1
        assert_output 'bind: Address already in use'
    done
}

@test "in place: a server gets its port back while clients keep trying" {
    local port
    port=$(free_port)
    # shellcheck disable=SC2016 # for the inner shell
    background client protected sh -c 'until connect --say ping 127.0.0.1 "$0" | grep answer-ping; do :; done' "$port"
    server "$port"
    eventually grep -q answer-ping "$BATS_TEST_TMPDIR/client"
    kill "$(listening_process "$port")"
}
