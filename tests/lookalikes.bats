#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Connections that differ from a self-connection in one detail are not refused. Rungs are those of the ladder in
# shim/library/guard.c.

load helpers

# Two sockets connect to each other without a listener. The RST for the first one's SYN is dropped, so that it
# is still pending when the second one connects.
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

@test "a pending connection to the own address from another port is not refused" {
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

@test "a UDP socket may connect to itself" {
    the_same_with_and_without connect --protocol udp --bind 127.0.0.1 --bind-port 50000 \
        --say hello 127.0.0.1 50000
    assert_connected_to_itself
    assert_line 'heard: hello'
}

# The port of a raw socket's endpoint is its protocol (raw(7)).
# bats test_tags=tools
@test "a raw socket of protocol 6 (TCP) or 262 (MPTCP) may connect to itself" {
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

@test "a live server on the same port of another loopback address is reached" {
    prepare() {
        set_source_ports 50000
        server 50000 127.0.0.2
    }
    the_same_with_and_without connect --bind 127.0.0.1 --bind-port 50000 --say hello 127.0.0.2 50000
    assert_line 'local: 127.0.0.1:50000'
    assert_line 'peer: 127.0.0.2:50000'
    assert_line 'heard: answer-hello'
}

@test "a pending connection to the same port of another loopback address is not refused" {
    prepare() {
        set_source_ports 50000
        lose_syns_to 50000
    }
    the_same_with_and_without connect --nonblock --bind 127.0.0.1 --late-port 127.0.0.2 50000
    assert_line 'connect: EINPROGRESS'
    assert_line 'local: 127.0.0.1:50000'
}

@test "a pending connection to the same port of an address that differs in one bit is not refused" {
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

@test "a pending connection from another IPv6 address to the wildcard, ::1, is not refused" {
    prepare() {
        own_address 2001:db8::1
        set_source_ports 50000
        lose_syns_to 50000
    }
    the_same_with_and_without connect --nonblock --bind 2001:db8::1 --late-port :: 50000
    assert_line 'connect: EINPROGRESS'
    assert_line 'local: [2001:db8::1]:50000'
}

@test "a pending connection from another IPv4 address to the IPv6 wildcard, 127.0.0.1, is not refused" {
    prepare() {
        own_address 192.0.2.1
        set_source_ports 50000
        lose_syns_to 50000
    }
    the_same_with_and_without connect --nonblock --bind ::ffff:192.0.2.1 --late-port :: 50000
    assert_line 'connect: EINPROGRESS'
    assert_line 'local: [::ffff:192.0.2.1]:50000'
}

@test "a simultaneous open of 127.0.0.1 and 127.0.0.2 on one port is not refused" {
    simultaneous_open on here 127.0.0.1 here 127.0.0.2
    new_host
    simultaneous_open guarded here 127.0.0.1 here 127.0.0.2
}

@test "a simultaneous open of two hosts on one port is not refused" {
    neighbour
    simultaneous_open on here 192.0.2.1 there 192.0.2.2
    new_host
    neighbour
    simultaneous_open guarded here 192.0.2.1 there 192.0.2.2
}

# Rung 5: the segments.

@test "a server behind a redirect that waits for a request is reached" {
    prepare() {
        set_source_ports 50000
        server 50100
        redirect 50000 50100
    }
    the_same_with_and_without connect --say hello 127.0.0.1 50000
    assert_connected_to_itself # by its endpoints
    assert_line 'heard: answer-hello'
}

# bats test_tags=long
@test "servers behind a redirect that close, reset, greet, half-close or wait are reached" {
    redirect 50000-59999 49000
    quick_servers
}

# connect() returns 300 ms after the server's action.
@test "a server behind a redirect that has closed, reset or half-closed before connect() returns is reached" {
    local behaviour
    redirect 50000-59999 49000
    for behaviour in close line reset half-close; do
        run -0 on here env LD_PRELOAD="$library:$(preload slow)" quick $behaviour 127.0.0.1 50000 1
        new_host
        redirect 50000-59999 49000
        assert_output --regexp '^connects 1 refused 0 heard [01]$'
    done
}

# The announcement is a segment without data.
# bats test_tags=library
@test "an MPTCP server behind a redirect that announces an address before connect() returns is reached" {
    on here ip mptcp endpoint add 127.0.0.2 dev lo signal
    redirect 50000-59999 49000
    run -0 on here env LD_PRELOAD="$library:$(preload slow)" quick --protocol mptcp pause 127.0.0.1 50000 1
    assert_output 'connects 1 refused 0 heard 1'
    # The control: a server without MPTCP sends no such segment.
    run -0 on here env LD_PRELOAD="$library:$(preload slow)" connect --protocol mptcp \
        --bind 127.0.0.1 --bind-port 48000 127.0.0.1 48000
    assert_refused
}

# Another thread replaces the descriptor by a listener on the destination.
# bats test_tags=library
@test "a listener that takes the descriptor's number before connect() returns stays" {
    set_source_ports 50000
    run -0 on here env LD_PRELOAD="$library:$(preload slow)" elsewhere reused 127.0.0.1 50000
    assert_line 'connect: 0'
    assert_line 'state: LISTEN'
    run -0 on here env LD_PRELOAD="$(preload slow)" elsewhere reused 127.0.0.1 50000
    assert_line 'state: LISTEN'
}

@test "a server behind a redirect that sends before connect() returns is reached" {
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
