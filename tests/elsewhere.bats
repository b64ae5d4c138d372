#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Sockets made elsewhere, second calls of connect(), and handshakes on another processor.

load helpers

# Makes a socket, or begins a connection with it without a guard, then execs `connect`.
origin='
import os, socket, sys
how = sys.argv[1]
s = socket.socket()
if how == "dup":
    s = s.dup()
if how == "rights":
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        made = socket.socket()
        socket.send_fds(theirs, [b"x"], [made.fileno()])
        os._exit(0)
    theirs.close()
    os.wait()
    s = socket.socket(fileno=socket.recv_fds(ours, 1, 1)[1][0])
if how == "begun":
    s.setblocking(False)
    s.connect_ex(("127.0.0.1", 50000))
    s.setblocking(True)
    os.environ["LD_PRELOAD"] = os.environ.get("PRELOAD_AFTER_EXEC", "")
os.set_inheritable(s.fileno(), True)
os.execlp("connect", "connect", "--fd", str(s.fileno()), "127.0.0.1", "50000")'

# bats test_tags=tools
@test "a self-connection of an inherited, received or dup'ed socket is refused" {
    local how
    for how in exec rights dup; do
        new_host
        set_source_ports 50000
        refused_instead_of_connected_to_itself python3 -c "$origin" $how
    done
}

# bats test_tags=library,tools
@test "a second connect() to a connection begun by an unprotected process is refused" {
    set_source_ports 50000
    run on here env PRELOAD_AFTER_EXEC="$library" python3 -c "$origin" begun
    assert_refused
    run unprotected python3 -c "$origin" begun
    assert_connected_to_itself
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

@test "a second connect() after a non-blocking one or a timeout is refused" {
    set_source_ports 50000
    run -0 protected connect --nonblock --again 127.0.0.1 50000
    assert_line --index 0 'connect: EINPROGRESS'
    assert_line --index 4 'connect: ECONNREFUSED'
    run unprotected connect --nonblock --again 127.0.0.1 50000
    assert_line --index 0 'connect: EINPROGRESS'
    assert_line --index 4 'connect: 0'
    new_host
    set_source_ports 50000
    lose_syns_to 50000
    run protected connect --send-timeout 50 --again 127.0.0.1 50000
    assert_line --index 0 'connect: ECONNREFUSED'
    assert_line --index 4 'connect: ECONNREFUSED'
    run unprotected connect --send-timeout 50 --again 127.0.0.1 50000
    assert_line --index 0 'connect: EINPROGRESS'
    assert_line --index 4 'connect: EALREADY'
}

# With receive packet steering another processor receives the SYN, after connect() has returned. All connections
# have the same endpoints, so a late RST of one can reset the next (ECONNRESET) before the library's check.
# bats test_tags=root,long,two-processors
@test "blocking, non-blocking and Fast Open self-connections are refused under receive packet steering" {
    local option call
    set_source_ports 50000
    on here unshare --mount sh -c 'mount -t sysfs sysfs /sys && echo 3 >/sys/class/net/lo/queues/rx-0/rps_cpus'
    for option in '' --nonblock; do
        # shellcheck disable=SC2086 # no word where there is no option
        run -0 protected attempts $option 50000 20000
        assert_output --regexp 'attempts 20000 refused [0-9]+ self-connected 0 other [0-9]{1,3}$'
        # shellcheck disable=SC2086
        run -0 unprotected attempts $option 50000 20000
        assert_line 'attempts 20000 refused 0 self-connected 20000 other 0'
    done
    # A check by getpeername() would miss these.
    assert_line --regexp '^without a peer [1-9]'
    for call in sendto sendmsg sendmmsg; do
        run -0 protected connect --nonblock --wait --by $call 127.0.0.1 50000
        assert_line --index 0 'connect: EINPROGRESS'
        assert_line 'settled: ECONNREFUSED'
    done
}
