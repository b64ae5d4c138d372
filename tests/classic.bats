#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The ways in which people have been bitten: nothing is pinned, the source ports are those that the
# kernel chooses, from a small ephemeral range (natural.bats takes the whole).

load helpers

setup() {
    new_host
    set_source_ports 50000 50031 # of which the kernel takes the 16 even ones first
    export NOSELFCONN_LOG=$BATS_TEST_TMPDIR/log
}

refused_self_connections() {
    grep -sc action=refused "$NOSELFCONN_LOG"
}

@test "a loop of telnet" {
    # shellcheck disable=SC2016 # for the inner shell
    local loop='for attempt in $(seq 200); do telnet 127.0.0.1 50000 </dev/null 2>&1; done'

    run protected sh -c "$loop"
    assert_equal "$(grep -c 'Connection refused' <<<"$output")" 200
    refute_output --partial 'Connected to'
    [ "$(refused_self_connections)" -ge 1 ]

    run unprotected sh -c "$loop"
    assert_output --partial 'Connected to 127.0.0.1'
}

@test "a loop of Python's socket.create_connection(('localhost', port))" {
    local loop='
import socket
refused = hits = 0
for attempt in range(500):
    try:
        with socket.create_connection(("localhost", 50000)) as s:
            hits += s.getsockname() == s.getpeername()
            break
    except ConnectionRefusedError:
        refused += 1
print("refused", refused, "self-connected", hits)
'
    run -0 protected python3 -c "$loop"
    assert_output 'refused 500 self-connected 0'
    [ "$(refused_self_connections)" -ge 1 ]

    run -0 unprotected python3 -c "$loop"
    assert_output --regexp 'refused [0-9]+ self-connected 1'
}

@test "an asynchronous connect, with EPOLLIN, EPOLLOUT and EPOLLET registered before" {
    local client='
import errno, select, socket
s = socket.socket()
s.setblocking(False)
poll = select.epoll()
poll.register(s, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
poll.poll(0)
result = s.connect_ex(("127.0.0.1", 50000))
print("connect", errno.errorcode[result])
print("events", [hex(event) for _, event in poll.poll(0.1)])
print("SO_ERROR", s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
s.setblocking(True)
for i in range(2):
    print("connect", s.connect_ex(("127.0.0.1", 50100)))
print("peer", s.getpeername()[1])
'
    set_source_ports 50000
    server 50100
    run -0 protected python3 -c "$client"
    assert_output "connect EINPROGRESS
events ['0x1d']
SO_ERROR 111
connect 103
connect 0
peer 50100"
    local refusal=$output
    set_source_ports 50002
    run -0 unprotected python3 -c "$client"
    assert_output "$refusal"

    set_source_ports 50000
    run -0 unprotected python3 -c "$client"
    assert_line "events ['0x4']"
    assert_line 'peer 50000'
}

# A client that waits for its server to come back, and keeps it from coming back.
wait_for_redis() { # PRELOAD
    background client on here env LD_PRELOAD="$1" sh -c \
        'until redis-cli -h 127.0.0.1 -p 50000 ping 2>&1 | grep -x -e ping -e PONG; do sleep 0.05; done'
}

@test "a reconnect loop of redis-cli, while the server is down" {
    redis_server
    kill -KILL "$(listening_process 50000)"
    wait_for_redis "$library"
    eventually refused_self_connections
    refute [ -s "$BATS_TEST_TMPDIR/client" ]
    redis_server # gets its port at once, while the client is still trying
    eventually grep -q PONG "$BATS_TEST_TMPDIR/client"

    new_host
    set_source_ports 50000 50031
    wait_for_redis ''
    eventually grep -q ping "$BATS_TEST_TMPDIR/client" # which is its own words
    run on here timeout 10 bash -c 'exec -a redis-server redis-check-rdb --bind 127.0.0.1 --port 50000'
    assert_output --partial 'Address already in use'
}
