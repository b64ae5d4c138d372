#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Debian's programs: protected, each has the message and exit status of a refused connection and reaches a live
# server. Unprotected, it connects to itself.

load helpers

# The non-blocking clients of clients/. Tests with the tag `clients` need large packages: make check-clients.
clients=$root/tests/clients

# Removes durations, times, process ids and source ports.
normalised() {
    sed -E 's/after [0-9]+ ms/after N ms/; s/duration: [0-9]+ms/duration: Nms/; s/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}/TIME/
        s/[0-9/]{10} [0-9:]{8}/TIME/; s/socat\[[0-9]+\]/socat[PID]/' <<<"$output"
}

# The client connects to 127.0.0.1:50000 and prints MESSAGE for a refusal.
is_refused_as_by_nobody() { # MESSAGE CLIENT...
    local message=$1 refusal
    shift

    set_source_ports 50002
    run unprotected timeout 20 "$@" </dev/null
    [ "$status" -ne 124 ] || fail "does not end when refused: $*"
    assert_output --partial "$message"
    refusal="$*: $status $(normalised)"

    set_source_ports 50000
    run protected timeout 20 "$@" </dev/null
    assert_equal "$*: $status $(normalised)" "$refusal"
    run self_connected_sockets
    assert_output ''

    count_self_connections
    background control unprotected "$@"
    eventually has_self_connected
}

reaches_a_live_server() { # CLIENT...
    new_host
    server 50000
    run protected "$@" <<<hello
    assert_output --regexp 'answer-(hello|SSH)'
}

@test "telnet, netcat, socat, curl, wget, ssh, bash, Perl and node are refused, and reach a live server" {
    local message client live
    while IFS='~' read -r message client live; do
        new_host
        is_refused_as_by_nobody "$message" sh -c "$client"
        reaches_a_live_server sh -c "${live:-$client}"
    done <<'END'
Connection refused~telnet 127.0.0.1 50000~(cat; sleep 1) | telnet 127.0.0.1 50000
Connection refused~nc.openbsd -v 127.0.0.1 50000~nc.openbsd -N 127.0.0.1 50000
Connection refused~nc.traditional -v 127.0.0.1 50000~nc.traditional -q 1 127.0.0.1 50000
Connection refused~socat - TCP:127.0.0.1:50000
curl: (7) Failed to connect~curl -sS --http0.9 --max-time 1 --header hello:x http://127.0.0.1:50000/
Connection refused~wget --tries 1 --timeout 1 --header hello:x -nv -O - http://127.0.0.1:50000/
Connection refused~ssh -v -F none -o ConnectTimeout=3 -p 50000 127.0.0.1 true
Connection refused~bash -c 'exec 5<>/dev/tcp/127.0.0.1/50000 && echo hello >&5 && head -n 1 <&5'
Connection refused~perl -e 'use IO::Socket::INET; my $s = IO::Socket::INET->new("127.0.0.1:50000") or die $@; print $s "hello\n"; print scalar <$s>'
connect ECONNREFUSED~node -e 'const s = require("net").connect(50000, "127.0.0.1"); s.write("hello\n"); s.on("data", (data) => { console.log(`${data}`); s.end(); })'
END
}

@test "Python is refused blocking, with a timeout, by connect_ex() and by asyncio, and reaches a live server" {
    local message statement
    while IFS='|' read -r message statement; do
        local client="
import asyncio, errno, socket, sys
where = ('127.0.0.1', 50000)
def converse(s):
    s.sendall(b'hello\\n')
    print(s.recv(100).decode().strip())
async def stream():
    reader, writer = await asyncio.open_connection(*where)
    writer.write(b'hello\\n')
    print((await reader.readline()).decode().strip())
try:
    $statement
except OSError as error:
    sys.exit(f'{type(error).__name__}: {error}')"
        new_host
        is_refused_as_by_nobody "$message" python3 -c "$client"
        reaches_a_live_server python3 -c "$client"
    done <<'END'
ConnectionRefusedError: [Errno 111]|converse(socket.create_connection(where))
ConnectionRefusedError: [Errno 111]|converse(socket.create_connection(where, timeout=5))
ECONNREFUSED|s = socket.socket(); e = s.connect_ex(where); print(errno.errorcode.get(e)); e or converse(s)
ConnectionRefusedError: [Errno 111] Connect call failed|asyncio.run(stream())
END
}

