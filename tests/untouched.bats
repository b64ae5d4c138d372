#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Calls of connect() that make no self-connection have the same results with the library.

load helpers

@test "a live server on this host is reached over IPv4, IPv6, MPTCP and without blocking" {
    local address arguments
    prepare() {
        own_address 192.0.2.1
        set_source_ports 50002
        server 50000 "$address"
    }
    while read -r address arguments; do
        new_host
        # shellcheck disable=SC2086 # several words
        the_same_with_and_without connect $arguments --say hello "$address" 50000
        assert_line 'heard: answer-hello'
    done <<'EOF'
127.0.0.1
::1
192.0.2.1
127.0.0.1 --protocol mptcp
127.0.0.1 --nonblock --wait
EOF
}

@test "a live server on another host is reached" {
    prepare() {
        neighbour
        set_source_ports 50000
        server 50000 192.0.2.2 '' there
    }
    the_same_with_and_without connect --say hello 192.0.2.2 50000
    assert_line 'heard: answer-hello'
}

# bats test_tags=long
@test "servers that close, reset, greet, half-close or wait are reached 200 times each" {
    quick_servers --direct
}

@test "an ordinary ECONNREFUSED stays" {
    prepare() {
        set_source_ports 50002
    }
    the_same_with_and_without connect 127.0.0.1 50000
    assert_line --index 0 'connect: ECONNREFUSED'
}

@test "an ordinary ECONNREFUSED stays without blocking" {
    prepare() {
        set_source_ports 50002
    }
    the_same_with_and_without connect --nonblock --wait 127.0.0.1 50000
    assert_line --index 0 'connect: EINPROGRESS'
    assert_line 'settled: ECONNREFUSED'
}

# bats test_tags=long
@test "ETIMEDOUT stays" {
    prepare() {
        set_source_ports 50002
        on here sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_syn_retries'
        lose_syns_to 50000
    }
    the_same_with_and_without connect 127.0.0.1 50000
    assert_line --index 0 'connect: ETIMEDOUT'
}

@test "ENETUNREACH stays" {
    the_same_with_and_without connect 198.51.100.1 50000
    assert_line --index 0 'connect: ENETUNREACH'
}

# bats test_tags=long
@test "EHOSTUNREACH of a missing neighbour stays" {
    prepare() {
        neighbour
        set_source_ports 50000
    }
    the_same_with_and_without connect 192.0.2.3 50000
    assert_line --index 0 'connect: EHOSTUNREACH'
}

@test "EACCES of a prohibited route stays" {
    prepare() {
        on here ip route add prohibit 198.51.100.0/24
    }
    the_same_with_and_without connect 198.51.100.1 50000
    assert_line --index 0 'connect: EACCES'
}

@test "EADDRNOTAVAIL without a free source port stays" {
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

@test "EINPROGRESS, then EALREADY, stay" {
    prepare() {
        set_source_ports 50002
        lose_syns_to 50000
    }
    the_same_with_and_without connect --nonblock --again 127.0.0.1 50000
    assert_line --index 0 'connect: EINPROGRESS'
    assert_line --index 4 'connect: EALREADY'
}

@test "EINTR stays" {
    prepare() {
        set_source_ports 50002
        lose_syns_to 50000
    }
    the_same_with_and_without connect --interrupt 50 127.0.0.1 50000
    assert_line --index 0 'connect: EINTR'
    assert_line 'state: SYN_SENT'
}

@test "failing and non-TCP calls keep their results and errno" {
    local what line
    while IFS='|' read -r what line; do
        the_same_with_and_without untouched "$what"
        assert_line "$line"
    done <<'EOF'
already-connected|again: -1 EISCONN
bad-descriptor|connect: -1 EBADF
not-a-socket|connect: -1 ENOTSOCK
null-address|connect: -1 EFAULT
wild-address|connect: -1 EFAULT
short-length|one byte too few: -1 EINVAL
wrong-family|IPv6 address, IPv4 socket: -1 EAFNOSUPPORT
disconnect|disconnect: 0 0
unix-stream|connect: 0 0
unix-datagram|connect: 0 0
netlink|connect: 0 0
full-accept-queue|state: SYN_SENT
shared-local-port|server 1 heard: x
EOF
}

@test "a second connect() with a truncated address keeps its result while the first is pending" {
    prepare() {
        set_source_ports 50002
        lose_syns_to 50000
    }
    the_same_with_and_without untouched short-again
    assert_line 'again: -1 EINTR'
}
