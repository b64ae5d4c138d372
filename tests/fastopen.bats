#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# TCP Fast Open: connections opened by a send (MSG_FASTOPEN). TCP_FASTOPEN_CONNECT is in ladder.bats, too.

load helpers

# Bits of tcp_fastopen: 1 client, 2 server, 4 data in the first SYN without a cookie.
set_fast_open() { # SUM
    on here tee /proc/sys/net/ipv4/tcp_fastopen <<<"$1" >/dev/null
}

# The program prints the same as after a refusal by the kernel, except the port.
the_send_is_refused_instead() { # [--nonblock] CALL ADDRESS
    local refusal
    set_source_ports 50002
    run -0 unprotected fastopen "$@" 50000
    assert_line --partial ECONNREFUSED
    refusal=${output//:50002/:SOURCE}
    set_source_ports 50000
    run -0 protected fastopen "$@" 50000
    assert_equal "${output//:50000/:SOURCE}" "$refusal"
    run -0 unprotected fastopen "$@" 50000
    assert_connected_to_itself
}

@test "a self-connection by sendto(), sendmsg() or sendmmsg() is refused" {
    the_send_is_refused_instead sendto 127.0.0.1
    new_host
    the_send_is_refused_instead sendmsg ::1
    new_host
    the_send_is_refused_instead sendmmsg 127.0.0.1
    assert_line 'heard: hello'
}

@test "a self-connection by a non-blocking send is refused" {
    the_send_is_refused_instead --nonblock sendto ::1
    new_host
    the_send_is_refused_instead --nonblock sendmsg 127.0.0.1
    new_host
    the_send_is_refused_instead --nonblock sendmmsg 127.0.0.1
}

@test "a self-connection with data in the SYN is refused" {
    local call
    for call in sendto sendmsg sendmmsg; do
        new_host
        set_fast_open 5
        the_send_is_refused_instead "$call" 127.0.0.1
        assert_line 'heard: hello'
    done
}

# The call returns the number of bytes; the refusal follows.
@test "a non-blocking self-connection with data in the SYN is refused" {
    local call
    for call in sendto sendmsg; do
        new_host
        set_fast_open 5
        the_send_is_refused_instead --nonblock "$call" ::1
        assert_line --index 0 "$call: 6 0"
    done
}

# The first message opens the connection, the second meets its outcome.
# bats test_tags=severing
@test "a non-blocking sendmmsg() counts both messages as sent, and SO_ERROR has the refusal" {
    set_fast_open 5
    set_source_ports 50002
    run -0 unprotected fastopen --nonblock sendmmsg ::1 50000
    assert_line --index 0 'sendmmsg: 1 0'
    assert_line 'heard: ENOTCONN'
    set_source_ports 50000
    run -0 protected fastopen --nonblock sendmmsg ::1 50000
    assert_line --index 0 'sendmmsg: 2 0'
    assert_line 'heard: ECONNREFUSED'
    lose_syns_to 50000 # the kernel does not try the second message
    run -0 protected fastopen --nonblock sendmmsg ::1 50000
    assert_line --index 0 'sendmmsg: 1 0'
    assert_line 'state: CLOSE'
    assert_line 'heard: ECONNREFUSED'
}

@test "a self-connection is refused while its SYN with data is lost" {
    local call refusal
    for call in sendto sendmsg; do
        new_host
        set_fast_open 5
        set_source_ports 50002
        run -0 unprotected fastopen --nonblock "$call" 127.0.0.1 50000
        refusal=${output//:50002/:SOURCE}
        set_source_ports 50000
        lose_syns_to 50000
        run -0 protected fastopen --nonblock "$call" 127.0.0.1 50000
        assert_equal "${output//:50000/:SOURCE}" "$refusal"
        run -0 unprotected fastopen --nonblock "$call" 127.0.0.1 50000
        assert_line 'local: 127.0.0.1:50000'
        assert_line 'state: SYN_SENT'
    done
}

# The library's second connect() has no MSG_DONTWAIT.
# bats test_tags=severing
@test "a send with MSG_DONTWAIT on a blocking socket is refused at once" {
    local client='
import socket
s = socket.socket()
try:
    s.sendto(b"hello", socket.MSG_FASTOPEN | socket.MSG_DONTWAIT, ("127.0.0.1", 50000))
except OSError as error:
    print(error.errno)
print(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))'
    set_source_ports 50002
    run -0 unprotected python3 -c "$client"
    assert_output $'115\n111' # EINPROGRESS, ECONNREFUSED
    set_source_ports 50000
    run -0 protected python3 -c "$client"
    assert_output $'111\n0'
}

# bats test_tags=severing
@test "the log names the sending call" {
    local call
    set_source_ports 50000
    for call in sendto sendmsg sendmmsg; do
        NOSELFCONN_LOG=$BATS_TEST_TMPDIR/log protected fastopen "$call" 127.0.0.1 50000
    done
    run sed -n 's/.* call=\([a-z]*\) .*/\1/p' "$BATS_TEST_TMPDIR/log"
    assert_output $'sendto\nsendmsg\nsendmmsg'
}

@test "each of the three calls reaches a live server" {
    local call
    prepare() {
        set_source_ports 50002
        server 50000
    }
    for call in sendto sendmsg sendmmsg; do
        new_host
        the_same_with_and_without fastopen "$call" 127.0.0.1 50000
        assert_line 'heard: answer-hello'
    done
}

@test "an ordinary refusal stays" {
    prepare() {
        set_source_ports 50002
    }
    the_same_with_and_without fastopen sendto 127.0.0.1 50000
    assert_line 'sendto: -1 ECONNREFUSED'
}

@test "EOPNOTSUPP of a host without Fast Open stays" {
    prepare() {
        set_fast_open 0
    }
    the_same_with_and_without fastopen sendmsg 127.0.0.1 50000
    assert_line 'sendmsg: -1 E#95'
}

@test "sends with MSG_FASTOPEN without a destination give the same result" {
    the_same_with_and_without fastopen without-destination
    assert_line 'sendto: 6 0'
    assert_line 'sendmsg wild, no length: 6 0'
    assert_line 'sendmmsg wild, no length: 2 0'
    assert_line 'no messages: 0 0'
}

@test "messages that the kernel rejects are never read" {
    the_same_with_and_without fastopen wild-messages
    assert_line 'sendmsg NULL: -1 EFAULT'
    assert_line 'sendmsg bad descriptor: -1 EBADF'
    assert_line 'sendmmsg NULL: -1 EFAULT'
    assert_line 'sendmmsg bad descriptor: -1 EBADF'
    assert_line 'sendto wild: -1 EFAULT'
}

@test "a server behind a redirect is reached" {
    local call
    prepare() {
        set_source_ports 50000
        server 50100
        redirect 50000 50100
    }
    for call in sendto sendmsg sendmmsg; do
        new_host
        the_same_with_and_without fastopen "$call" 127.0.0.1 50000
        assert_connected_to_itself # by its endpoints
        assert_line 'heard: answer-hello'
    done
}

@test "a server behind a redirect that answers before the call returns is reached" {
    prepare() {
        set_source_ports 50000
        server 50100
        redirect 50000 50100
    }
    # shellcheck disable=SC2016 # for the inner shell
    the_same_with_and_without sh -c \
        'LD_PRELOAD=${LD_PRELOAD-}:$0 exec fastopen sendto 127.0.0.1 50000' "$root/build/tests/slow.so"
    assert_connected_to_itself # by its endpoints
    assert_line 'heard: answer-hello'
}

@test "a server behind a redirect is reached with a single byte" {
    prepare() {
        set_source_ports 50000
        server 50100
        redirect 50000 50100
    }
    the_same_with_and_without python3 -c '
import socket
client = socket.socket()
client.sendto(b"\n", socket.MSG_FASTOPEN, ("127.0.0.1", 50000))
print(client.getsockname() == client.getpeername(), client.recv(100))'
    assert_output "True b'answer-\\n'"
}

# A Fast Open server that prints the number of bytes readable before the handshake was complete.
fast_open_server='
import socket
server = socket.socket()
server.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
server.bind(("127.0.0.1", 50000))
server.listen()
while True:
    client, _ = server.accept()
    client.sendall(b"answer-" + client.recv(100))
    client.close()
'

@test "with a server's cookie the data arrives in the SYN" {
    set_fast_open 3
    set_source_ports 51000 51999
    background server on here python3 -c "$fast_open_server"
    eventually listens 50000
    run -0 protected fastopen sendto 127.0.0.1 50000 # asks for the cookie
    assert_line 'heard: answer-hello'
    run -0 on here nstat -asz TcpExtTCPFastOpenPassive
    assert_output --regexp 'TCPFastOpenPassive +0 '
    for call in sendto sendmsg sendmmsg; do
        run -0 protected fastopen "$call" 127.0.0.1 50000
        assert_line 'heard: answer-hello'
    done
    run -0 on here nstat -asz TcpExtTCPFastOpenPassive
    assert_output --regexp 'TCPFastOpenPassive +3 '
}

@test "curl --tcp-fastopen is refused, and reaches a live server" {
    local -a curl=(curl -sS --tcp-fastopen --max-time 5 http://127.0.0.1:50000/page)

    set_source_ports 50002
    run -7 unprotected "${curl[@]}"
    set_source_ports 50000
    run -7 protected "${curl[@]}"
    assert_output --partial 'Failed to connect'
    run unprotected "${curl[@]}"
    assert_output --partial 'Received HTTP/0.9 when not allowed' # its own request

    new_host
    set_fast_open 3
    echo 'a page' >"$BATS_TEST_TMPDIR/page"
    background web on here python3 -m http.server --bind 127.0.0.1 --directory "$BATS_TEST_TMPDIR" 50000
    eventually listens 50000
    run -0 protected "${curl[@]}"
    assert_output 'a page'
}

@test "Python's MSG_FASTOPEN is refused, and reaches a live server" {
    local client='
import errno, socket
s = socket.socket()
try:
    s.sendto(b"hello\n", socket.MSG_FASTOPEN, ("127.0.0.1", 50000))
    print(s.recv(100).decode().strip())
except OSError as error:
    print(errno.errorcode[error.errno])
'
    set_source_ports 50000
    run -0 protected python3 -c "$client"
    assert_output ECONNREFUSED
    run -0 unprotected python3 -c "$client"
    assert_output hello
    set_source_ports 50002
    server 50100
    run -0 protected python3 -c "${client/50000/50100}"
    assert_output answer-hello
}