# bats test_tags=clients
@test "Mono, Tcl, hiredis, libuv and Java report the refusal of a non-blocking connection" {
    local message client
    mcs -out:"$BATS_TEST_TMPDIR/connect.exe" "$clients/connect.cs"
    gcc -o "$BATS_TEST_TMPDIR/hiredis" "$clients/hiredis.c" -lhiredis
    gcc -o "$BATS_TEST_TMPDIR/libuv" "$clients/libuv.c" -luv
    javac -d "$BATS_TEST_TMPDIR" "$clients/Connect.java"
    while IFS='~' read -r message client; do
        new_host
        is_refused_as_by_nobody "$message" sh -c "cd '$BATS_TEST_TMPDIR' && exec $client"
    done <<END
ConnectionRefused: ~mono connect.exe async
ConnectionRefused: ~mono connect.exe begin
error: connection refused~tclsh '$clients/async.tcl'
callback: Connection refused~./hiredis
callback: ECONNREFUSED~./libuv
ConnectException: Connection refused~java -Xshare:auto -XX:TieredStopAtLevel=1 Connect
END
}

# bats test_tags=clients
@test "Qt emits error() after connectToHost() has returned, as after a refusal" {
    is_refused_as_by_nobody 'error 0 Connection refused' python3 -c '
from PyQt5.QtCore import QCoreApplication
from PyQt5.QtNetwork import QTcpSocket
application = QCoreApplication([""])
socket = QTcpSocket()
socket.stateChanged.connect(lambda state: print("state", state))
socket.connected.connect(lambda: (print("connected"), application.quit()))
socket.error.connect(lambda error: (print("error", error, socket.errorString()), application.quit()))
socket.connectToHost("127.0.0.1", 50000)
print("connectToHost() has returned in state", socket.state())
application.exec()'
}

# bats test_tags=clients
@test "EventMachine reports a refusal" {
    is_refused_as_by_nobody 'unbound: Errno::ECONNREFUSED' ruby -r eventmachine -e '
module Client
  def connection_completed = puts("connected")
  def unbind(reason = nil) = (puts("unbound: #{reason.inspect}"); EventMachine.stop)
end
EventMachine.run { EventMachine.connect("127.0.0.1", 50000, Client) }'
}

# bats test_tags=clients
# shellcheck disable=SC2016 # PHP's variables
@test "PHP's STREAM_CLIENT_ASYNC_CONNECT returns a socket, which reports the refusal" {
    is_refused_as_by_nobody 'errno=111 Connection refused' php -r '
$socket = stream_socket_client("tcp://127.0.0.1:50000", $errno, $error, 5,
    STREAM_CLIENT_CONNECT | STREAM_CLIENT_ASYNC_CONNECT);
echo gettype($socket), " $errno $error\n";
$read = null;
$write = $except = [$socket];
echo "ready: ", stream_select($read, $write, $except, 5), "\n";
echo "peer: ", var_export(stream_socket_get_name($socket, true), true), "\n";
echo "written: ", var_export(fwrite($socket, "hello\n"), true), "\n";'
}

# shellcheck disable=SC2016 # Perl's variables
@test "Perl's non-blocking socket is refused" {
    is_refused_as_by_nobody 'error: Connection refused' perl -M{strict,warnings,IO::Select,IO::Socket::INET} -e '
my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:50000", Blocking => 0) or die "no socket: $@\n";
print "ready: ", scalar(IO::Select->new($socket)->can_write(5)), "\n";
$! = $socket->getsockopt(SOL_SOCKET, SO_ERROR);
print "error: $!\n";
print "connected: ", ($socket->connected ? "yes" : "no"), "\n";'
}

# bats test_tags=clients
# shellcheck disable=SC2016 # for the inner shell
@test "HAProxy's first health check reports a refusal" {
    is_refused_as_by_nobody 'Layer4 connection problem, info: "Connection refused"' sh -c '
        /usr/local/lib/noselfconn-tests/haproxy -db -f "$0/haproxy.cfg" >"$1" 2>&1 &
        until grep "^Health check" "$1"; do sleep 0.05; done
        kill $!' "$clients" "$BATS_TEST_TMPDIR/log"
}
