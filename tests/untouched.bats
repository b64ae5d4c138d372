#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What connect() does besides connecting a socket to itself: with the library exactly the same.

load helpers

@test "a live server on loopback" {
    prepare() {
        set_source_ports 50002
        server 50000
    }
    the_same_with_and_without connect --say hello 127.0.0.1 50000
    assert_line 'heard: answer-hello'
}

@test "a live server on loopback, over IPv6" {
    prepare() {
        set_source_ports 50002
        server 50000 ::1
    }
    the_same_with_and_without connect --say hello ::1 50000
    assert_line 'heard: answer-hello'
}

@test "a live server on another own address" {
    prepare() {
        own_address 192.0.2.1
        set_source_ports 50002
        server 50000 192.0.2.1
    }
    the_same_with_and_without connect --say hello 192.0.2.1 50000
    assert_line 'heard: answer-hello'
}

@test "a live server on another host" {
    prepare() {
        neighbour
        set_source_ports 50000
        server 50000 192.0.2.2 '' there
    }
    the_same_with_and_without connect --say hello 192.0.2.2 50000
    assert_line 'heard: answer-hello'
}

# bats test_tags=long
@test "servers that close or reset at once, say a line first, half-close or wait, 200 times each" {
    quick_servers --direct
}

@test "a live server by MPTCP" {
    prepare() {
        set_source_ports 50002
        server 50000
    }
    the_same_with_and_without connect --protocol mptcp --say hello 127.0.0.1 50000
    assert_line 'heard: answer-hello'
}

@test "a live server, without blocking" {
    prepare() {
        set_source_ports 50002
        server 50000
    }
    the_same_with_and_without connect --nonblock --wait --say hello 127.0.0.1 50000
    assert_line --index 0 'connect: EINPROGRESS'
    assert_line 'heard: answer-hello'
}

@test "ECONNREFUSED by somebody else" {
    prepare() {
        set_source_ports 50002
    }
    the_same_with_and_without connect 127.0.0.1 50000
    assert_line --index 0 'connect: ECONNREFUSED'
}

@test "ECONNREFUSED by somebody else, without blocking" {
    prepare() {
        set_source_ports 50002
    }
    the_same_with_and_without connect --nonblock --wait 127.0.0.1 50000
    assert_line --index 0 'connect: EINPROGRESS'
    assert_line 'settled: ECONNREFUSED'
}

# bats test_tags=long
@test "ETIMEDOUT" {
    prepare() {
        set_source_ports 50002
        on here sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_syn_retries'
        lose_syns_to 50000
    }
    the_same_with_and_without connect 127.0.0.1 50000
    assert_line --index 0 'connect: ETIMEDOUT'
}

@test "ENETUNREACH" {
    the_same_with_and_without connect 198.51.100.1 50000
    assert_line --index 0 'connect: ENETUNREACH'
}

# bats test_tags=long
@test "EHOSTUNREACH, since no neighbour has the address" {
    prepare() {
        neighbour
        set_source_ports 50000
    }
    the_same_with_and_without connect 192.0.2.3 50000
    assert_line --index 0 'connect: EHOSTUNREACH'
}

@test "EACCES, since the route is prohibited" {
    prepare() {
        on here ip route add prohibit 198.51.100.0/24
    }
    the_same_with_and_without connect 198.51.100.1 50000
    assert_line --index 0 'connect: EACCES'
}

@test "EADDRNOTAVAIL, since no source port is left" {
    prepare() {
        set_source_ports 50002
        server 50000
        background holder on here socat TCP4:127.0.0.1:50000 EXEC:'sleep 60'
        eventually source_port_is_taken
    }
    source_port_is_taken() {
        [ -n "$(on here ss -Htn state established 'sport = :50002')" ]
    }
    the_same_with_and_without connect 127.0.0.1 50000
    assert_line --index 0 'connect: EADDRNOTAVAIL'
}

@test "EINPROGRESS, then EALREADY" {
    prepare() {
        set_source_ports 50002
        lose_syns_to 50000
    }
    the_same_with_and_without connect --nonblock --again 127.0.0.1 50000
    assert_line --index 0 'connect: EINPROGRESS'
    assert_line --index 4 'connect: EALREADY'
}

@test "EINTR" {
    prepare() {
        set_source_ports 50002
        lose_syns_to 50000
    }
    the_same_with_and_without connect --interrupt 50 127.0.0.1 50000
    assert_line --index 0 'connect: EINTR'
    assert_line 'state: SYN_SENT'
}

@test "EISCONN" {
    the_same_with_and_without untouched already-connected
    assert_line 'again: -1 EISCONN'
}

@test "EBADF" {
    the_same_with_and_without untouched bad-descriptor
    assert_output 'connect: -1 EBADF'
}

@test "ENOTSOCK" {
    the_same_with_and_without untouched not-a-socket
    assert_output 'connect: -1 ENOTSOCK'
}

@test "EFAULT by a null address" {
    the_same_with_and_without untouched null-address
    assert_output 'connect: -1 EFAULT'
}

@test "EFAULT by a wild address" {
    the_same_with_and_without untouched wild-address
    assert_output 'connect: -1 EFAULT'
}

@test "EINVAL by a length that is too short" {
    the_same_with_and_without untouched short-length
    assert_line 'one byte too few: -1 EINVAL'
}

@test "EAFNOSUPPORT" {
    the_same_with_and_without untouched wrong-family
    assert_line 'IPv6 address, IPv4 socket: -1 EAFNOSUPPORT'
}

@test "a second connect() whose address is cut short, while the first is pending" {
    prepare() {
        set_source_ports 50002
        lose_syns_to 50000
    }
    the_same_with_and_without untouched short-again
    assert_line 'again: -1 EINTR'
}

@test "connect(AF_UNSPEC), the way to disconnect" {
    the_same_with_and_without untouched disconnect
    assert_line 'disconnect: 0 0'
}

@test "AF_UNIX streams" {
    the_same_with_and_without untouched unix-stream
    assert_line 'connect: 0 0'
}

@test "AF_UNIX datagrams" {
    the_same_with_and_without untouched unix-datagram
    assert_line 'connect: 0 0'
}

@test "AF_NETLINK" {
    the_same_with_and_without untouched netlink
    assert_line 'connect: 0 0'
}

@test "a UDP socket connected to itself, without a pinned port" {
    the_same_with_and_without untouched udp-to-itself
    assert_line 'heard: echo'
}

@test "a server whose accept queue is full" {
    the_same_with_and_without untouched full-accept-queue
    assert_line 'state: SYN_SENT'
}

@test "two sockets that share a local port and connect to different servers" {
    the_same_with_and_without untouched shared-local-port
    assert_line 'server 1 heard: x'
}
