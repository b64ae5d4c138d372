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

@test "a blocking connect to a free port" {
    set_source_ports 50000
    refused_instead_of_connected_to_itself connect 127.0.0.1 50000
}

@test "a non-blocking connect" {
    set_source_ports 50000
    refused_instead_of_connected_to_itself connect --nonblock --wait 127.0.0.1 50000
}

@test "over IPv6" {
    set_source_ports 50000
    refused_instead_of_connected_to_itself connect ::1 50000
}

@test "over IPv6, by an address without the scope id" {
    set_source_ports 50000
    refused_instead_of_connected_to_itself connect --short-scope ::1 50000
}

@test "over IPv4 by an IPv6 socket" {
    set_source_ports 50000
    refused_instead_of_connected_to_itself connect ::ffff:127.0.0.1 50000
}

@test "to the IPv4 wildcard" {
    set_source_ports 50000
    refused_instead_of_connected_to_itself connect 0.0.0.0 50000
}

@test "to the IPv6 wildcard" {
    set_source_ports 50000
    refused_instead_of_connected_to_itself connect :: 50000
}

@test "to the IPv4 wildcard by an IPv6 socket" {
    set_source_ports 50000
    refused_instead_of_connected_to_itself connect ::ffff:0.0.0.0 50000
}

@test "to the IPv6 wildcard by a socket that is bound to an IPv4 address" {
    refused_instead_of_connected_to_itself connect \
        --bind ::ffff:127.0.0.1 --bind-port 50000 :: 50000
}

@test "to the IPv4 wildcard by a socket that is bound to another address than 127.0.0.1" {
    own_address 192.0.2.1
    refused_instead_of_connected_to_itself connect --bind 192.0.2.1 --bind-port 50000 0.0.0.0 50000
}

@test "to another address of 127.0.0.0/8" {
    set_source_ports 50000
    refused_instead_of_connected_to_itself connect --bind 127.1.2.3 --late-port 127.1.2.3 50000
}

@test "to the host's own IPv4 address" {
    own_address 192.0.2.1
    set_source_ports 50000
    refused_instead_of_connected_to_itself connect 192.0.2.1 50000
}

@test "to the host's own IPv6 address" {
    own_address 2001:db8::1
    set_source_ports 50000
    refused_instead_of_connected_to_itself connect 2001:db8::1 50000
}

@test "to a link-local address with its scope" {
    on here ip link add cable0 type veth peer name cable1
    on here ip link set cable0 up
    on here ip link set cable1 up
    on here ip address add fe80::1/64 dev cable0 nodad
    set_source_ports 50000
    refused_instead_of_connected_to_itself connect fe80::1%cable0 50000
}

@test "by MPTCP" {
    set_source_ports 50000
    refused_instead_of_connected_to_itself connect --protocol mptcp 127.0.0.1 50000
}

@test "by MPTCP over IPv6, without blocking" {
    set_source_ports 50000
    refused_instead_of_connected_to_itself connect --protocol mptcp --nonblock --wait ::1 50000
}

@test "by a socket bound to the port" {
    refused_instead_of_connected_to_itself connect --bind 127.0.0.1 --bind-port 1314 127.0.0.1 1314
}

@test "by a socket bound to the wildcard and the port" {
    refused_instead_of_connected_to_itself connect --bind 0.0.0.0 --bind-port 1314 127.0.0.1 1314
}

@test "by a socket bound with IP_BIND_ADDRESS_NO_PORT" {
    set_source_ports 50000
    refused_instead_of_connected_to_itself connect --bind 127.0.0.1 --late-port 127.0.0.1 50000
}

@test "beside a live listener, by a socket bound to its port with SO_REUSEADDR" {
    refused_instead_of_connected_to_itself connect \
        --reuse-address --bind 127.0.0.1 --bind-port 50000 --listen-beside 127.0.0.1 50000
}

@test "interrupted by a signal while the connection is pending" {
    set_source_ports 50000
    lose_syns_to 50000
    run protected connect --interrupt 50 127.0.0.1 50000
    assert_refused
    becomes_connected_to_itself EINTR --interrupt 50 127.0.0.1 50000
}

@test "given up after SO_SNDTIMEO while the connection is pending" {
    set_source_ports 50000
    lose_syns_to 50000
    run protected connect --send-timeout 50 127.0.0.1 50000
    assert_refused
    becomes_connected_to_itself EINPROGRESS --send-timeout 50 127.0.0.1 50000
}

@test "non-blocking, while the connection is pending" {
    set_source_ports 50000
    lose_syns_to 50000
    run protected connect --nonblock --wait 127.0.0.1 50000
    assert_refused
    becomes_connected_to_itself EINPROGRESS --nonblock 127.0.0.1 50000
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

@test "non-blocking over IPv6, while the connection is pending" {
    set_source_ports 50000
    lose_syns_to 50000
    run protected connect --nonblock --wait :: 50000
    assert_refused
    becomes_connected_to_itself EINPROGRESS --nonblock :: 50000
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
    set_source_ports 50000
    refused_instead_of_connected_to_itself connect --fast-open 127.0.0.1 50000
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
