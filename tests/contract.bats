#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A blocked self-connection is indistinguishable from a connection that was refused. The program
# `contract` prints what can be observed from before the call until the descriptor is used again: each
# result, each event, the state. It has to print the same after both.

load helpers

# Each on a new host, with its source port pinned: to the destination port for a self-connection, to
# another one for a refusal by the kernel.
after_a_refusal() { # ARGUMENT...
    new_host
    set_source_ports 50002
    run -0 unprotected contract "$@" 50000 50002 50010
}

after_a_blocked_self_connection() { # ARGUMENT...
    new_host
    set_source_ports 50000
    run -0 protected contract "$@" 50000 50000 50010
}

# The control: the same again, without the library.
after_a_self_connection() { # ARGUMENT...
    new_host
    set_source_ports 50000
    run unprotected contract "$@" 50000 50000 50010
}

keeps_the_contract() { # ARGUMENT...
    local refusal

    after_a_refusal "$@"
    case " $* " in
    *' --nonblock '*) assert_line 'result: -1 EINPROGRESS' ;;
    *) assert_line 'result: -1 ECONNREFUSED' ;;
    esac
    assert_line 'the client heard: pong'
    refusal=$output
    after_a_blocked_self_connection "$@"
    assert_equal "$output" "$refusal"
    after_a_self_connection "$@"
    assert_line 'sockets left on the source port: 1'
    assert_line 'a server on the source port, without SO_REUSEADDR: EADDRINUSE'
}

# By a call that waits, one that does not, and one with SO_SNDTIMEO.
however_it_waits() { # ARGUMENT...
    keeps_the_contract "$@"
    keeps_the_contract --nonblock "$@"
    keeps_the_contract --send-timeout 5000 "$@"
}

@test "the contract over IPv4" {
    however_it_waits 127.0.0.1
}

@test "the contract over IPv6" {
    however_it_waits ::1
}

@test "the contract over IPv4 by an IPv6 socket" {
    however_it_waits ::ffff:127.0.0.1
}

@test "the contract to a wildcard address" {
    keeps_the_contract 0.0.0.0
    keeps_the_contract --nonblock ::
    keeps_the_contract --nonblock ::ffff:0.0.0.0
}

@test "the contract by MPTCP" {
    however_it_waits --protocol mptcp 127.0.0.1
}

@test "the contract by MPTCP over IPv6" {
    however_it_waits --protocol mptcp ::1
}

@test "the contract where the refusal is learned by calling connect() again" {
    however_it_waits --again 127.0.0.1
    keeps_the_contract --again --nonblock --protocol mptcp ::1
}

@test "the contract by TCP Fast Open" {
    keeps_the_contract --by sendto 127.0.0.1
    keeps_the_contract --by sendmsg ::1
    keeps_the_contract --by sendmmsg 127.0.0.1
}

@test "the contract by TCP Fast Open, without blocking" {
    keeps_the_contract --nonblock --by sendto ::1
    keeps_the_contract --nonblock --by sendmsg 127.0.0.1
    keeps_the_contract --nonblock --by sendmmsg 127.0.0.1
}

@test "the contract by a socket that the program bound itself" {
    local arguments
    for arguments in '127.0.0.1' '--nonblock ::1' '--protocol mptcp --nonblock 127.0.0.1' '--by sendto 127.0.0.1'; do
        # shellcheck disable=SC2086 # several words
        after_a_refusal --bind $arguments
        assert_line 'a server on the source port, without SO_REUSEADDR: EADDRINUSE'
        local refusal=$output
        # shellcheck disable=SC2086
        after_a_blocked_self_connection --bind $arguments
        assert_equal "$output" "$refusal"
        # shellcheck disable=SC2086
        after_a_self_connection --bind $arguments
        refute_output --partial ECONNREFUSED
    done
}

# Linux 6.1 cannot, 6.12 can: there is nothing to guard then, and the same to see.
@test "the contract by TCP Fast Open and MPTCP" {
    after_a_self_connection --protocol mptcp --by sendto 127.0.0.1
    if [[ $output != *'result: -1 E#95'* ]]; then # EOPNOTSUPP
        keeps_the_contract --protocol mptcp --by sendto 127.0.0.1
        return
    fi
    local bare=$output
    after_a_blocked_self_connection --protocol mptcp --by sendto 127.0.0.1
    assert_equal "$output" "$bare"
}

@test "a socket that the program bound itself stays bound, as after a refusal" {
    set_source_ports 50002
    run -0 unprotected connect --bind 127.0.0.1 --bind-port 1314 127.0.0.1 50000
    assert_line 'local: 127.0.0.1:1314'
    run protected connect --bind 127.0.0.1 --bind-port 1314 127.0.0.1 1314
    assert_refused
    assert_line 'local: 127.0.0.1:1314'
}

# The kernel computes them from the largest window that a peer has offered, and keeps that until the next
# connect() (tcp_disconnect, tcp_connect_init).
# bats test_tags=tools
@test "SIOCOUTQ, and poll with TCP_NOTSENT_LOWAT, say the same as after a refusal" {
    local client='
import fcntl, select, socket, struct, sys
s = socket.socket()
s.setsockopt(socket.IPPROTO_TCP, 25, 16384)  # TCP_NOTSENT_LOWAT
print("errno", s.connect_ex(("127.0.0.1", 50000)))
print("queued:", struct.unpack("i", fcntl.ioctl(s, 0x5411, bytes(4)))[0])  # SIOCOUTQ
poll = select.poll()
poll.register(s, select.POLLOUT)
print("poll", [hex(event) for _, event in poll.poll(0)])'
    set_source_ports 50002
    run -0 unprotected python3 -c "$client"
    assert_line "poll ['0x14']"
    local refusal=$output
    set_source_ports 50000
    run -0 protected python3 -c "$client"
    assert_equal "$output" "$refusal"
    run -0 unprotected python3 -c "$client"
    assert_line 'errno 0'
}

# Somewhere a firewall drops port 0. A blocking call would then wait for minutes.
# bats test_tags=severing
@test "where the kernel refuses nothing at port 0, the call fails at once" {
    local arguments
    for arguments in '' --nonblock '--protocol mptcp --nonblock' '--send-timeout 60000'; do
        new_host
        filter here 'tcp dport 0 drop'
        set_source_ports 50000
        # shellcheck disable=SC2086 # several words
        run protected timeout 20 connect $arguments 127.0.0.1 50000
        assert_line 'connect: ECONNREFUSED'
        assert_refused
        # shellcheck disable=SC2086
        run unprotected connect $arguments 127.0.0.1 50000
        assert_connected_to_itself
    done
}

# bats test_tags=severing
@test "where port 0 is redirected to a live server, nobody is connected to that" {
    local arguments
    server 50100
    redirect 0 50100
    for arguments in '' --nonblock; do
        set_source_ports 50000
        # shellcheck disable=SC2086 # several words
        run protected connect $arguments 127.0.0.1 50000
        assert_line 'connect: ECONNREFUSED'
        assert_refused
    done
    run unprotected connect 127.0.0.1 50000
    assert_connected_to_itself
}

# bats test_tags=tools
@test "SO_SNDTIMEO is what the program set" {
    local client='
import socket, struct
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 77, 250000))
print("errno", s.connect_ex(("127.0.0.1", 50000)))
print(struct.unpack("ll", s.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, 16)))'
    set_source_ports 50000
    run -0 unprotected python3 -c "$client"
    assert_line 'errno 0'
    local timeout=${lines[1]}
    new_host
    set_source_ports 50000
    run -0 protected python3 -c "$client"
    assert_output "errno 111"$'\n'"$timeout"
}
