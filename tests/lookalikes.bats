#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Connections that look like a self-connection up to one detail, and are left alone. Each test says
# which rung of the ladder (shim/library/guard.c) sees the detail.

load helpers

# Two ends that connect to each other at the same time, neither of them listening. The first one's
# SYN finds nobody, and the RST that says so is lost, so that it is still connecting when the second
# one starts.
simultaneous_open() { # on|guarded HOST BIND HOST BIND
    local first_host=$2 first=$3 second_host=$4 second=$5
    filter here 'tcp flags & rst == rst drop'
    background first "$1" "$first_host" \
        connect --bind "$first" --bind-port 50000 --say 'from the first' "$second" 50000
    eventually syn_is_sent "$first_host"
    run -0 "$1" "$second_host" \
        connect --bind "$second" --bind-port 50000 --say 'from the second' "$first" 50000
    assert_line 'connect: 0'
    assert_line 'heard: from the first'
    eventually grep -q heard "$BATS_TEST_TMPDIR/first"
    run output_of first
    assert_line 'connect: 0'
    assert_line 'heard: from the second'
}

syn_is_sent() { # HOST
    [ -n "$(on "$1" ss -Htan state syn-sent)" ]
}

# Rung 2: the port.

@test "a pending connection to the own address from another port" {
    prepare() {
        set_source_ports 50002
        lose_syns_to 50000
    }
    the_same_with_and_without connect --nonblock 127.0.0.1 50000
    assert_line 'connect: EINPROGRESS'
    assert_line 'local: 127.0.0.1:50002'
    assert_line 'state: SYN_SENT'
}

# Rung 3: the protocol.

@test "a UDP socket connected to itself" {
    the_same_with_and_without connect --protocol udp --bind 127.0.0.1 --bind-port 50000 \
        --say hello 127.0.0.1 50000
    assert_connected_to_itself
    assert_line 'heard: hello'
}

# The endpoint of a raw socket has its protocol for a port (raw(7)).
# bats test_tags=tools
@test "a raw socket of the protocol 6, TCP's, or 262, MPTCP's" {
    the_same_with_and_without python3 -c '
import socket
for protocol in 6, 262:
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
    s.connect(("127.0.0.1", protocol))
    print(s.getsockname(), s.getpeername()[0])'
    assert_output "('127.0.0.1', 6) 127.0.0.1
('127.0.0.1', 262) 127.0.0.1"
}

# Rung 4: the address.

@test "a live server on the same port of another loopback address" {
    prepare() {
        set_source_ports 50000
        server 50000 127.0.0.2
    }
    the_same_with_and_without connect --bind 127.0.0.1 --bind-port 50000 --say hello 127.0.0.2 50000
    assert_line 'local: 127.0.0.1:50000'
    assert_line 'peer: 127.0.0.2:50000'
    assert_line 'heard: answer-hello'
}

@test "a pending connection to the same port of another loopback address" {
    prepare() {
        set_source_ports 50000
        lose_syns_to 50000
    }
    the_same_with_and_without connect --nonblock --bind 127.0.0.1 --late-port 127.0.0.2 50000
    assert_line 'connect: EINPROGRESS'
    assert_line 'local: 127.0.0.1:50000'
}

@test "a pending connection to the same port of an address that differs in one bit" {
    local other
    prepare() {
        own_address 2001:db8::1
        own_address "$other"
        set_source_ports 50000
        lose_syns_to 50000
    }
    for other in 2001:db9::1 2001:db8:0:1::1 2001:db8::1:0:1 2001:db8::; do
        the_same_with_and_without connect --nonblock --bind 2001:db8::1 --late-port "$other" 50000
        assert_line 'connect: EINPROGRESS'
        assert_line 'local: [2001:db8::1]:50000'
        new_host
    done
}

@test "a pending connection from an own IPv6 address to the wildcard, which is ::1" {
    prepare() {
        own_address 2001:db8::1
        set_source_ports 50000
        lose_syns_to 50000
    }
    the_same_with_and_without connect --nonblock --bind 2001:db8::1 --late-port :: 50000
    assert_line 'connect: EINPROGRESS'
    assert_line 'local: [2001:db8::1]:50000'
}

