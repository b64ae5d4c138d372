#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A blocked self-connection is indistinguishable from a connection that was refused. The program
# `contract` prints all that can be observed after a connect(): it has to print the same after both.

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

# The genuine refusal is always a blocking one: a non-blocking connect() is refused at once too.
keeps_the_contract() { # [--nonblock] ARGUMENT...
    local refusal
    local -a arguments=("$@")

    [ "$1" != --nonblock ] || arguments=("${@:2}")
    after_a_refusal "${arguments[@]}"
    assert_line 'result: -1 ECONNREFUSED'
    assert_line 'a server on the source port, without SO_REUSEADDR: starts'
    assert_line 'the client heard: pong'
    refusal=$output
    after_a_blocked_self_connection "$@"
    assert_equal "$output" "$refusal"
    after_a_self_connection "$@"
    assert_line 'state: ESTABLISHED'
    assert_line 'sockets left on the source port: 1'
    assert_line 'a server on the source port, without SO_REUSEADDR: EADDRINUSE'
}

@test "the contract over IPv4" {
    keeps_the_contract 127.0.0.1
}

@test "the contract over IPv4, without blocking" {
    keeps_the_contract --nonblock 127.0.0.1
}

@test "the contract over IPv6" {
    keeps_the_contract ::1
}

@test "the contract over IPv6, without blocking" {
    keeps_the_contract --nonblock ::1
}

@test "the contract by MPTCP" {
    keeps_the_contract --protocol mptcp 127.0.0.1
}

@test "the contract by MPTCP, without blocking" {
    keeps_the_contract --nonblock --protocol mptcp 127.0.0.1
}

@test "the contract by MPTCP over IPv6" {
    keeps_the_contract --protocol mptcp ::1
}

@test "the contract by MPTCP over IPv6, without blocking" {
    keeps_the_contract --nonblock --protocol mptcp ::1
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

# The list of differences in shim/README.md. Only a second connection would take these away: the kernel
# computes them from the largest window that the peer has offered, and keeps that until the next
# connect() (tcp_disconnect, tcp_connect_init).
@test "what remains different: SIOCOUTQ, and with TCP_NOTSENT_LOWAT set POLLOUT, until the next connect()" {
    local client='
import fcntl, select, socket, struct, sys
s = socket.socket()
if len(sys.argv) > 1:
    s.setsockopt(socket.IPPROTO_TCP, 25, int(sys.argv[1]))  # TCP_NOTSENT_LOWAT
print("errno", s.connect_ex(("127.0.0.1", 50000)))
queue = struct.unpack("i", fcntl.ioctl(s, 0x5411, bytes(4)))[0]  # SIOCOUTQ
print("queued:", "next to nothing" if queue < 16 else "much")
poll = select.poll()
poll.register(s, select.POLLOUT)
print("poll", [hex(event) for _, event in poll.poll(0)])
print("errno", s.connect_ex(("127.0.0.1", 50100)))
print("poll", [hex(event) for _, event in poll.poll(0)])'
    server 50100
    set_source_ports 50002
    run -0 unprotected python3 -c "$client" 16384
    assert_output $'errno 111\nqueued: next to nothing\npoll [\'0x14\']\nerrno 0\npoll [\'0x4\']'
    set_source_ports 50000
    run -0 protected python3 -c "$client" 16384
    assert_output $'errno 111\nqueued: much\npoll [\'0x10\']\nerrno 0\npoll [\'0x4\']'
    run -0 protected python3 -c "$client"
    assert_line "poll ['0x14']"
}
