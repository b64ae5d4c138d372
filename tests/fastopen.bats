#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# TCP Fast Open: connections opened by a send (MSG_FASTOPEN). contract.bats has the refusals, ladder.bats
# TCP_FASTOPEN_CONNECT.

load helpers

# Bits of tcp_fastopen: 1 client, 2 server, 4 data in the first SYN without a cookie, 1024 every listener.
set_fast_open() { # SUM
    on here tee /proc/sys/net/ipv4/tcp_fastopen <<<"$1" >/dev/null
}

# The first message opens the connection, the second meets its outcome.
# bats test_tags=severing
@test "a non-blocking sendmmsg() counts one or both messages as sent, and SO_ERROR has the refusal" {
    local -a twice=(connect --nonblock --wait --by sendmmsg --say hello ::1 50000)
    set_fast_open 5
    set_source_ports 50002
    run -0 unprotected "${twice[@]}"
    assert_line --index 0 'connect: 1'
    assert_line 'settled: 0' # the second message has met the refusal
    set_source_ports 50000
    run -0 unprotected "${twice[@]}"
    assert_connected_to_itself
    new_host
    set_fast_open 5
    set_source_ports 50000
    run -0 protected "${twice[@]}"
    assert_line --index 0 --regexp '^connect: [12]$' # 1 if ksoftirqd has yet to take in the SYN
    assert_line 'settled: ECONNREFUSED'
    lose_syns_to 50000 # the kernel does not try the second message
    run -0 protected "${twice[@]}"
    assert_line --index 0 'connect: 1'
    assert_line 'settled: ECONNREFUSED'
}

@test "a self-connection is refused while its SYN with data is lost" {
    local call
    for call in sendto sendmsg; do
        new_host
        set_fast_open 5
        set_source_ports 50000
        lose_syns_to 50000
        run -0 protected connect --nonblock --wait --by "$call" --say hello 127.0.0.1 50000
        assert_line --index 0 'connect: 6'
        assert_line 'settled: ECONNREFUSED'
        assert_line 'state: CLOSE'
        run -0 unprotected connect --nonblock --by "$call" 127.0.0.1 50000
        assert_line 'local: 127.0.0.1:50000'
        assert_line 'state: SYN_SENT'
    done
}

# Of a message the kernel reads as much as a struct sockaddr_storage holds.
@test "a self-connection is refused if its message has a longer address than the kernel reads" {
    set_source_ports 50000
    run -0 protected connect --by sendmsg --length 200 127.0.0.1 50000
    assert_line --index 0 'connect: ECONNREFUSED'
    run -0 unprotected connect --by sendmsg --length 200 127.0.0.1 50000
    assert_connected_to_itself
}

# bats test_tags=severing
@test "the log names the sending call" {
    local call
    set_source_ports 50000
    for call in sendto sendmsg sendmmsg; do
        NOSELFCONN_LOG=$BATS_TEST_TMPDIR/log protected connect --by "$call" 127.0.0.1 50000
    done
    run sed -n 's/.* call=\([a-z]*\) .*/\1/p' "$BATS_TEST_TMPDIR/log"
    assert_output $'sendto\nsendmsg\nsendmmsg'
}

@test "each of the three calls reaches a live server, also behind a redirect" {
    local call ports
    prepare() {
        set_source_ports "${ports% *}"
        server "${ports#* }"
        [ "${ports#* }" = 50000 ] || redirect 50000 "${ports#* }"
    }
    for ports in '50002 50000' '50000 50100'; do
        for call in sendto sendmsg sendmmsg; do
            new_host
            the_same_with_and_without connect --by "$call" --say hello 127.0.0.1 50000
            assert_line "local: 127.0.0.1:${ports% *}"
            assert_line 'peer: 127.0.0.1:50000'
            assert_line 'heard: answer-hello'
        done
    done
}

@test "a server behind a redirect is reached if it answers before the call returns, and with a single byte" {
    local client
    prepare() {
        set_source_ports 50000
        server 50100
        redirect 50000 50100
    }
    # shellcheck disable=SC2016 # for the inner shell
    for client in 'LD_PRELOAD=${LD_PRELOAD-}:$0 exec connect --by sendto --say hello 127.0.0.1 50000' \
        'exec connect --by sendto --say "" 127.0.0.1 50000'; do
        new_host
        the_same_with_and_without sh -c "$client" "$root/build/tests/slow.so"
        assert_connected_to_itself # by its endpoints
        assert_line --regexp '^heard: answer-(hello)?$'
    done
}

@test "ECONNREFUSED of a dead port and EOPNOTSUPP of a host without Fast Open stay" {
    local sum error
    prepare() {
        set_source_ports 50002
        set_fast_open "$sum"
    }
    while read -r sum error; do
        new_host
        the_same_with_and_without connect --by sendto 127.0.0.1 50000
        assert_line "connect: $error"
    done <<'EOF'
1 ECONNREFUSED
0 E#95
EOF
}

@test "with a server's cookie the data arrives in the SYN" {
    local way
    set_fast_open $((1 | 2 | 1024))
    set_source_ports 51000 51999
    server 50000
    run -0 protected connect --by sendto --say hello 127.0.0.1 50000 # asks for the cookie
    assert_line 'heard: answer-hello'
    run -0 on here nstat -asz TcpExtTCPFastOpenPassive
    assert_output --regexp 'TCPFastOpenPassive +0 '
    for way in '--by sendto' '--by sendmsg' '--by sendmmsg' --fast-open; do
        # shellcheck disable=SC2086 # several words
        run -0 protected connect $way --say hello 127.0.0.1 50000
        assert_line 'heard: answer-hello'
    done
    run -0 on here nstat -asz TcpExtTCPFastOpenPassive
    assert_output --regexp 'TCPFastOpenPassive +4 '
}
