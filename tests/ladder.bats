#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What is a self-connection, and what only looks like one. Each is refused with the library, and
# connects to itself without.

load helpers

# `connect` with these arguments, without the library and on a host that loses its SYNs, fails with
# ERROR; when the SYNs get through, the socket is connected to itself.
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

# Each on a new host, with the source port pinned to 50000, and what the test's own `prepare` adds.
each_is_refused() { # ARGUMENTS-OF-CONNECT...
    local arguments
    for arguments; do
        new_host
        set_source_ports 50000
        prepare
        # shellcheck disable=SC2086 # several words
        refused_instead_of_connected_to_itself connect $arguments 50000
    done
}

@test "over IPv4, without blocking, over IPv6, and over IPv4 by an IPv6 socket" {
    each_is_refused 127.0.0.1 '--nonblock --wait 127.0.0.1' ::1 ::ffff:127.0.0.1
}

@test "by an IPv6 address without the scope id, or as long as any address can be" {
    each_is_refused '--short-scope ::1' '--long-address ::1' '--long-address --nonblock --wait ::1'
}

@test "to a wildcard" {
    each_is_refused 0.0.0.0 :: ::ffff:0.0.0.0
}

@test "to a wildcard, by a socket that is bound to an address" {
    prepare() {
        own_address 192.0.2.1
    }
    each_is_refused '--bind ::ffff:127.0.0.1 --bind-port 50000 ::' '--bind 192.0.2.1 --bind-port 50000 0.0.0.0'
}

@test "to another address of 127.0.0.0/8, and to the host's own addresses" {
    prepare() {
        own_address 192.0.2.1
        own_address 2001:db8::1
    }
    each_is_refused '--bind 127.1.2.3 --late-port 127.1.2.3' 192.0.2.1 2001:db8::1
}

@test "to a link-local address with its scope" {
    prepare() {
        on here ip link add cable0 type veth peer name cable1
        on here ip link set cable0 up
        on here ip link set cable1 up
        on here ip address add fe80::1/64 dev cable0 nodad
    }
    each_is_refused fe80::1%cable0
}

@test "by MPTCP, also over IPv6 and without blocking" {
    each_is_refused '--protocol mptcp 127.0.0.1' '--protocol mptcp --nonblock --wait ::1'
}

@test "by a socket bound to the port, to the wildcard and the port, or with IP_BIND_ADDRESS_NO_PORT" {
    each_is_refused '--bind 127.0.0.1 --bind-port 50000 127.0.0.1' '--bind 0.0.0.0 --bind-port 50000 127.0.0.1' \
        '--bind 127.0.0.1 --late-port 127.0.0.1'
}

@test "beside a live listener, by a socket bound to its port with SO_REUSEADDR" {
    each_is_refused '--reuse-address --bind 127.0.0.1 --bind-port 50000 --listen-beside 127.0.0.1'
}

@test "while the connection is pending: interrupted by a signal, given up after SO_SNDTIMEO, or non-blocking" {
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
@test "a pending connection gets a millisecond to settle, and no more" {
    set_source_ports 50000
    lose_syns_to 50000
    traced -e trace=ppoll connect --nonblock 127.0.0.1 50000
    run cat "$BATS_TEST_TMPDIR/trace"
    assert_line --index 0 --regexp \
        '^ppoll\(\[\{fd=[0-9]+, events=POLLOUT\}\], 1, \{tv_sec=0, tv_nsec=1000000\}, NULL, 0\) = 0 \(Timeout\)$'
}

# bats test_tags=severing
@test "of which the fewest segments have arrived: its own SYN and its own SYN-ACK" {
    set_source_ports 50000
    filter here 'tcp sport 50000 tcp dport 50000 tcp flags & (syn | ack) == ack drop'
    run protected connect 127.0.0.1 50000
    assert_refused
    run unprotected connect 127.0.0.1 50000
    assert_connected_to_itself
}

@test "by TCP_FASTOPEN_CONNECT, where the server's cookie is not known" {
    each_is_refused '--fast-open 127.0.0.1'
}

# bats test_tags=severing
@test "by TCP_FASTOPEN_CONNECT, where connect() only promises the connection" {
    on here sh -c 'echo 5 >/proc/sys/net/ipv4/tcp_fastopen' # 1: as a client, 4: without a cookie
    set_source_ports 50000
    run protected connect --fast-open --say hello 127.0.0.1 50000
    assert_refused
    assert_line 'send: EPIPE'
    run unprotected connect --fast-open --say hello 127.0.0.1 50000
    assert_line --index 0 'connect: 0'
    assert_line 'state: SYN_SENT'
    assert_line 'heard: hello'
}
