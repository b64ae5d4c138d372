#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Without privileges, on the machine's own port range. A test finds a port that the kernel is about to choose
# (programs/ahead.c), or binds the socket to its destination.

load helpers

# Runs COMMAND PORT at ports that the kernel is about to choose, until the library meets a self-connection (1 port
# in 4). Leaves its output in `output` and the port in `port`.
until_self_connection() { # NOSELFCONN_MODE COMMAND...
    local places attempt which
    local -x NOSELFCONN_MODE=$1 NOSELFCONN_LOG=$BATS_TEST_TMPDIR/log
    rm -f "$NOSELFCONN_LOG"
    for ((which = 0; which < 60; which++)); do
        read -r port places < <(on here ahead)
        for ((attempt = 0; attempt < places; attempt++)); do
            output=$(protected "${@:2}" "$port" 2>&1 </dev/null) || true
            [ ! -s "$NOSELFCONN_LOG" ] || return 0
        done
    done
    fail "no self-connection at $which ports: ${*:2}"
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

# bats test_tags=tools
@test "in place: a loop of telnet is refused" {
    until_self_connection enforce telnet 127.0.0.1
    assert_output --partial 'Connection refused'
    until_self_connection observe telnet 127.0.0.1
    assert_output --partial 'Connected to 127.0.0.1'
    run on here ss -Htan state time-wait "sport = :$port and dport = :$port"
    assert_output --partial "127.0.0.1:$port"
}

@test "in place: the contract holds at the next source port" {
    local blocked
    # shellcheck disable=SC2016 # for the inner shell, which chooses another live port each time
    local -a client=(sh -c 'contract 127.0.0.1 "$0" "$0" $((20001 + $$ % 12000)) | grep -v "^local: "')
    until_self_connection enforce "${client[@]}"
    assert_output --partial 'a server on the source port, without SO_REUSEADDR: starts'
    assert_output --partial 'the client heard: pong'
    blocked=$output
    run -0 unprotected "${client[@]}" "$port" # the kernel has moved on, and refuses
    assert_equal "$output" "$blocked"
}

@test "in place: the contract holds for a bound socket" {
    local address option source refusal
    for address in 127.0.0.1 ::1; do
        for option in '' --nonblock; do
            source=$(free_port)
            # shellcheck disable=SC2086 # no word where there is no option
            run -0 unprotected contract $option --bind "$address" 1 "$source" $((source + 1))
            refusal=$output
            source=$(free_port)
            # shellcheck disable=SC2086
            run -0 protected contract $option --bind "$address" "$source" "$source" $((source + 1))
            assert_equal "$output" "$refusal"
            source=$(free_port)
            # shellcheck disable=SC2086
            run unprotected contract $option --bind "$address" "$source" "$source" $((source + 1))
            assert_line 'state: ESTABLISHED'
        done
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
