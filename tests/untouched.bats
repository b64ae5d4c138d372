#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Calls of connect() that make no self-connection have the same results with the library.

load helpers

@test "a live server is reached over IPv4, IPv6, MPTCP, without blocking and on another host" {
    local address host ports arguments
    prepare() {
        neighbour
        own_address 198.51.100.1
        set_source_ports "$ports"
        server 50000 "$address" "$host"
    }
    while read -r address host ports arguments; do
        new_host
        # shellcheck disable=SC2086 # several words
        the_same_with_and_without connect $arguments --say hello "$address" 50000
        assert_line 'heard: answer-hello'
    done <<'EOF'
127.0.0.1 here 50002
::1 here 50002
198.51.100.1 here 50002
127.0.0.1 here 50002 --protocol mptcp
127.0.0.1 here 50002 --nonblock --wait
192.0.2.2 there 50000
EOF
}

# Each error that connect() has on the way to another endpoint.
@test "a refused, failing, pending or interrupted connect() has the same result" {
    local preparation address arguments errors error
    prepare() {
        set_source_ports 50002
        $preparation
    }
    prohibit() {
        on here ip route add prohibit 198.51.100.0/24
    }
    lose_syns() {
        lose_syns_to 50000
    }
    give_up_soon() {
        lose_syns_to 50000
        on here tee /proc/sys/net/ipv4/tcp_syn_retries <<<1
    }
    while read -r preparation address errors arguments; do
        new_host
        # shellcheck disable=SC2086 # several words
        the_same_with_and_without connect $arguments "$address" 50000
        for error in ${errors//,/ }; do
            assert_line --regexp "^(connect|settled): $error$"
        done
    done <<'EOF'
: 127.0.0.1 ECONNREFUSED
: 127.0.0.1 EINPROGRESS,ECONNREFUSED --nonblock --wait
: 198.51.100.1 ENETUNREACH
prohibit 198.51.100.1 EACCES
lose_syns 127.0.0.1 EINPROGRESS,EALREADY --nonblock --again
lose_syns 127.0.0.1 EINTR --interrupt 50
give_up_soon 127.0.0.1 ETIMEDOUT
EOF
}

@test "failing and non-TCP calls keep their results and errno" {
    local line
    the_same_with_and_without untouched failing short-length connected unix-stream unix-datagram netlink no-destination
    for line in 'bad descriptor: -1 EBADF' 'not a socket: -1 ENOTSOCK' 'wild address: -1 EFAULT' \
        'one byte too few: -1 EINVAL' 'IPv6 address, IPv4 socket: -1 EAFNOSUPPORT' 'sendto, wild address: -1 EFAULT' \
        'sendmsg, null: -1 EFAULT' 'sendmmsg, wild: -1 EFAULT' 'again: -1 EISCONN' \
        'disconnect: 0 0' 'connect: 0 0' 'netlink: 0 0' 'sendmsg, no length: 1 0' 'sendmmsg, no length: 2 0' 'no messages: 0 0'; do
        assert_line "$line"
    done
}

@test "a second connect() with a truncated address keeps its result while the first is pending" {
    prepare() {
        set_source_ports 50002
        lose_syns_to 50000
    }
    the_same_with_and_without untouched short-again
    assert_line 'again: -1 EINTR'
}