@test "a pending connection from an own IPv4 address to the IPv6 wildcard, which is 127.0.0.1" {
    prepare() {
        own_address 192.0.2.1
        set_source_ports 50000
        lose_syns_to 50000
    }
    the_same_with_and_without connect --nonblock --bind ::ffff:192.0.2.1 --late-port :: 50000
    assert_line 'connect: EINPROGRESS'
    assert_line 'local: [::ffff:192.0.2.1]:50000'
}

@test "a simultaneous open of 127.0.0.1 with 127.0.0.2, on the same port" {
    simultaneous_open on here 127.0.0.1 here 127.0.0.2
    new_host
    simultaneous_open guarded here 127.0.0.1 here 127.0.0.2
}

@test "a simultaneous open of two hosts, on the same port" {
    neighbour
    simultaneous_open on here 192.0.2.1 there 192.0.2.2
    new_host
    neighbour
    simultaneous_open guarded here 192.0.2.1 there 192.0.2.2
}

# Rung 5: the segments.

@test "a real server behind a redirect, which waits to be spoken to" {
    prepare() {
        set_source_ports 50000
        server 50100
        redirect 50000 50100
    }
    the_same_with_and_without connect --say hello 127.0.0.1 50000
    assert_connected_to_itself # by its endpoints; and yet:
    assert_line 'heard: answer-hello'
}

# bats test_tags=long
@test "real servers behind a redirect that close or reset at once, say a line first, half-close or wait" {
    redirect 50000-59999 49000
    quick_servers
}

# The same, surely: connect() returns 300 ms after the server has done it.
@test "a real server behind a redirect that has closed, reset or half-closed before connect() returns" {
    local behaviour
    redirect 50000-59999 49000
    for behaviour in close line reset half-close; do
        run -0 on here env LD_PRELOAD="$library:$(preload slow)" quick $behaviour 127.0.0.1 50000 1
        new_host
        redirect 50000-59999 49000
        assert_output --regexp '^connects 1 refused 0 heard [01]$'
    done
}

# By more segments than a SYN-ACK, and before it says anything.
# bats test_tags=library
@test "a real MPTCP server behind a redirect that has announced another address before connect() returns" {
    on here ip mptcp endpoint add 127.0.0.2 dev lo signal
    redirect 50000-59999 49000
    run -0 on here env LD_PRELOAD="$library:$(preload slow)" quick --protocol mptcp pause 127.0.0.1 50000 1
    assert_output 'connects 1 refused 0 heard 1'
    # The control: a server that does not speak MPTCP is not known so.
    run -0 on here env LD_PRELOAD="$library:$(preload slow)" connect --protocol mptcp \
        --bind 127.0.0.1 --bind-port 48000 127.0.0.1 48000
    assert_refused
}

# Another thread gives the descriptor to another socket, whose endpoint is that destination.
# bats test_tags=library
@test "a listener that has got the descriptor's number before connect() returns" {
    set_source_ports 50000
    run -0 on here env LD_PRELOAD="$library:$(preload slow)" elsewhere reused 127.0.0.1 50000
    assert_line 'connect: 0'
    assert_line 'state: LISTEN'
    run -0 on here env LD_PRELOAD="$(preload slow)" elsewhere reused 127.0.0.1 50000
    assert_line 'state: LISTEN'
}

@test "a real server behind a redirect, which speaks before connect() returns" {
    prepare() {
        set_source_ports 50000
        server 50100 127.0.0.1 welcome
        redirect 50000 50100
    }
    # shellcheck disable=SC2016 # for the inner shell
    the_same_with_and_without sh -c \
        'LD_PRELOAD=${LD_PRELOAD-}:$0 exec connect --say hello 127.0.0.1 50000' \
        "$root/build/tests/slow.so"
    assert_connected_to_itself
    assert_line 'heard: welcome'
}
