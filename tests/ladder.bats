#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Self-connections that contract.bats does not make. Each is refused with the library and connects to itself
# without it.

load helpers

# While its SYNs are dropped, the unprotected `connect` fails with ERROR; afterwards the socket connects to itself.
becomes_connected_to_itself() { # ERROR ARGUMENT...
    background pending unprotected connect --wait "${@:2}"
    eventually grep -q "^connect: $1" "$BATS_TEST_TMPDIR/pending"
    run self_connected_sockets
    assert_output --partial SYN-SENT
    on here nft flush ruleset
    eventually grep -q '^settled: 0' "$BATS_TEST_TMPDIR/pending"
    run sed '1,/^settled/d' "$BATS_TEST_TMPDIR/pending"
    assert_connected_to_itself
}

each_is_refused() { # ARGUMENTS-OF-CONNECT...
    local arguments
    for arguments; do
        new_host
        set_source_ports 50000
        prepare
        echo "connect $arguments"
        # shellcheck disable=SC2086 # several words
        refused_instead_of_connected_to_itself connect $arguments 50000
    done
}

@test "a self-connection is refused for each address of the host, address length and kind of bound socket" {
    prepare() {
        own_address 192.0.2.1
        own_address 2001:db8::1
        on here ip link add cable0 type veth peer name cable1
        on here ip link set cable0 up
        on here ip link set cable1 up
        on here ip address add fe80::1/64 dev cable0 nodad
    }
    each_is_refused '--bind 127.1.2.3 --late-port 127.1.2.3' 192.0.2.1 2001:db8::1 fe80::1%cable0 \
        '--length 24 ::1' '--length 128 ::1' '--length 128 --nonblock --wait ::1' \
        '--bind 192.0.2.1 --bind-port 50000 0.0.0.0' '--bind ::ffff:127.0.0.1 --bind-port 50000 ::' \
        '--bind 0.0.0.0 --bind-port 50000 127.0.0.1' '--bind 127.0.0.1 --late-port 127.0.0.1'
}

@test "a self-connection beside a live listener, bound with SO_REUSEADDR, is refused" {
    each_is_refused '--bind 127.0.0.1 --bind-port 50000 --listen-beside 127.0.0.1'
}

@test "a pending self-connection is refused after a signal, SO_SNDTIMEO or without blocking" {
    local error arguments
    while read -r error arguments; do
        new_host
        set_source_ports 50000
        lose_syns_to 50000
        # shellcheck disable=SC2086 # several words
        run protected connect --wait $arguments 50000
        assert_refused
        # shellcheck disable=SC2086
        becomes_connected_to_itself $error $arguments 50000
    done <<'EOF'
EINTR --interrupt 50 127.0.0.1
EINPROGRESS --send-timeout 50 127.0.0.1
EINPROGRESS --nonblock 127.0.0.1
EINPROGRESS --nonblock ::
EOF
}

# bats test_tags=library,tools
@test "the library waits one millisecond for a pending connection" {
    set_source_ports 50000
    lose_syns_to 50000
    traced -e trace=ppoll connect --nonblock 127.0.0.1 50000
    run cat "$BATS_TEST_TMPDIR/trace"
    assert_line --index 0 --regexp \
        '^ppoll\(\[\{fd=[0-9]+, events=POLLOUT\}\], 1, \{tv_sec=0, tv_nsec=1000000\}, NULL, 0\) = 0 \(Timeout\)$'
}

# bats test_tags=severing
@test "a self-connection is refused with only its SYN and SYN-ACK received" {
    prepare() {
        filter here 'tcp sport 50000 tcp dport 50000 tcp flags & (syn | ack) == ack drop'
    }
    each_is_refused 127.0.0.1
}

@test "a self-connection by TCP_FASTOPEN_CONNECT without a cookie is refused" {
    each_is_refused '--fast-open 127.0.0.1'
}

# bats test_tags=severing
@test "a connection that TCP_FASTOPEN_CONNECT defers is refused at connect()" {
    on here sh -c 'echo 5 >/proc/sys/net/ipv4/tcp_fastopen' # 1: client, 4: without a cookie
    set_source_ports 50000
    run protected connect --fast-open --say hello 127.0.0.1 50000
    assert_refused
    assert_line 'send: EPIPE'
    run unprotected connect --fast-open --say hello 127.0.0.1 50000
    assert_line --index 0 'connect: 0'
    assert_line 'state: SYN_SENT'
    assert_line 'heard: hello'
}
