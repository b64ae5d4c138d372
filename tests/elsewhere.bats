#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Sockets made elsewhere, second calls of connect(), and handshakes on another processor.

load helpers

@test "a self-connection of an inherited, received, dup'ed or another thread's socket is refused" {
    local origin
    for origin in exec rights thread dup; do
        new_host
        set_source_ports 50000
        refused_instead_of_connected_to_itself elsewhere $origin 127.0.0.1 50000
    done
}

# bats test_tags=library
@test "a self-connection is refused and a thread in recv() on its socket returns" {
    set_source_ports 50000
    server 50100
    run -0 on here timeout 20 env LD_PRELOAD="$library $(preload slow)" waiting receiver 127.0.0.1 50000
    assert_output $'connect: ECONNREFUSED\nthe other: EPIPE\nstate: CLOSE\nconnect to another: 0'
}

# bats test_tags=library,tools
@test "a thread in epoll_wait() can see the connection before the library severs it" {
    local client='
import select, socket, threading
s = socket.socket()
epoll = select.epoll()
epoll.register(s, select.EPOLLOUT | select.EPOLLET)
epoll.poll(1)
def wait(): print("event", hex(epoll.poll(5)[0][1]))
thread = threading.Thread(target=wait)
thread.start()
print("errno", s.connect_ex(("127.0.0.1", 50000)))
thread.join()'
    set_source_ports 50002
    run -0 on here env LD_PRELOAD="$(preload slow)" python3 -c "$client"
    assert_line --regexp '^event 0x1[4c]$' # EPOLLHUP, EPOLLOUT, and mostly EPOLLERR
    set_source_ports 50000
    run -0 on here env LD_PRELOAD="$library $(preload slow)" python3 -c "$client"
    assert_line 'errno 111'
    assert_line 'event 0x4'
}

@test "a second connect() after a non-blocking one is refused" {
    set_source_ports 50000
    run -0 protected connect --nonblock --again 127.0.0.1 50000
    assert_line --index 0 'connect: EINPROGRESS'
    assert_line --index 4 'connect: ECONNREFUSED'
    run unprotected connect --nonblock --again 127.0.0.1 50000
    assert_line --index 0 'connect: EINPROGRESS'
    assert_line 'connect: 0'
    assert_connected_to_itself
}

@test "a second connect() after a timeout is refused" {
    set_source_ports 50000
    lose_syns_to 50000
    run protected connect --send-timeout 50 --again 127.0.0.1 50000
    assert_refused
    assert_equal "$(grep -c '^connect: ECONNREFUSED' <<<"$output")" 2
    run unprotected connect --send-timeout 50 --again 127.0.0.1 50000
    assert_line --index 0 'connect: EINPROGRESS'
    assert_line --index 4 'connect: EALREADY'
}

# bats test_tags=library
@test "a second connect() to a connection begun by an unprotected process is refused" {
    set_source_ports 50000
    run on here env PRELOAD_AFTER_EXEC="$library" elsewhere begun 127.0.0.1 50000
    assert_refused
    run unprotected elsewhere begun 127.0.0.1 50000
    assert_connected_to_itself
}

# A call that fails with EALREADY begins no connection.
@test "EALREADY for a pending connection begun by an unprotected process stays" {
    set_source_ports 50000
    lose_syns_to 50000
    run on here env PRELOAD_AFTER_EXEC="$library" elsewhere pending 127.0.0.1 50000
    assert_line 'connect: EALREADY'
    assert_line 'state: SYN_SENT'
}

# With receive packet steering another processor receives the SYN, after connect() has returned.
steer_packets() {
    on here unshare --mount sh -c \
        'mount -t sysfs sysfs /sys && echo 3 >/sys/class/net/lo/queues/rx-0/rps_cpus'
}

# All connections have the same endpoints, so a late RST of one can reset the next (ECONNRESET) before the
# library's check.
assert_nothing_gets_through() {
    [[ $output =~ attempts\ 20000\ refused\ ([0-9]+)\ self-connected\ 0\ other\ ([0-9]+) ]] ||
        fail "some got through: $output"
    [ $((BASH_REMATCH[1] + BASH_REMATCH[2])) -eq 20000 ]
    [ "${BASH_REMATCH[2]}" -lt 1000 ]
}

# bats test_tags=root,long,two-processors
@test "20,000 non-blocking self-connections are refused under receive packet steering" {
    set_source_ports 50000
    steer_packets
    run -0 protected attempts --nonblock 50000 20000
    assert_nothing_gets_through

    run -0 unprotected attempts --nonblock 50000 20000
    assert_line 'attempts 20000 refused 0 self-connected 20000 other 0'
    # A check by getpeername() would miss these.
    assert_line --regexp '^without a peer [1-9]'
}

# bats test_tags=root,long,two-processors
@test "blocking and Fast Open self-connections are refused under receive packet steering" {
    local call
    set_source_ports 50000
    steer_packets
    run -0 protected attempts 50000 20000
    assert_nothing_gets_through
    for call in sendto sendmsg sendmmsg; do
        run -0 protected fastopen --nonblock $call 127.0.0.1 50000
        assert_line "$call: -1 EINPROGRESS"
        assert_line 'heard: ECONNREFUSED'
    done
    run -0 unprotected attempts 50000 20000
    assert_output 'attempts 20000 refused 0 self-connected 20000 other 0'
}
